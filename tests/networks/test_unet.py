"""The U-Net and its attention: sizes, silence at the start, gradients everywhere, rows apart."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from morphogen import recipes
from morphogen.component import ConfigError, build, describe
from morphogen.contract import Context
from morphogen.networks.attention import Attention, GridAttention
from morphogen.networks.positions import sinusoidal
from morphogen.networks.unet import UNet

RESULTS = Path(recipes.__file__).parent / "results"


def unets(node: Any) -> Iterator[dict[str, Any]]:
    """The configs of U-Nets in a record."""
    if isinstance(node, dict) and node.get("part") == "UNet":
        yield node
    elif isinstance(node, dict | list):
        for child in node.values() if isinstance(node, dict) else node:
            yield from unets(child)


def unet(shape: tuple[int, ...] = (1, 8, 8), **options: object) -> UNet:
    torch.manual_seed(0)
    return UNet(shape, 8, (1, 2, 2), blocks=1, attention=(4,), heads=2, **options)  # type: ignore[arg-type]


def shaken(network: UNet) -> UNet:
    with torch.no_grad():
        for p in network.parameters():
            p.add_(0.05 * torch.randn_like(p))
    return network


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (2, 7, 9), (1, 16), (2, 33)])
def test_any_size_goes_in_and_out_and_starts_at_zero(shape: tuple[int, ...]) -> None:
    x = unet(shape)(noise(2, *shape), torch.rand(2))
    assert x.shape == (2, *shape) and (x == 0).all()


def test_gradient_reaches_every_parameter() -> None:
    network = shaken(unet(vector=6))
    network(noise(3, 1, 8, 8), torch.tensor([0.1, 0.5, 0.9]), Context(vector=noise(3, 6))).square().sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_time_and_condition_are_heard_and_no_condition_is_allowed() -> None:
    network, x, t = shaken(unet(vector=6)), noise(2, 1, 8, 8), torch.tensor([0.3, 0.3])
    a = network(x, t, Context(vector=noise(2, 6)))
    assert not torch.allclose(a, network(x, t + 0.2, Context(vector=noise(2, 6))), atol=1e-4)
    assert not torch.allclose(a, network(x, t, Context(vector=-noise(2, 6))), atol=1e-4)
    assert not torch.allclose(a, network(x, t, None), atol=1e-4)


def test_rows_do_not_touch() -> None:
    network, x, t = shaken(unet()), noise(5, 1, 8, 8), torch.linspace(0.1, 0.9, 5)
    assert torch.allclose(network(x, t)[2:3], network(x[2:3], t[2:3]), atol=1e-5)


def test_config_round_trip() -> None:
    network = unet((3, 16, 16), vector=5, dropout=0.2)
    assert describe(build(describe(network))) == describe(network)


@pytest.mark.parametrize("design", ["adm", "ddpm"])
@torch.no_grad()
def test_a_line_is_a_picture_all_of_whose_columns_are_equal(design: str) -> None:
    """The kernels of the line stand in the middle column of the picture's; everything else is the same numbers."""
    line, picture = shaken(unet((2, 16), design=design)), unet((2, 16, 16), design=design)
    own = line.state_dict()
    for name, weight in picture.state_dict().items():
        weight.zero_()
        place = weight[..., weight.shape[-1] // 2] if weight.ndim == 4 else weight
        place.copy_(own[name])
    x, t = noise(2, 2, 16), torch.tensor([0.2, 0.7])
    wide = picture(x[..., None].expand(-1, -1, -1, 16), t)
    assert torch.allclose(wide, line(x, t)[..., None].expand_as(wide), atol=1e-5)


@torch.no_grad()
def test_a_line_read_in_patches_is_not_blurred() -> None:
    """Neither does what lies beyond the end matter that padding adds."""
    network, x, t = shaken(unet((1, 30), patch=2)), noise(1, 1, 30), torch.tensor([0.4])
    for i in (0, 1, 29):
        y = x.clone()
        y[0, 0, i] += 1
        assert (network(y, t) - network(x, t))[0, 0, i].abs() > 1e-4
    padded = torch.nn.functional.pad(x, (0, 2))
    assert torch.allclose(network(padded, t)[..., :30], network(x, t), atol=1e-5)


def test_what_it_cannot_be_is_refused_in_a_line() -> None:
    for shape in [(3,), (1, 2, 4, 4)]:
        with pytest.raises(ConfigError, match=r"neither \(C, L\) nor \(C, H, W\)"):
            UNet(shape, 8, (1, 2))
    with pytest.raises(ConfigError, match="tokens of width 6 are heard by attention, and heads is 0"):
        UNet((1, 8, 8), 8, (1, 2), heads=0, vector=(5, 6))


def test_tokens_are_heard_after_each_attention_and_nowhere_else() -> None:
    network = unet(vector=(0, 6))
    stages = [*network.descent, *network.middle, *network.ascent]
    assert network.condition is None and sum(stage.tokens is not None for stage in stages) == 4
    assert all((stage.tokens is not None) == isinstance(stage.attention, GridAttention) for stage in stages)
    plain, plain_2 = unet(vector=6).state_dict(), unet(vector=(6, 0)).state_dict()
    assert list(plain) == list(plain_2) and all(torch.equal(plain[name], plain_2[name]) for name in plain)


@pytest.mark.parametrize("record", sorted(RESULTS.glob("*.json")), ids=lambda record: record.stem)
def test_every_network_that_was_measured_is_built_as_it_was_described(record: Path) -> None:
    for config in unets(json.loads(record.read_text())):
        with torch.device("meta"):
            network = build(config)
        assert describe(network) | config == describe(network)  # records older than an argument lack it


@pytest.mark.parametrize("pieces", [(1,) * 9, (4, 1, 4), (9,)])
def test_causal_attention_in_pieces_is_causal_attention(pieces: tuple[int, ...]) -> None:
    attention, x = Attention(16, 4), noise(2, 9, 16)
    memory = attention.memory(2, 9)
    with torch.no_grad():
        found = [attention(piece, memory, causal=True) for piece in x.split(list(pieces), 1)]
        assert torch.allclose(torch.cat(found, 1), attention(x, causal=True), atol=1e-6)


def test_causal_attention_does_not_see_ahead() -> None:
    attention, x = Attention(16, 4), noise(1, 6, 16).requires_grad_()
    attention(x, causal=True)[0, 3].sum().backward()
    seen = x.grad.abs().sum(-1)[0] > 0  # type: ignore[union-attr]
    assert seen.tolist() == [True] * 4 + [False] * 2


def test_attention_over_a_grid_starts_as_the_identity_and_knows_no_order() -> None:
    attention, x = GridAttention(8, 2), noise(2, 8, 3, 3)
    assert torch.equal(attention(x), x)
    torch.nn.init.normal_(attention.attention.out.weight)
    assert torch.allclose(attention(x.flip(-1)).flip(-1), attention(x), atol=1e-5)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="no multiple"):
        Attention(10, 3)


def test_waves_tell_neighbouring_times_apart() -> None:
    waves = sinusoidal(torch.arange(1001).float(), 16)
    assert torch.cdist(waves, waves).fill_diagonal_(9).min() > 0.5
