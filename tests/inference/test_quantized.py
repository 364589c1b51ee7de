"""A model in fewer bytes is the model: it samples, measures and is saved, and what it costs is small and measured."""

import pytest
import torch
from torch import nn

from morphogen.catalogue import compose
from morphogen.contract import Batch, Unsupported, owned
from morphogen.evaluation.precision import precision_cost
from morphogen.inference import BFloat16, Int8, Quantized
from morphogen.inference import weights as held
from morphogen.model import load, save
from morphogen.numerics.randomness import Rng
from morphogen.representations.audio import MuLaw
from morphogen.representations.pixels import Pixels
from morphogen.representations.text import Bytes


@pytest.fixture(scope="module")
def gpt() -> object:
    torch.manual_seed(0)
    model = compose("gpt", Bytes(16), 0, "tiny")
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model


ROWS = Batch(torch.randint(256, (16, 16), generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize(("weights", "error"), [(BFloat16(), 0.004), (Int8(), 0.01)])
@pytest.mark.parametrize("rows", [1, 4, 5, 33])
def test_a_product_is_near_the_exact_one(weights: held.Weights, error: float, rows: int) -> None:
    """Relative to the largest; n = 96 columns of 64, seed 0. Measured: 0.003 and 0.008."""
    draw = torch.Generator().manual_seed(0)
    matrix, x = torch.randn(96, 64, generator=draw) * torch.rand(96, 1, generator=draw) * 9, torch.randn(rows, 2, 64, generator=draw)
    x = x[:, 0] if rows == 1 else x
    exact = x @ matrix.T
    assert ((weights.hold(matrix)(x) - exact).abs().max() / exact.abs().max()).item() < error
    assert (weights.hold(matrix).rows(torch.arange(96)) - matrix).abs().max() < matrix.abs().max() * error


@pytest.mark.parametrize(("weights", "error"), [(BFloat16(), 0.006), (Int8(), 0.015)])
@pytest.mark.parametrize(
    "convolution",
    [nn.Conv2d(16, 24, 3, padding=1), nn.Conv2d(16, 24, 2, stride=2, groups=4, bias=False), nn.Conv1d(16, 24, 3, dilation=2)],
    ids=["as large", "half as large", "in a line"],
)
def test_a_convolution_is_near_the_exact_one(convolution: nn.Module, weights: held.Weights, error: float) -> None:
    """Relative to the largest; seed 0. Within autocast it answers in autocast's precision, as the layer it stands for."""
    draw = torch.Generator().manual_seed(0)
    for p in convolution.parameters():
        p.data = torch.randn(p.shape, generator=draw)
    x = torch.randn(3, 16, 8, 8, generator=draw)
    x = x if isinstance(convolution, nn.Conv2d) else x[..., 0]
    exact, light = convolution(x), held.HeldConvolution(convolution, weights)
    assert ((light(x) - exact).abs().max() / exact.abs().max()).item() < error and light(x).dtype == torch.float32
    assert (light.weight - convolution.weight).abs().max() < error * convolution.weight.abs().max()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert light(x).dtype == torch.bfloat16
        assert isinstance(weights, Int8) or torch.equal(light(x), convolution(x))


def test_int8_is_absmax_by_channel() -> None:
    """Written out for one row: 127 of its largest, halves to the even."""
    scaled = Int8().hold(torch.tensor([[254.0, -127.0, 3.0, 0.0], [0.0, 0.0, 0.0, 0.0]]))
    assert scaled.levels.tolist() == [[127, -64, 2, 0], *[[0, 0, 0, 0]] * 31] and scaled.scale[0] == 2
    assert scaled(torch.ones(1, 4))[0, 1] == 0


def a_scale_for_all_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    real = held._Scaled.__init__

    def one(self: held._Scaled, matrix: torch.Tensor, bias: torch.Tensor | None = None) -> None:
        real(self, matrix, bias)
        self.scale = self.scale.amax().expand_as(self.scale)

    monkeypatch.setattr(held._Scaled, "__init__", one)


def test_the_mutant_of_one_scale_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    a_scale_for_all_channels(monkeypatch)
    with pytest.raises(AssertionError):
        test_a_product_is_near_the_exact_one(Int8(), 0.01, 5)


@pytest.mark.parametrize(("weights", "share"), [(BFloat16(), 0.55), (Int8(), 0.35)])
def test_it_keeps_the_contract(gpt, weights: held.Weights, share: float, tmp_path) -> None:
    light = Quantized(gpt, weights)
    assert light.bytes < share * sum(4 * p.numel() for p in gpt.parameters())
    assert not any(p.requires_grad for p in owned(light.model))
    save(light, tmp_path)
    again = load(tmp_path)
    assert torch.equal(again.sample(3, seed=1).tensor, light.sample(3, seed=1).tensor)
    assert torch.equal(light.sample(3, seed=1, indices=torch.arange(1, 4)).tensor[0], light.sample(3, seed=1).tensor[1])
    assert len(light.sample(1).decode()[0]) > 0
    with pytest.raises(Unsupported, match="is not trained"):
        light(ROWS, Rng(0, 16), "model")


def test_the_model_it_is_made_of_stays(gpt) -> None:
    before = {name: tensor.clone() for name, tensor in gpt.state_dict().items()}
    Quantized(gpt, Int8()).sample(1)
    assert all(torch.equal(tensor, before[name]) for name, tensor in gpt.state_dict().items())
    assert all(p.requires_grad for p in gpt.parameters())


@pytest.mark.parametrize(("weights", "most"), [(BFloat16(), 0.02), (Int8(), 0.05)])
def test_the_cost_is_measured_on_the_same_rows(gpt, weights: held.Weights, most: float) -> None:
    """Bits a byte of a network whose logits are wild (n = 16 rows, seed 0)."""
    cost = precision_cost(gpt, weights, ROWS)
    assert cost["extra"]["value"] == pytest.approx(cost["held"]["value"] - cost["trained"]["value"], abs=1e-5)
    assert 0 < abs(cost["extra"]["value"]) < most and cost["extra"]["low"] < cost["extra"]["high"]
    assert cost["bytes_held"] < 0.6 * cost["bytes_trained"]


@pytest.mark.parametrize("system", ["vae", "ddpm"])
def test_other_families_are_held_too(system: str) -> None:
    torch.manual_seed(0)
    model = compose(system, Pixels(17, (1, 8, 8)), 10, "tiny")
    light = Quantized(model, Int8())
    assert light.bytes < 0.75 * sum(4 * p.numel() for p in model.parameters())
    picture = Batch(torch.zeros(2, 1, 8, 8), torch.tensor([1, 2]))
    assert (light.log_prob(picture.medium, picture.condition).nats - model.log_prob(picture.medium, picture.condition).nats).abs().max() < 5


@pytest.mark.parametrize("system", ["vae", "ddpm", "dit", "gated_pixelcnn", "pixelcnn_pp", "pixelrnn", "realnvp", "wgan_gp", "wavenet"])
@pytest.mark.parametrize("weights", [BFloat16(), Int8()], ids=["bf16", "int8"])
def test_whoever_reads_the_weights_themselves_finds_them(system: str, weights: held.Weights) -> None:
    """Memories that go place by place or step by step; in both precisions."""
    torch.manual_seed(0)
    model = compose(system, MuLaw(24, 8000, 16) if system == "wavenet" else Pixels(17, (1, 8, 8)), 10, "tiny")
    for precision in ("fp32", "bf16"):
        assert Quantized(model, weights).sample(2, condition=3, precision=precision).tensor.isfinite().all()


def test_in_bf16_others_are_drawn_and_with_held_weights_the_same() -> None:
    """What autocast rounds at every step, BFloat16 has rounded once."""
    torch.manual_seed(0)
    model = compose("ddpm", Pixels(256, (1, 8, 8)), 10, "tiny")
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    whole, light = (model.sample(4, 3, precision=precision) for precision in ("fp32", "bf16"))
    both = Quantized(model, BFloat16()).sample(4, 3, precision="bf16")
    assert not torch.equal(whole.tensor, light.tensor) and (whole.tensor - light.tensor).abs().mean() < 0.1
    assert torch.equal(light.tensor, both.tensor)
    assert light.made_by == whole.made_by | {"precision": "bf16"}
