"""Two levels of codes of digits: a prior on the top, and one on the bottom given the top.

Trained by the ordinary loop, seed 0: 20 steps of k-means, 200 of the top prior and 400 of the bottom prior;
10 s on one core. Figures are of n = 250 samples or test digits.
"""

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import morphogen as mg
from contract.code_levels import PIXELS, TwoLevels, code_cascade, prior
from morphogen.component import ConfigError
from morphogen.contract import Encoded, Unsupported
from morphogen.numerics.randomness import Rng
from morphogen.representations import Latent
from morphogen.testing import LAWS, check_model
from morphogen.training import train

N = 250
STEPS = {"codes": 20.0, "top": 200.0, "bottom": 400.0}


@pytest.fixture(scope="module")
def data() -> Any:
    return mg.load_data("digits")


@pytest.fixture(scope="module")
def cascade(data: Any) -> mg.Cascade:
    model = code_cascade()
    train(model, data.train, steps=620, stage_fractions=STEPS, device="cpu", precision="fp32")
    return model.eval()


@pytest.fixture(scope="module")
def codes(cascade: mg.Cascade, data: Any) -> dict[str, Tensor]:
    """The codes of 250 test digits."""
    first: Any = cascade.models["codes"]
    codes: dict[str, Tensor] = first.objective.codes(data.test.first(N).medium)
    return codes


def gain(cascade: mg.Cascade, codes: dict[str, Tensor]) -> Tensor:
    """log p(bottom | top) - log p(bottom | the top of another digit), in nats."""
    bottom: Any = cascade.models["bottom"]
    x = Encoded(codes["bottom"], torch.zeros(N), torch.full((N,), 64.0))
    with torch.no_grad():
        own, other = (
            bottom.objective.log_prob(x, bottom.context({"top": top}, N), Rng(0, N)).nats
            for top in (codes["top"], codes["top"].roll(1, 0))
        )
    return own - other


def distance(a: Tensor, b: Tensor) -> tuple[float, float]:
    """Mean squared distance of pictures, and of their 4 x 4 pictures of means."""
    return F.mse_loss(a, b).item(), F.mse_loss(F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)).item()


def top_ignored(cascade: mg.Cascade) -> mg.Cascade:
    """The mutant: the embedding of the top codes is zero, so that all tops look alike."""
    mutant: Any = copy.deepcopy(cascade)
    torch.nn.init.zeros_(mutant.models["bottom"].conditioner.parts["top"].embedding.weight)
    return mutant


def test_the_picture_is_decoded_from_both_levels(cascade: mg.Cascade) -> None:
    first: Any = cascade.models["codes"]
    x = cascade.sample_batch(Rng(1, N, ("sample",)))
    assert {name: tuple(level.shape[1:]) for name, level in x.items()} == TwoLevels.latent_shape
    pictures = cascade.sample(N, seed=1).tensor
    assert torch.equal(pictures, PIXELS.to_grid(first.objective.decode(x)))
    for level in x:  # either level of another sample gives another picture
        other = {**x, level: x[level].roll(1, 0)}
        assert F.mse_loss(PIXELS.to_grid(first.objective.decode(other)), pictures) > 0.02


def test_the_bottom_depends_on_the_top(cascade: mg.Cascade, codes: dict[str, Tensor]) -> None:
    """The right top is worth 11.3 +- 0.4 nats; with the same noise, another one changes 59 % of the codes."""
    nats = gain(cascade, codes)
    assert nats.mean() - 3 * nats.std() / math.sqrt(N) > 8
    assert gain(top_ignored(cascade), codes).abs().max() < 1e-4
    assert changed(cascade, codes["top"]) > 0.3
    assert changed(top_ignored(cascade), codes["top"]) == 0


def changed(cascade: mg.Cascade, top: Tensor) -> float:
    """The fraction of bottom codes that differ when the top is that of another digit."""
    one, other = (
        cascade.sample_batch(Rng(2, N, ("sample",)), {"top": given})["bottom"]
        for given in (top, top.roll(1, 0))
    )
    return (one != other).double().mean().item()


def test_the_top_determines_the_coarse_picture(cascade: mg.Cascade, codes: dict[str, Tensor]) -> None:
    """Two bottoms of one top: the pictures differ (0.20), the coarse ones 14 times less than of two tops."""
    tops = (codes["top"], codes["top"], codes["top"].roll(1, 0))
    one, same, other = (cascade.sample(N, {"top": top}, seed=seed).tensor for seed, top in enumerate(tops))
    (pixels, kept), (_, of_tops) = distance(one, same), distance(one, other)
    assert pixels > 0.05
    assert kept < of_tops / 5


def test_the_likelihood_is_that_of_all_codes(
    cascade: mg.Cascade, data: Any, codes: dict[str, Tensor]
) -> None:
    """log p(top) + log p(bottom | top) + log p(x | codes), below 3.3 bits/dim (2.99); uniform is 4.09."""
    pictures = data.test.first(N).medium
    result = cascade.log_prob(pictures)
    models: Any = cascade.models
    whole = Latent(models["codes"]).encode(pictures, Rng(0, N))
    with torch.no_grad():
        terms = [
            models[name].objective.log_prob(
                Encoded(codes[name], torch.zeros(N), whole.dims), models[name].context(codes, N), Rng(0, N)
            )
            for name in ("top", "bottom")
        ]
    expected = terms[0].nats + terms[1].nats + whole.log_weight
    torch.testing.assert_close(result.nats, expected, rtol=1e-5, atol=1e-3)
    assert (result.kind, result.measure) == ("lower_bound", "mass")
    assert result.bits_per_dim.mean() < 3.3
    assert top_ignored(cascade).log_prob(pictures).bits_per_dim.mean() > result.bits_per_dim.mean() + 0.05


def test_it_satisfies_the_laws(data: Any) -> None:
    assert check_model(code_cascade(), data.train.first(32)) == list(LAWS)


def test_latents_without_a_stage_and_unused_stages_are_refused() -> None:
    models: Any = code_cascade().models
    with pytest.raises(ConfigError, match="no stage samples bottom"):
        mg.Cascade(codes=models["codes"], top=models["top"])
    independent = mg.Model(prior("bottom", cross=False), models["bottom"].representation)
    with pytest.raises(ConfigError, match="no later stage takes the condition 'top'"):
        mg.Cascade(codes=models["codes"], top=models["top"], bottom=independent)
    with pytest.raises(Unsupported, match="TwoLevels does not generate samples"):
        mg.Cascade(codes=models["codes"]).sample(2)
