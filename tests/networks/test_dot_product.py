"""Explicit attention equals the fused kernel, forwards and backwards, on both sides of the size limit."""

import pytest
import torch
from torch.nn import functional as F

from morphogen.networks import dot_product
from morphogen.networks.dot_product import attend

SHAPES = [
    (3, 2, 7, 4),
    (1, 1, 1, 8),
    (5, 4, 64, 8),
    (2, 2, 200, 8),
]  # in fp32 the last one uses the fused kernel


def _queries_keys_values(shape, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    # views of one tensor, as in a layer
    b, n, t, d = shape
    joint = torch.randn(b, t, 3 * n * d, generator=generator).to(dtype)
    return [
        part.unflatten(-1, (n, d)).transpose(1, 2).detach().requires_grad_() for part in joint.chunk(3, -1)
    ]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("causal", [False, True])
def test_equals_the_fused_kernel_forwards_and_backwards(shape, causal):
    q, k, v = _queries_keys_values(shape)
    ours = attend(q, k, v, causal)
    theirs = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    torch.testing.assert_close(ours, theirs)
    gradient = torch.randn(ours.shape, generator=torch.Generator().manual_seed(1))
    for own, other in zip(
        torch.autograd.grad(ours, (q, k, v), gradient),
        torch.autograd.grad(theirs, (q, k, v), gradient),
        strict=True,
    ):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-5)


def test_inputs_are_not_modified_without_gradients():
    q, k, v = (part.detach() for part in _queries_keys_values((3, 2, 7, 4)))
    copies = [part.clone() for part in (q, k, v)]
    with torch.no_grad():
        torch.testing.assert_close(
            attend(q, k, v, True), F.scaled_dot_product_attention(q, k, v, is_causal=True)
        )
    assert all(map(torch.equal, (q, k, v), copies))


@pytest.mark.parametrize("shape", [(3, 2, 7, 4), (2, 2, 200, 8)])
@pytest.mark.parametrize("heads", [False, True])
@pytest.mark.parametrize("causal", [False, True])
def test_a_bias_is_added_to_the_scores(shape, heads, causal):
    q, k, v = _queries_keys_values(shape)
    t = shape[2]
    bias = torch.randn(*((shape[1],) if heads else ()), t, t, generator=torch.Generator().manual_seed(2))
    mask = bias + torch.full((t, t), -torch.inf).triu(1) if causal else bias
    torch.testing.assert_close(attend(q, k, v, causal, bias), F.scaled_dot_product_attention(q, k, v, mask))


def test_chunks_of_rows_equal_the_whole_batch(monkeypatch):
    q, k, v = _queries_keys_values((5, 2, 7, 4))
    expected = attend(q, k, v, True)
    monkeypatch.setattr(dot_product, "_CHUNK_BYTES", 2 * 7 * 7 * 4 * 2)  # two rows
    torch.testing.assert_close(attend(q, k, v, True), expected)


def test_bf16_is_as_accurate_as_the_fused_kernel():
    q, k, v = _queries_keys_values((4, 2, 64, 32))
    exact = attend(q, k, v, True)
    rounded = [part.bfloat16() for part in (q, k, v)]
    ours = (attend(*rounded, True).float() - exact).abs().mean()
    theirs = (F.scaled_dot_product_attention(*rounded, is_causal=True).float() - exact).abs().mean()
    assert ours < 2 * theirs


def test_each_row_can_have_its_own_bias(monkeypatch):
    q, k, v = _queries_keys_values((5, 2, 7, 4))
    visible = torch.arange(7) <= torch.arange(2, 7)[:, None, None, None]
    bias = torch.zeros(()).where(visible, -torch.inf)
    monkeypatch.setattr(dot_product, "_CHUNK_BYTES", 2 * 7 * 7 * 4 * 2)  # two rows
    torch.testing.assert_close(attend(q, k, v, bias=bias), F.scaled_dot_product_attention(q, k, v, visible))
