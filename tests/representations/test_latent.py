"""Latents of a first stage: measured for likelihoods only, and one or all of several."""

import copy
import math
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from morphogen.catalogue import build_system
from morphogen.component import ConfigError, from_config, to_config
from morphogen.conditioning.specs import Classes
from morphogen.contract import Autoencoder, Batch, Context, Encoded, Losses, Trainable, Unsupported
from morphogen.model import Model, tensors
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import sum_except_batch
from morphogen.representations.latent import Latent
from morphogen.representations.pixels import Dequantised, Pixels
from morphogen.staged import Staged
from morphogen.training import train

PIXELS = Pixels(17, (1, 8, 8))


class Means(Trainable):
    """Top: the mean of each quarter of 8 x 8 pixels, as one of 17 codes. Bottom: the residual, real numbers.

    The code is exact, so that log p(x | z) = log q(z | x) = 0 wherever z is the code of x.
    """

    latent_shape: ClassVar = {"top": (1, 2, 2), "bottom": (1, 8, 8)}
    latent_vocabulary: ClassVar = {"top": 17, "bottom": None}

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        return Losses({"nothing": torch.zeros(len(x))})

    def encode(self, x: Tensor, rng: Rng) -> tuple[dict[str, Tensor], Tensor]:
        top = ((nn.functional.avg_pool2d(x, 4) + 1) * 8).round().long()
        return {"top": top, "bottom": x - self._coarse(top)}, torch.zeros(len(x))

    def log_conditional(self, x: Tensor, z: dict[str, Tensor]) -> Tensor:
        return -1e6 * sum_except_batch((x - self.decode(z)).square())

    def decode(self, z: dict[str, Tensor]) -> Tensor:
        return self._coarse(z["top"]) + z["bottom"]

    def _coarse(self, top: Tensor) -> Tensor:
        return (top / 8 - 1).repeat_interleave(4, 2).repeat_interleave(4, 3)


def pictures(n: int = 12) -> Batch:
    rng = Rng(7, n)
    return Batch(rng.integers(17, 1, 8, 8).float() / 8 - 1, {"label": rng.integers(10)})


def latent_flow() -> Staged:
    torch.manual_seed(0)
    model: Any = build_system("latent_flow", PIXELS, {"label": Classes(10)}, "tiny")
    return model


def count_calls(module: nn.Module) -> list[int]:
    calls: list[int] = []
    module.register_forward_hook(lambda *arguments: calls.append(1))
    return calls


def test_the_decoder_is_evaluated_for_likelihoods_and_samples_only() -> None:
    staged, batch = latent_flow(), pictures()
    prior, first = staged.models["prior"], staged.models["autoencoder"]
    calls = count_calls(first.objective.network)
    train(prior, batch, steps=3, device="cpu", precision="fp32")
    assert len(calls) == 0
    prior.log_prob(batch.medium, batch.condition, batch=6)
    assert len(calls) == 2
    prior.sample(2, 1)
    assert len(calls) == 3


def test_training_has_the_same_weights_as_with_the_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, measured = latent_flow().models["prior"], latent_flow().models["prior"]
    train(plain, pictures(), steps=3, device="cpu", precision="fp32")
    encode, calls = Latent.encode, count_calls(measured.representation.first_stage.objective.network)
    monkeypatch.setattr(Latent, "encode", lambda self, medium, rng, measure: encode(self, medium, rng, True))
    train(measured, pictures(), steps=3, device="cpu", precision="fp32")
    assert calls and all(torch.equal(t, tensors(measured)[name]) for name, t in tensors(plain).items())


@pytest.mark.parametrize("representation", [PIXELS, Dequantised(PIXELS)])
def test_losses_cannot_use_the_measure(representation: Any) -> None:
    model = copy.deepcopy(latent_flow().models["autoencoder"])
    model.representation = representation
    x, _ = model.encode_batch(pictures(), Rng(0, 12))
    assert x.log_weight.isnan().all() and len(x) == 12
    assert representation.encode(pictures().medium, Rng(0, 12)).log_weight.isfinite().all()


def test_a_single_latent_is_real_and_has_no_name() -> None:
    first = latent_flow().models["autoencoder"]
    latent = Latent(first)
    assert latent.vocabulary is None and not latent.discrete and latent.shape == first.objective.latent_shape
    with pytest.raises(ConfigError, match=r"^VAE has no latent 'top'; it has a single one, without a name$"):
        Latent(first, "top")


def test_one_of_several_latents() -> None:
    first, medium = Model(Means(), PIXELS), pictures().medium
    assert isinstance(first.objective, Autoencoder)
    top, bottom = Latent(first, "top"), Latent(first, "bottom")
    assert (top.shape, top.vocabulary, top.discrete) == ((1, 2, 2), 17, True)
    assert (bottom.shape, bottom.vocabulary, bottom.discrete) == ((1, 8, 8), None, False)
    z = {each.latent: each.encode(medium, Rng(0, 12), measure=False).x for each in (top, bottom)}
    assert z["top"].shape == (12, 1, 2, 2) and z["top"].dtype == torch.int64
    assert torch.equal(top.decode(z), medium) and torch.equal(bottom.decode(z), medium)
    changed = top.decode(z | {"top": (z["top"] + 8) % 17})
    assert (changed != medium).any((1, 2, 3)).all()
    for refused in (lambda: top.decode(z["top"]), lambda: bottom.encode(medium, Rng(0, 12))):
        with pytest.raises(Unsupported, match=r"requires all latents \(top, bottom\), not .* alone: use"):
            refused()
    with pytest.raises(ConfigError, match=r"^Means has no latent 'middle'; known: top, bottom$"):
        Latent(first, "middle")


def test_all_of_several_latents() -> None:
    """x has both by name; the code is exact, so that the change of measure is zero."""
    latent, medium = Latent(Model(Means(), PIXELS)), pictures().medium
    assert latent.shape == Means.latent_shape and latent.discrete
    encoded = latent.encode(medium, Rng(0, 12))
    assert encoded.x.keys() == {"top", "bottom"} and len(encoded) == 12 and not encoded.log_weight.any()
    assert torch.equal(latent.decode(encoded.x), medium)
    assert math.isnan(latent.encode(medium, Rng(0, 12), measure=False).log_weight[0])


def test_the_config_names_the_latent() -> None:
    latent = Latent(Model(Means(), PIXELS), "bottom")
    assert from_config(to_config(latent)).latent == "bottom"
