"""The causal transformer: causality, the decoding cache, GPT-2's initialisation and gradients."""

import math

import pytest
import torch

from morphogen.contract import Causal, Context
from morphogen.families.autoregressive import Recompute
from morphogen.networks.decoders import gpt2
from morphogen.networks.transformer import Transformer
from morphogen.numerics.tensors import raster, unraster

SHAPES = [(12,), (3, 2, 2)]


def network(vector: int = 0) -> Transformer:
    torch.manual_seed(0)
    net = gpt2(7, 12, 16, 2, 4, vector=vector).eval()
    for p in net.parameters():
        p.data += 0.1 * torch.randn_like(p)
    return net


@pytest.mark.parametrize("shape", SHAPES)
def test_logits_depend_on_exactly_the_previous_tokens(shape: tuple[int, ...]) -> None:
    net, x = network(), torch.randint(7, (1, *shape), generator=torch.Generator().manual_seed(1))
    base, depends = raster(net(x, None), shape)[0], torch.zeros(12, 12, dtype=torch.bool)
    for j in range(12):
        s = raster(x, shape).clone()
        s[0, j] = (s[0, j] + 3) % 7
        depends[:, j] = (raster(net(unraster(s, shape), None), shape)[0] - base).abs().amax(1) > 1e-7
    assert torch.equal(depends, torch.ones(12, 12).tril(-1).bool())


@pytest.mark.parametrize("shape", SHAPES)
def test_the_cache_equals_the_full_pass(shape: tuple[int, ...]) -> None:
    net, context = network(vector=3), Context(vector=torch.randn(2, 3))
    assert isinstance(net, Causal)
    cache, naive, previous = net.make_cache(2, context), Recompute(net, 2, shape, context), None
    with torch.no_grad():
        for _ in range(12):
            torch.testing.assert_close(cache.step(previous), naive.step(previous), atol=1e-5, rtol=0)
            previous = torch.randint(7, (2,))


def test_every_position_depends_on_the_condition() -> None:
    net, x = network(vector=3), torch.randint(7, (2, 12))
    change = (net(x, Context(vector=torch.randn(2, 3))) - net(x, None)).abs().amax(-1)
    assert (change > 0).all()


def test_initialisation_is_that_of_gpt2() -> None:
    """Standard deviations of 0.02 and 0.02 / sqrt(2 layers); for 16 384 weights 3 % is 5 standard errors."""
    torch.manual_seed(0)
    net = gpt2(127, 128, 128, 3, 4)
    block = net.blocks[1]
    residual = block.attention.out.weight
    for weight, std in (
        (net.token_embedding.weight, 0.02),
        (block.feed_forward.inner.weight, 0.02),
        (residual, 0.02 / math.sqrt(6)),
    ):
        assert weight.std().item() == pytest.approx(std, rel=0.03)
    assert not any(p.any() for n, p in net.named_parameters() if n.endswith(("bias", "shift")))


def test_every_parameter_has_a_gradient() -> None:
    net = network(vector=3)
    net(torch.randint(7, (2, 12)), Context(vector=torch.randn(2, 3))).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())
