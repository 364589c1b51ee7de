"""Gated PixelCNN looks back only, sees all that lies back, and its memory answers as its pass does."""

import pytest
import torch

from morphogen.component import ConfigError, build, describe
from morphogen.contract import Causal, Context
from morphogen.families.autoregressive import Recompute
from morphogen.networks.gated_pixelcnn import GatedPixelCNN
from morphogen.networks.positions import Places
from morphogen.numerics.tensors import raster, unraster

SHAPES = [(1, 6, 5), (3, 4, 5), (5, 4)]


def network(shape: tuple[int, ...], vector: int = 0, layers: int = 4) -> GatedPixelCNN:
    torch.manual_seed(1)  # at 0 a dead ReLU hides one path of 1770
    made = GatedPixelCNN(
        shape,
        7,
        width=36,
        layers=layers,
        first=5,
        embedding=4,
        vector=vector,
        places=Places(shape[-2:], 4 * (shape[0] if len(shape) == 3 else 1), vector),
    ).eval()
    for p in made.parameters():
        p.data += 0.1 * torch.randn_like(p)
    return made


@pytest.mark.parametrize("shape", SHAPES)
def test_raster_and_back_is_the_identity_and_reads_colour_by_colour(shape: tuple[int, ...]) -> None:
    x = torch.arange(2 * torch.Size(shape).numel()).view(2, *shape)
    assert torch.equal(unraster(raster(x, shape), shape), x)
    if len(shape) == 3:
        assert raster(x, shape)[0, : shape[0] + 1].tolist() == [*x[0, :, 0, 0].tolist(), x[0, 0, 0, 1].item()]


@pytest.mark.parametrize("shape", SHAPES)
def test_logits_depend_on_exactly_the_symbols_before(shape: tuple[int, ...]) -> None:
    """The kernel reaches over the whole picture here: a blind spot would show as a dependence that is missing."""
    net, n = network(shape, layers=6), torch.Size(shape).numel()
    x = torch.randint(7, (1, *shape), generator=torch.Generator().manual_seed(1))
    before = raster(net(x, None), shape)[0]
    depends = torch.zeros(n, n, dtype=torch.bool)
    for j in range(n):
        s = raster(x, shape).clone()
        s[0, j] = (s[0, j] + 3) % 7
        depends[:, j] = (raster(net(unraster(s, shape), None), shape)[0] - before).abs().amax(1) > 0
    assert torch.equal(depends, torch.ones(n, n).tril(-1).bool())


def test_no_gradient_flows_from_a_logit_to_its_own_symbol_or_later_ones() -> None:
    net, shape = network((3, 4, 5)), (3, 4, 5)
    seen: list[torch.Tensor] = []
    net.symbols.register_forward_hook(lambda _m, _i, out: seen.append(out.requires_grad_()) or out)
    logits = raster(net(torch.randint(7, (1, *shape)), None), shape)[0]
    for i in (0, 1, 2, 29, 30, 31, 59):
        (gradient,) = torch.autograd.grad(logits[i].sum(), seen[0], retain_graph=True)
        reached = raster(gradient.abs().sum(-1), shape)[0] > 0
        assert not reached[i:].any() and (i == 0 or reached[i - 1])


@pytest.mark.parametrize("shape", SHAPES)
def test_memory_gives_the_logits_of_the_pass(shape: tuple[int, ...]) -> None:
    net, context = network(shape, vector=3), Context(vector=torch.randn(2, 3))
    assert isinstance(net, Causal)
    memory, naive, previous = net.cache(2, context), Recompute(net, 2, shape, context), None
    with torch.no_grad():
        for _ in range(torch.Size(shape).numel()):
            logits = naive.step(previous)
            torch.testing.assert_close(memory.step(previous), logits, atol=1e-5, rtol=0)
            previous = torch.randint(7, (2,))


def test_the_condition_is_heard_by_every_symbol_and_rows_do_not_meet() -> None:
    net, x = network((1, 6, 5), vector=3), torch.randint(7, (2, 1, 6, 5))
    v = torch.randn(2, 3)
    other = torch.stack([v[0], -v[1]])
    change = (net(x, Context(vector=v)) - net(x, Context(vector=other))).abs().amax(-1)
    assert (change[1] > 0).all() and (change[0] < 1e-6).all()


def test_every_parameter_learns_and_the_config_builds_it_again() -> None:
    net = network((3, 4, 5), vector=3)
    net(torch.randint(7, (2, 3, 4, 5)), Context(vector=torch.randn(2, 3))).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())
    again = build(describe(net))
    again.load_state_dict(net.state_dict())
    x = torch.randint(7, (1, 3, 4, 5))
    assert torch.equal(again.eval()(x, None), net(x, None))


def test_a_width_that_colours_cannot_share_is_refused() -> None:
    with pytest.raises(ConfigError, match="take 33"):
        GatedPixelCNN((3, 8, 8), 256, width=32)
