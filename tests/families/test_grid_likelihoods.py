"""Masses of values on a grid: they sum to one, samples follow them, and each is the formula that it names."""

import pytest
import torch
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Encoded
from morphogen.families.vae import (
    VAE,
    Bernoulli,
    CategoricalLevels,
    DiscretizedLogistic,
    DiscretizedLogisticMixture,
    LearnedGaussian,
    ObservationModel,
    SharedScaleLogistic,
)
from morphogen.networks.mlp import MLP
from morphogen.numerics.randomness import Rng

MODELS = [
    (Bernoulli(), 2),
    (CategoricalLevels(5), 5),
    (DiscretizedLogistic(5), 5),
    (SharedScaleLogistic(5, log_scale=-0.3), 5),
    (DiscretizedLogisticMixture(5, mixtures=3), 5),
]


def grid(levels: int) -> Tensor:
    return torch.linspace(-1, 1, levels)


@pytest.mark.parametrize(("model", "levels"), MODELS, ids=lambda value: type(value).__name__)
def test_masses_sum_to_one_and_samples_follow_them(model: ObservationModel, levels: int) -> None:
    """n = 20000 samples of two entries, seed 7: every frequency is within 4 standard errors of its mass."""
    n, h = 20_000, 2 * Rng(3, 1).normal(model.outputs(2))
    masses = torch.stack(
        [
            model.log_prob(torch.tensor([[first, second]]), h).exp()
            for first in grid(levels).tolist()
            for second in grid(levels).tolist()
        ]
    ).reshape(levels, levels)
    assert abs(masses.sum() - 1) <= 1e-5
    samples = model.sample(h.expand(n, -1), Rng(7, n))
    for entry, marginal in enumerate((masses.sum(1), masses.sum(0))):
        for value, p in zip(grid(levels), marginal.double(), strict=True):
            frequency = (samples[:, entry] == value).double().mean()
            assert abs(frequency - p) <= 4 * (p * (1 - p) / n) ** 0.5
    joint = ((samples == grid(levels)[-1]).all(1)).double().mean()  # entries are independent
    assert abs(joint - masses[-1, -1]) <= 4 * (masses[-1, -1] * (1 - masses[-1, -1]) / n) ** 0.5


@pytest.mark.parametrize(("model", "levels"), MODELS, ids=lambda value: type(value).__name__)
def test_pictures_and_vectors_have_the_same_masses(model: ObservationModel, levels: int) -> None:
    values = Rng(1, 3).integers(levels, 2, 2, 2)
    x, h = grid(levels)[values], Rng(0, 3).normal(model.outputs(2), 2, 2)
    whole = model.log_prob(x, h)
    pixels = [model.log_prob(x[..., i, j], h[..., i, j]) for i in range(2) for j in range(2)]
    assert torch.allclose(whole, torch.stack(pixels).sum(0), atol=1e-5)
    assert model.median(h).shape == model.sample(h, Rng(2, 3)).shape == (3, 2, 2, 2)
    assert model.median(h).abs().max() <= 1


def test_each_model_is_its_formula() -> None:
    x = torch.tensor([[-1.0, 1.0, 1.0]])
    h = torch.tensor([[0.3, -2.0, 1.5]])
    bernoulli = torch.distributions.Bernoulli(logits=h)
    assert torch.allclose(Bernoulli().log_prob(x, h), bernoulli.log_prob((x + 1) / 2).sum(1))
    assert torch.allclose(Bernoulli().median(h), 2 * bernoulli.mean - 1)
    logits = Rng(0, 1).normal(5, 3)
    levels = torch.tensor([[0, 4, 2]])
    categorical = torch.distributions.Categorical(logits=logits.transpose(1, 2))
    ours = CategoricalLevels(5).log_prob(grid(5)[levels], logits.flatten(1))
    assert torch.allclose(ours, categorical.log_prob(levels).sum(1))
    one = Rng(4, 1).normal(6)
    mixture = DiscretizedLogisticMixture(5, mixtures=1).log_prob(
        torch.tensor([[0.5, -1.0]]), torch.cat([torch.ones(1, 2), one[:, :4]], 1)
    )
    single = DiscretizedLogistic(5).log_prob(torch.tensor([[0.5, -1.0]]), one[:, :4])
    assert torch.allclose(mixture, single)
    shared = SharedScaleLogistic(5, log_scale=-1.5).log_prob(torch.tensor([[0.5, -1.0]]), one[:, :2])
    scales = torch.full((1, 2), -1.5)
    floored = DiscretizedLogistic(5, floor=-100.0).log_prob(
        torch.tensor([[0.5, -1.0]]), torch.cat([one[:, :2], scales], 1)
    )
    assert torch.allclose(shared, floored)


def test_the_median_of_a_categorical_halves_its_mass() -> None:
    logits = torch.tensor([0.1, 0.3, 0.2, 0.15, 0.25]).log()[None]
    assert CategoricalLevels(5).median(logits).item() == 0.0


def test_a_learned_gaussian_is_its_density() -> None:
    x, h = torch.tensor([[0.3, -2.0]]), torch.tensor([[0.1, 0.2, -1.0, 0.5]])
    model = LearnedGaussian()
    expected = torch.distributions.Normal(h[:, :2], h[:, 2:].exp()).log_prob(x).sum(1)
    assert torch.allclose(model.log_prob(x, h), expected, atol=1e-2)  # the floor is soft
    n = 20_000
    samples = model.sample(h.expand(n, 4), Rng(0, n))
    assert (samples.mean(0) - h[0, :2]).abs().max() <= 4 * samples.std(0).max() / n**0.5
    assert (samples.std(0) / h[0, 2:].exp() - 1).abs().max() <= 0.03


def test_grey_values_have_no_likelihood_under_a_bernoulli() -> None:
    vae = VAE(MLP(3, 4, 8, 1), MLP(2, 3, 8, 1), Bernoulli(), (2,))
    grey = Encoded(torch.tensor([[-1.0, 0.25, 1.0]]), torch.zeros(1), torch.ones(1))
    for refused in (vae.prepare, vae.log_prob):
        with pytest.raises(ConfigError, match=r"the value 0\.25.*DiscretizedLogistic"):
            refused(grey, None, Rng(0, 1))
    binary = Encoded(torch.tensor([[-1.0, 1.0, 1.0]]), torch.zeros(1), torch.ones(1))
    vae.prepare(binary, None, Rng(0, 1))
    assert vae.log_prob(binary, None, Rng(0, 1)).measure == "mass"
