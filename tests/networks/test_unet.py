"""The U-Net and its attention: shapes, zero output at initialization, gradients, independent rows."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from morphogen import recipes
from morphogen.component import ConfigError, from_config, to_config
from morphogen.contract import Context
from morphogen.networks.attention import Attention, GridAttention
from morphogen.networks.positions import sinusoidal
from morphogen.networks.unet import UNet

RESULTS = Path(recipes.__file__).parent / "results"


def unets(node: Any) -> Iterator[dict[str, Any]]:
    """Iterate over the configs of U-Nets in a record."""
    if isinstance(node, dict) and node.get("part") == "UNet":
        yield node
    elif isinstance(node, dict | list):
        for child in node.values() if isinstance(node, dict) else node:
            yield from unets(child)


def unet(shape: tuple[int, ...] = (1, 8, 8), **options: object) -> UNet:
    torch.manual_seed(0)
    return UNet(shape, 8, (1, 2, 2), blocks=1, attention=(4,), heads=2, **options)  # type: ignore[arg-type]


def perturbed(network: UNet) -> UNet:
    with torch.no_grad():
        for p in network.parameters():
            p.add_(0.05 * torch.randn_like(p))
    return network


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (2, 7, 9), (1, 16), (2, 33)])
def test_output_has_the_shape_of_x_and_is_zero_at_initialization(shape: tuple[int, ...]) -> None:
    x = unet(shape)(noise(2, *shape), torch.rand(2))
    assert x.shape == (2, *shape) and (x == 0).all()


def test_gradient_reaches_every_parameter() -> None:
    network = perturbed(unet(vector=6))
    network(
        noise(3, 1, 8, 8), torch.tensor([0.1, 0.5, 0.9]), Context(vector=noise(3, 6))
    ).square().sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_output_depends_on_time_and_condition_and_the_condition_is_optional() -> None:
    network, x, t = perturbed(unet(vector=6)), noise(2, 1, 8, 8), torch.tensor([0.3, 0.3])
    a = network(x, t, Context(vector=noise(2, 6)))
    assert not torch.allclose(a, network(x, t + 0.2, Context(vector=noise(2, 6))), atol=1e-4)
    assert not torch.allclose(a, network(x, t, Context(vector=-noise(2, 6))), atol=1e-4)
    assert not torch.allclose(a, network(x, t, None), atol=1e-4)


def test_rows_are_independent() -> None:
    network, x, t = perturbed(unet()), noise(5, 1, 8, 8), torch.linspace(0.1, 0.9, 5)
    assert torch.allclose(network(x, t)[2:3], network(x[2:3], t[2:3]), atol=1e-5)


def test_config_round_trip() -> None:
    network = unet((3, 16, 16), vector=5, dropout=0.2)
    assert to_config(from_config(to_config(network))) == to_config(network)


@pytest.mark.parametrize("design", ["adm", "ddpm", "improved_ddpm"])
@torch.no_grad()
def test_a_signal_is_processed_as_an_image_with_equal_columns(design: str) -> None:
    """The 1-d kernels are copied to the middle column of the 2-d kernels; other weights are equal."""
    signal, image = perturbed(unet((2, 16), design=design)), unet((2, 16, 16), design=design)
    weights = signal.state_dict()
    for name, weight in image.state_dict().items():
        weight.zero_()
        target = weight[..., weight.shape[-1] // 2] if weight.ndim == 4 else weight
        target.copy_(weights[name])
    x, t = noise(2, 2, 16), torch.tensor([0.2, 0.7])
    wide = image(x[..., None].expand(-1, -1, -1, 16), t)
    assert torch.allclose(wide, signal(x, t)[..., None].expand_as(wide), atol=1e-5)


@torch.no_grad()
def test_patches_of_a_signal_keep_full_resolution() -> None:
    """The padding after the end has no effect either."""
    network, x, t = perturbed(unet((1, 30), patch=2)), noise(1, 1, 30), torch.tensor([0.4])
    for i in (0, 1, 29):
        y = x.clone()
        y[0, 0, i] += 1
        assert (network(y, t) - network(x, t))[0, 0, i].abs() > 1e-4
    padded = torch.nn.functional.pad(x, (0, 2))
    assert torch.allclose(network(padded, t)[..., :30], network(x, t), atol=1e-5)


def test_invalid_arguments_raise() -> None:
    for shape in [(3,), (1, 2, 4, 4)]:
        with pytest.raises(ConfigError, match=r"neither \(C, L\) nor \(C, H, W\)"):
            UNet(shape, 8, (1, 2))
    with pytest.raises(ConfigError, match="tokens of width 6 require attention, but heads is 0"):
        UNet((1, 8, 8), 8, (1, 2), heads=0, vector=(5, 6))


def test_cross_attention_follows_each_self_attention_and_nothing_else() -> None:
    network = unet(vector=(0, 6))
    stages = [*network.down_blocks, *network.mid_blocks, *network.up_blocks]
    assert network.condition is None and sum(stage.tokens is not None for stage in stages) == 4
    assert all((stage.tokens is not None) == isinstance(stage.attention, GridAttention) for stage in stages)
    plain, plain_2 = unet(vector=6).state_dict(), unet(vector=(6, 0)).state_dict()
    assert list(plain) == list(plain_2) and all(torch.equal(plain[name], plain_2[name]) for name in plain)


@pytest.mark.parametrize("record", sorted(RESULTS.glob("*.json")), ids=lambda record: record.stem)
def test_the_network_of_every_record_is_rebuilt_from_its_config(record: Path) -> None:
    for config in unets(json.loads(record.read_text())):
        with torch.device("meta"):
            network = from_config(config)
        assert to_config(network) | config == to_config(network)  # records older than an argument lack it


@pytest.mark.parametrize("pieces", [(1,) * 9, (4, 1, 4), (9,)])
def test_cached_causal_attention_equals_the_forward_pass(pieces: tuple[int, ...]) -> None:
    attention, x = Attention(16, 4), noise(2, 9, 16)
    cache = attention.make_cache(2, 9)
    with torch.no_grad():
        outputs = [attention(piece, cache, causal=True) for piece in x.split(list(pieces), 1)]
        assert torch.allclose(torch.cat(outputs, 1), attention(x, causal=True), atol=1e-6)


def test_causal_attention_has_no_gradient_to_later_positions() -> None:
    attention, x = Attention(16, 4), noise(1, 6, 16).requires_grad_()
    attention(x, causal=True)[0, 3].sum().backward()
    reached = x.grad.abs().sum(-1)[0] > 0  # type: ignore[union-attr]
    assert reached.tolist() == [True] * 4 + [False] * 2


def test_grid_attention_starts_as_the_identity_and_is_equivariant_to_permutation() -> None:
    attention, x = GridAttention(8, 2), noise(2, 8, 3, 3)
    assert torch.equal(attention(x), x)
    torch.nn.init.normal_(attention.attention.out.weight)
    assert torch.allclose(attention(x.flip(-1)).flip(-1), attention(x), atol=1e-5)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="must be a multiple of heads 3"):
        Attention(10, 3)


def test_sinusoidal_embeddings_of_adjacent_times_differ() -> None:
    embeddings = sinusoidal(torch.arange(1001).float(), 16)
    assert torch.cdist(embeddings, embeddings).fill_diagonal_(9).min() > 0.5
