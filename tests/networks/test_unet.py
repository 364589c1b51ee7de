"""The U-Net and its attention: sizes, silence at the start, gradients everywhere, rows apart."""

import pytest
import torch
from torch import Tensor

from morphogen.component import build, describe
from morphogen.contract import Context
from morphogen.networks.attention import Attention, GridAttention
from morphogen.networks.positions import sinusoidal
from morphogen.networks.unet import UNet


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


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (2, 7, 9)])
def test_any_size_goes_in_and_out_and_starts_at_zero(shape: tuple[int, int, int]) -> None:
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
