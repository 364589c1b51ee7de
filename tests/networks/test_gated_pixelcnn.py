"""Gated PixelCNN is causal, has no blind spot, and its cache equals the forward pass."""

import pytest
import torch

from morphogen.component import ConfigError, from_config, to_config
from morphogen.contract import Causal, Context
from morphogen.families.autoregressive import Recompute
from morphogen.networks.gated_pixelcnn import GatedPixelCNN
from morphogen.networks.positions import PositionBias
from morphogen.numerics.tensors import raster, unraster

SHAPES = [(1, 6, 5), (3, 4, 5), (5, 4)]


def network(shape: tuple[int, ...], vector: int = 0, layers: int = 4) -> GatedPixelCNN:
    torch.manual_seed(1)  # with seed 0 a dead ReLU blocks one of 1770 dependencies
    net = GatedPixelCNN(
        shape,
        7,
        width=36,
        layers=layers,
        first_kernel=5,
        embedding=4,
        vector=vector,
        position_bias=PositionBias(shape[-2:], 4 * (shape[0] if len(shape) == 3 else 1), vector),
    ).eval()
    for p in net.parameters():
        p.data += 0.1 * torch.randn_like(p)
    return net


@pytest.mark.parametrize("shape", SHAPES)
def test_unraster_inverts_raster_and_colours_are_innermost(shape: tuple[int, ...]) -> None:
    x = torch.arange(2 * torch.Size(shape).numel()).view(2, *shape)
    assert torch.equal(unraster(raster(x, shape), shape), x)
    if len(shape) == 3:
        assert raster(x, shape)[0, : shape[0] + 1].tolist() == [*x[0, :, 0, 0].tolist(), x[0, 0, 0, 1].item()]


@pytest.mark.parametrize("shape", SHAPES)
def test_logits_depend_on_exactly_the_earlier_symbols(shape: tuple[int, ...]) -> None:
    """The receptive field covers the whole image, so a blind spot would be a missing dependency."""
    net, n = network(shape, layers=6), torch.Size(shape).numel()
    x = torch.randint(7, (1, *shape), generator=torch.Generator().manual_seed(1))
    logits = raster(net(x, None), shape)[0]
    depends = torch.zeros(n, n, dtype=torch.bool)
    for j in range(n):
        s = raster(x, shape).clone()
        s[0, j] = (s[0, j] + 3) % 7
        depends[:, j] = (raster(net(unraster(s, shape), None), shape)[0] - logits).abs().amax(1) > 0
    assert torch.equal(depends, torch.ones(n, n).tril(-1).bool())


def test_a_logit_has_no_gradient_to_its_own_or_later_symbols() -> None:
    net, shape = network((3, 4, 5)), (3, 4, 5)
    embedded: list[torch.Tensor] = []
    net.level_embedding.register_forward_hook(
        lambda _m, _i, output: embedded.append(output.requires_grad_()) or output
    )
    logits = raster(net(torch.randint(7, (1, *shape)), None), shape)[0]
    for i in (0, 1, 2, 29, 30, 31, 59):
        (gradient,) = torch.autograd.grad(logits[i].sum(), embedded[0], retain_graph=True)
        reached = raster(gradient.abs().sum(-1), shape)[0] > 0
        assert not reached[i:].any() and (i == 0 or reached[i - 1])


@pytest.mark.parametrize("shape", SHAPES)
def test_cached_decoding_equals_the_forward_pass(shape: tuple[int, ...]) -> None:
    net, context = network(shape, vector=3), Context(vector=torch.randn(2, 3))
    assert isinstance(net, Causal)
    cache, naive, previous = net.make_cache(2, context), Recompute(net, 2, shape, context), None
    with torch.no_grad():
        for _ in range(torch.Size(shape).numel()):
            logits = naive.step(previous)
            torch.testing.assert_close(cache.step(previous), logits, atol=1e-5, rtol=0)
            previous = torch.randint(7, (2,))


def test_every_symbol_depends_on_the_condition_of_its_row_only() -> None:
    net, x = network((1, 6, 5), vector=3), torch.randint(7, (2, 1, 6, 5))
    v = torch.randn(2, 3)
    other = torch.stack([v[0], -v[1]])
    change = (net(x, Context(vector=v)) - net(x, Context(vector=other))).abs().amax(-1)
    assert (change[1] > 0).all() and (change[0] < 1e-6).all()


def test_every_parameter_has_a_gradient_and_the_config_rebuilds_the_network() -> None:
    net = network((3, 4, 5), vector=3)
    net(torch.randint(7, (2, 3, 4, 5)), Context(vector=torch.randn(2, 3))).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())
    again = from_config(to_config(net))
    again.load_state_dict(net.state_dict())
    x = torch.randint(7, (1, 3, 4, 5))
    assert torch.equal(again.eval()(x, None), net(x, None))


def test_a_width_that_is_not_a_multiple_of_the_colours_raises() -> None:
    with pytest.raises(ConfigError, match="take 33"):
        GatedPixelCNN((3, 8, 8), 256, width=32)
