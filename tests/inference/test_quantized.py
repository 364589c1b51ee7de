"""Quantized models: packed layers are close to the exact ones, and the model satisfies the contract."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from morphogen.catalogue import build_system
from morphogen.conditioning.specs import Classes
from morphogen.contract import Batch, Unsupported, owned
from morphogen.evaluation.precision import precision_cost
from morphogen.inference import BFloat16, Int8, Quantized, packed
from morphogen.model import load, save
from morphogen.numerics.randomness import Rng
from morphogen.representations.audio import MuLaw
from morphogen.representations.pixels import Pixels
from morphogen.representations.text import Bytes


@pytest.fixture(scope="module")
def gpt() -> object:
    torch.manual_seed(0)
    model = build_system("gpt", Bytes(16), {}, "tiny")
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model


ROWS = Batch(torch.randint(256, (16, 16), generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize(("weights", "error"), [(BFloat16(), 0.004), (Int8(), 0.01)])
@pytest.mark.parametrize("rows", [1, 4, 5, 33])
def test_products_are_close_to_the_exact_ones(weights: packed.WeightFormat, error: float, rows: int) -> None:
    """Relative to the largest value; a 96 x 64 matrix, seed 0. Measured: 0.003 and 0.008."""
    draw = torch.Generator().manual_seed(0)
    matrix = torch.randn(96, 64, generator=draw) * torch.rand(96, 1, generator=draw) * 9
    x = torch.randn(rows, 2, 64, generator=draw)
    x = x[:, 0] if rows == 1 else x
    exact = x @ matrix.T
    assert ((weights.pack(matrix)(x) - exact).abs().max() / exact.abs().max()).item() < error
    assert (weights.pack(matrix).rows(torch.arange(96)) - matrix).abs().max() < matrix.abs().max() * error


@pytest.mark.parametrize(("weights", "error"), [(BFloat16(), 0.006), (Int8(), 0.015)])
@pytest.mark.parametrize(
    "convolution",
    [
        nn.Conv2d(16, 24, 3, padding=1),
        nn.Conv2d(16, 24, 2, stride=2, groups=4, bias=False),
        nn.Conv1d(16, 24, 3, dilation=2),
    ],
    ids=["same size", "strided", "one-dimensional"],
)
def test_convolutions_are_close_to_the_exact_ones(
    convolution: nn.Module, weights: packed.WeightFormat, error: float
) -> None:
    """Relative to the largest value, seed 0. Under autocast the output has the dtype of autocast."""
    draw = torch.Generator().manual_seed(0)
    for p in convolution.parameters():
        p.data = torch.randn(p.shape, generator=draw)
    x = torch.randn(3, 16, 8, 8, generator=draw)
    x = x if isinstance(convolution, nn.Conv2d) else x[..., 0]
    exact, replacement = convolution(x), packed.PackedConv(convolution, weights)
    y = replacement(x)
    assert ((y - exact).abs().max() / exact.abs().max()).item() < error and y.dtype == torch.float32
    assert (replacement.weight - convolution.weight).abs().max() < error * convolution.weight.abs().max()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert replacement(x).dtype == torch.bfloat16
        assert isinstance(weights, Int8) or torch.equal(replacement(x), convolution(x))


@torch.no_grad()
def test_reordered_kernels_change_no_bit_and_follow_the_weights() -> None:
    convolution, x = nn.Conv2d(16, 24, 3, padding=1), torch.randn(2, 16, 5, 7)
    replacement = packed.PackedConv(convolution, BFloat16())
    plain = packed.PackedConv(convolution, BFloat16())
    plain.reordered.suits = lambda x: False  # type: ignore[method-assign]
    assert torch.equal(replacement(x), plain(x))
    for conv in (replacement, plain):
        conv.matrix.rounded.mul_(2)  # type: ignore[union-attr]
    assert torch.equal(replacement(x), plain(x))
    assert torch.equal(copy.deepcopy(replacement)(x), plain(x))


def test_int8_scales_each_channel_by_its_largest_value() -> None:
    """One row by hand: the largest value becomes 127, and halves round to even."""
    scaled = Int8().pack(torch.tensor([[254.0, -127.0, 3.0, 0.0], [0.0, 0.0, 0.0, 0.0]]))
    assert scaled.levels.tolist() == [[127, -64, 2, 0], *[[0, 0, 0, 0]] * 31] and scaled.scale[0] == 2
    assert scaled(torch.ones(1, 4))[0, 1] == 0


def use_one_scale_for_all_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    original = packed._Int8Matrix.__init__

    def mutated(self: packed._Int8Matrix, matrix: torch.Tensor, bias: torch.Tensor | None = None) -> None:
        original(self, matrix, bias)
        self.scale = self.scale.amax().expand_as(self.scale)

    monkeypatch.setattr(packed._Int8Matrix, "__init__", mutated)


def test_the_mutant_with_one_scale_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    use_one_scale_for_all_channels(monkeypatch)
    with pytest.raises(AssertionError):
        test_products_are_close_to_the_exact_ones(Int8(), 0.01, 5)


@pytest.mark.parametrize(("weights", "fraction"), [(BFloat16(), 0.55), (Int8(), 0.35)])
def test_it_satisfies_the_contract(gpt, weights: packed.WeightFormat, fraction: float, tmp_path) -> None:
    quantized = Quantized(gpt, weights)
    assert quantized.bytes < fraction * sum(4 * p.numel() for p in gpt.parameters())
    assert not any(p.requires_grad for p in owned(quantized.model))
    save(quantized, tmp_path)
    samples, loaded = quantized.sample(3, seed=1).tensor, load(tmp_path)
    assert torch.equal(loaded.sample(3, seed=1).tensor, samples)
    shifted = quantized.sample(3, seed=1, indices=torch.arange(1, 4)).tensor
    assert torch.equal(shifted[0], samples[1])
    assert len(quantized.sample(1).decode()[0]) > 0
    with pytest.raises(Unsupported, match="cannot be trained"):
        quantized(ROWS, Rng(0, 16), "model")


def test_the_original_model_is_not_changed(gpt) -> None:
    before = {name: tensor.clone() for name, tensor in gpt.state_dict().items()}
    Quantized(gpt, Int8()).sample(1)
    assert all(torch.equal(tensor, before[name]) for name, tensor in gpt.state_dict().items())
    assert all(p.requires_grad for p in gpt.parameters())


@pytest.mark.parametrize(("weights", "limit"), [(BFloat16(), 0.02), (Int8(), 0.05)])
def test_the_cost_is_paired_by_row(gpt, weights: packed.WeightFormat, limit: float) -> None:
    """Bits/byte of a network with random weights (n = 16 rows, seed 0)."""
    cost = precision_cost(gpt, weights, ROWS)
    assert cost["extra"]["value"] == pytest.approx(cost["held"]["value"] - cost["trained"]["value"], abs=1e-5)
    assert 0 < abs(cost["extra"]["value"]) < limit and cost["extra"]["low"] < cost["extra"]["high"]
    assert cost["bytes_held"] < 0.6 * cost["bytes_trained"]


@pytest.mark.parametrize("system", ["vae", "ddpm"])
def test_other_families_can_be_quantized(system: str) -> None:
    torch.manual_seed(0)
    model = build_system(system, Pixels(17, (1, 8, 8)), {"label": Classes(10)}, "tiny")
    quantized = Quantized(model, Int8())
    assert quantized.bytes < 0.75 * sum(4 * p.numel() for p in model.parameters())
    pictures = Batch(torch.zeros(2, 1, 8, 8), {"label": torch.tensor([1, 2])})
    nats = [m.log_prob(pictures.medium, pictures.condition).nats for m in (quantized, model)]
    assert (nats[0] - nats[1]).abs().max() < 5


@pytest.mark.parametrize(
    "system",
    ["vae", "ddpm", "dit", "gated_pixelcnn", "pixelcnn_pp", "pixelrnn", "realnvp", "wgan_gp", "wavenet"],
)
@pytest.mark.parametrize("weights", [BFloat16(), Int8()], ids=["bf16", "int8"])
def test_quantized_models_give_nearly_the_same_samples_in_both_precisions(
    system: str, weights: packed.WeightFormat
) -> None:
    """Decoding caches read the weights of layers directly.

    The mean distance of 4 samples from the model's own is at most 2 % of that from another model's; 5 % pass.
    """
    own, other = (perturbed(system, seed) for seed in (0, 1))
    samples, different = (model.sample(4, condition=3).tensor for model in (own, other))
    scale = (samples - different).abs().mean()
    assert scale > 0.01
    for precision in ("fp32", "bf16"):
        quantized = Quantized(own, weights).sample(4, condition=3, precision=precision).tensor
        assert (quantized - samples).abs().mean() < 0.05 * scale


def perturbed(system: str, seed: int) -> Any:
    """A tiny system with random weights everywhere, also where the initial ones are zero."""
    torch.manual_seed(seed)
    representation = MuLaw(24, 8000, 16) if system == "wavenet" else Pixels(17, (1, 8, 8))
    model = build_system(system, representation, {"label": Classes(10)}, "tiny")
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model


def test_bfloat16_weights_give_the_samples_of_autocast() -> None:
    """BFloat16 rounds the weights once, autocast in every step."""
    torch.manual_seed(0)
    model = build_system("ddpm", Pixels(256, (1, 8, 8)), {"label": Classes(10)}, "tiny")
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    fp32, bf16 = (model.sample(4, 3, precision=precision) for precision in ("fp32", "bf16"))
    both = Quantized(model, BFloat16()).sample(4, 3, precision="bf16")
    assert not torch.equal(fp32.tensor, bf16.tensor) and (fp32.tensor - bf16.tensor).abs().mean() < 0.1
    assert torch.equal(bf16.tensor, both.tensor)
    assert bf16.settings == fp32.settings | {"precision": "bf16"}
