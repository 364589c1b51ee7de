"""A picture and a label as one x, by a VAE whose likelihood is the sum of those of the parts.

The bound is compared with the joint density in closed form, and the label of a picture is read by
enumeration: argmax over labels of log p(picture, label).
"""

from pathlib import Path

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

import morphogen as mg
from contract.joint import CLASSES, LABEL_PROBABILITY, Brighten, draw, joint_model, log_joint
from morphogen.evaluation.intervals import proportion
from morphogen.families.vae import VAE, Joint, VAESampler
from morphogen.model import load, save, tensors
from morphogen.numerics.trees import index, leaves, same
from morphogen.rank import Rank
from morphogen.testing import LAWS, check_model
from morphogen.training import train

N = 4000  # rows of every estimate, seed 1


pytestmark = pytest.mark.slow  # half a minute of training


@pytest.fixture(scope="module")
def trained() -> mg.Model:
    """1000 steps on 20 000 rows, seed 0: 8 s on one core."""
    model = joint_model()
    train(model, draw(20_000, 0), steps=1000, device="cpu", precision="fp32")
    return model.eval()


def gap(model: mg.Model, bound_samples: int = 1) -> tuple[float, float]:
    """Mean of bound - log p on fresh rows, in nats, and its standard error."""
    batch, model.objective.bound_samples = draw(N, 1), bound_samples
    exact = log_joint(batch.medium["picture"])[torch.arange(N), batch.medium["label"]]
    difference = model.log_prob(batch.medium, batch=1000).nats - exact
    model.objective.bound_samples = 1
    return difference.mean().item(), difference.std().item() / N**0.5


def labels_by_enumeration(model: mg.Model, picture: Tensor) -> Tensor:
    """argmax over labels of the bound on log p(picture, label)."""
    every = [{"picture": picture, "label": torch.full((len(picture),), c)} for c in range(CLASSES)]
    return torch.stack([model.log_prob(medium, batch=1000).nats for medium in every], 1).argmax(1)


def accuracy(model: mg.Model) -> tuple[float, float]:
    """95 % interval of the accuracy by enumeration."""
    medium = draw(N, 1).medium
    interval = proportion(labels_by_enumeration(model, medium["picture"]) == medium["label"])
    return interval["low"], interval["high"]


def bayes_rate() -> float:
    medium = draw(N, 1).medium
    return (log_joint(medium["picture"]).argmax(1) == medium["label"]).float().mean().item()


def test_the_bound_is_below_the_joint_density_and_near_it(trained: mg.Model) -> None:
    """log p averages -4.49 nats; the ELBO is 0.16 below (standard error 0.01), with 64 samples 0.09."""
    elbo, error = gap(trained)
    assert error < 0.02 and -0.3 < elbo < -3 * error
    tighter, error = gap(trained, 64)
    assert error < 0.02 and elbo < tighter < 3 * error


def test_the_label_of_a_picture_is_read_near_the_bayes_rate(trained: mg.Model) -> None:
    """0.92, where the most frequent label alone gives 0.5; n = 4000, 95 % interval."""
    low, high = accuracy(trained)
    assert low > bayes_rate() - 0.03 and low < bayes_rate() + 0.01 and high < 0.95


def test_a_lost_part_or_term_is_noticed(trained: mg.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutants: a likelihood without the label; a bound without the prior; labels of other pictures."""
    log_prob = Joint.log_prob
    monkeypatch.setattr(
        Joint, "log_prob", lambda self, x, h: self.parts["picture"].log_prob(x["picture"], h["picture"])
    )
    value, error = gap(trained)
    assert value > -3 * error and accuracy(trained)[1] < bayes_rate() - 0.03
    monkeypatch.setattr(Joint, "log_prob", log_prob)

    with monkeypatch.context() as patch:
        patch.setattr(VAE, "log_prior", lambda self, draw, context: torch.zeros(len(draw.z)))
        assert gap(trained)[0] > 0.1
    medium = draw(N, 1).medium
    assert (
        labels_by_enumeration(trained, medium["picture"].roll(1, 0)) == medium["label"]
    ).float().mean() < 0.6


def test_samples_are_of_both_parts(trained: mg.Model) -> None:
    """Labels by frequency (chi-square, p > 0.001) and of their pictures; n = 2000, seed 2."""
    samples = trained.sample(2000, sampler=VAESampler("sample"), seed=2, batch=500)
    assert len(samples) == 2000 and samples.tensor["picture"].shape == (2000, 1, 2, 2)
    label = samples.tensor["label"]
    assert chisquare(label.bincount(minlength=CLASSES), 2000 * LABEL_PROBABILITY).pvalue > 0.001
    agree = (log_joint(samples.tensor["picture"]).argmax(1) == label).float().mean().item()
    assert 0.75 < agree < bayes_rate()  # 0.84: some z of the prior lie between the classes
    shuffled = (log_joint(samples.tensor["picture"].roll(1, 0)).argmax(1) == label).float().mean().item()
    assert shuffled < 0.6
    assert samples.decode()[3]["label"] == int(label[3]) and len(samples.to_displayable()) == 2000


class TwoRanks(Rank):
    """The first of two ranks, whose other half is computed here as well."""

    def gather(self, mine: Tensor, n: int) -> Tensor:
        return mine


def test_rows_do_not_depend_on_the_batch_or_the_shard(trained: mg.Model) -> None:
    whole = trained.sample(9, seed=3, batch=4).tensor
    for rank, rows in ((TwoRanks(0, 2), slice(0, 5)), (TwoRanks(1, 2), slice(5, 9))):
        part = trained.sample(9, seed=3, rank=rank).tensor
        for one, other in zip(leaves(part), leaves(index(whole, rows)), strict=True):
            assert torch.allclose(one, other, atol=1e-5)
    batch = draw(9, 4)
    expected = trained.log_prob(batch.medium, seed=1).nats
    part = trained.log_prob(batch.medium, seed=1, rank=TwoRanks(1, 2)).nats
    assert torch.allclose(part, expected[5:], atol=1e-5)


def test_saved_samples_and_models(trained: mg.Model, tmp_path: Path) -> None:
    assert [path.name for path in trained.sample(2).save(tmp_path / "samples")] == ["0000.txt", "0001.txt"]
    save(trained, tmp_path / "model")
    again = load(tmp_path / "model").sample(2, seed=5).tensor
    assert same(again, trained.sample(2, seed=5).tensor)


def test_trained_with_an_augmentation_in_micro_batches() -> None:
    """The micro-batches of a step add up to the batch, for a tree as for a tensor."""
    once, twice = (joint_model(batch=32, augment=Brighten(0.1), accumulate=parts) for parts in (1, 2))
    for model in (once, twice):
        train(model, draw(64, 0), steps=3, device="cpu", precision="fp32")
    weights = tensors(twice)
    assert all(torch.allclose(tensor, weights[name], atol=1e-4) for name, tensor in tensors(once).items())


@pytest.mark.parametrize("law", LAWS)
def test_law(law: str) -> None:
    check_model(joint_model(), draw(12, 0), [law])
