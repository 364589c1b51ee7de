"""Attention written out equals the fused kernel, forwards and backwards, on both sides of every limit."""

import pytest
import torch
from torch.nn import functional as F

from morphogen.networks import dot_product
from morphogen.networks.dot_product import attend

SHAPES = [(3, 2, 7, 4), (1, 1, 1, 8), (5, 4, 64, 8), (2, 2, 200, 8)]  # the last is left to the fused kernel in fp32


def _three(shape, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    # views of one tensor, as a layer makes them
    b, n, t, d = shape
    joint = torch.randn(b, t, 3 * n * d, generator=generator).to(dtype)
    return [part.unflatten(-1, (n, d)).transpose(1, 2).detach().requires_grad_() for part in joint.chunk(3, -1)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("causal", [False, True])
def test_equals_the_fused_kernel_both_ways(shape, causal):
    q, k, v = _three(shape)
    ours = attend(q, k, v, causal)
    theirs = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    torch.testing.assert_close(ours, theirs)
    up = torch.randn(ours.shape, generator=torch.Generator().manual_seed(1))
    for mine, other in zip(torch.autograd.grad(ours, (q, k, v), up), torch.autograd.grad(theirs, (q, k, v), up), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)


def test_without_gradients_the_inputs_stay_as_they_are():
    q, k, v = (part.detach() for part in _three((3, 2, 7, 4)))
    before = [part.clone() for part in (q, k, v)]
    with torch.no_grad():
        torch.testing.assert_close(attend(q, k, v, True), F.scaled_dot_product_attention(q, k, v, is_causal=True))
    assert all(map(torch.equal, (q, k, v), before))


@pytest.mark.parametrize("shape", [(3, 2, 7, 4), (2, 2, 200, 8)])
@pytest.mark.parametrize("heads", [False, True])
@pytest.mark.parametrize("causal", [False, True])
def test_a_bias_is_added_to_the_scores(shape, heads, causal):
    q, k, v = _three(shape)
    t = shape[2]
    bias = torch.randn(*((shape[1],) if heads else ()), t, t, generator=torch.Generator().manual_seed(2))
    mask = bias + torch.full((t, t), -torch.inf).triu(1) if causal else bias
    torch.testing.assert_close(attend(q, k, v, causal, bias), F.scaled_dot_product_attention(q, k, v, mask))


def test_a_few_rows_at_a_time_are_all_rows(monkeypatch):
    q, k, v = _three((5, 2, 7, 4))
    whole = attend(q, k, v, True)
    monkeypatch.setattr(dot_product, "_AT_A_TIME", 2 * 7 * 7 * 4 * 2)  # two rows
    torch.testing.assert_close(attend(q, k, v, True), whole)


def test_bf16_is_as_near_to_fp32_as_the_fused_kernel():
    q, k, v = _three((4, 2, 64, 32))
    exact = attend(q, k, v, True)
    halves = [part.bfloat16() for part in (q, k, v)]
    ours = (attend(*halves, True).float() - exact).abs().mean()
    theirs = (F.scaled_dot_product_attention(*halves, is_causal=True).float() - exact).abs().mean()
    assert ours < 2 * theirs
