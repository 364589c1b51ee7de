"""The kernel of attention equals torch in double precision, forwards and backwards, for any sizes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from morphogen.native.kernels import available
from morphogen.networks import dot_product
from morphogen.networks.dot_product import attend

pytestmark = pytest.mark.skipif(
    not (available("attention") and available("attention_backward")), reason="the kernel cannot be built here"
)
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2e-2}  # of a result, relative to 1 plus its size


def heads(*shape: int, dtype: torch.dtype, seed: int) -> torch.Tensor:
    """[B, n, N, D], stored as a layer does, [B, N, n, D], or every other column of that."""
    b, n, length, width = shape
    x = torch.randn(b, length, n, 2 * width, generator=torch.Generator().manual_seed(seed)).to(dtype)
    return (x[..., ::2] if seed % 2 else x[..., :width]).transpose(1, 2)


def exact(queries, keys, values, bias, gradient):
    """Output and gradients in double precision."""
    doubles = [x.double().requires_grad_() for x in (queries, keys, values)]
    out = F.scaled_dot_product_attention(*doubles, attn_mask=None if bias is None else bias.double())
    return out, *torch.autograd.grad(out, doubles, gradient.double())


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 3),
    n=st.integers(1, 4),
    queries=st.integers(8, 70),
    keys=st.integers(1, 300),
    width=st.integers(1, 40),
    bias=st.sampled_from(["none", "keys", "masked"]),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
    threads=st.sampled_from([1, 2]),
    seed=st.integers(0, 99),
)
def test_outputs_and_gradients_are_those_of_doubles(
    rows, n, queries, keys, width, bias, dtype, threads, seed
):
    q = heads(rows, n, queries, width, dtype=dtype, seed=seed)
    k, v = (heads(rows, n, keys, width, dtype=dtype, seed=seed + i) for i in (1, 2))
    gradient = heads(rows, n, queries, width, dtype=dtype, seed=seed + 3)
    added = None if bias == "none" else torch.randn(rows, 1, 1, keys)
    if added is not None and bias == "masked":
        added[..., 1:] = added[..., 1:].masked_fill(torch.rand(rows, 1, 1, keys - 1) < 0.5, -torch.inf)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        out, logs = torch.ops.morphogen.attention(q, k, v, added)
        gradients = torch.ops.morphogen.attention_backward(gradient, q, k, v, added, out, logs)
    finally:
        torch.set_num_threads(before)
    size = 1 + keys**0.5  # weighted sums of so many keys or queries
    for ours, theirs in zip((out, *gradients), exact(q, k, v, added, gradient), strict=True):
        assert ours.dtype == dtype
        error = ((ours.double() - theirs).abs() / (1 + theirs.abs())).max()
        assert error <= TOLERANCE[dtype] * (size if dtype == torch.float32 else 1 + size / 4)


def test_a_query_without_a_visible_key_is_nan_as_in_torch():
    q, masked = heads(1, 1, 9, 4, dtype=torch.float32, seed=0), torch.full((1, 1, 1, 9), -torch.inf)
    assert torch.ops.morphogen.attention(q, q, q, masked)[0].isnan().all()


def test_large_scores_do_not_overflow():
    q = 100 * heads(1, 2, 40, 8, dtype=torch.float32, seed=0)
    (out, _), expected = torch.ops.morphogen.attention(q, q, q, None), exact(q, q, q, None, q)[0]
    torch.testing.assert_close(out, expected.float(), rtol=1e-4, atol=1e-4)


def test_one_row_equals_the_same_row_of_a_batch_and_threads_change_no_bit():
    q = heads(4, 3, 600, 8, dtype=torch.float32, seed=0)
    out = attend(q, q, q)
    assert torch.equal(attend(q[1:2], q[1:2], q[1:2]), out[1:2])
    before = torch.get_num_threads()
    torch.set_num_threads(3 - min(before, 2))
    try:
        assert torch.equal(attend(q, q, q), out)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("create_graph", [False, True])
def test_attend_uses_it_also_when_differentiated_twice(create_graph, monkeypatch):
    q, k, v = (heads(2, 2, 9, 4, dtype=torch.float32, seed=i).requires_grad_() for i in range(3))

    def gradients() -> tuple[torch.Tensor, ...]:
        first = torch.autograd.grad(attend(q, k, v).square().sum(), (q, k, v), create_graph=create_graph)
        return torch.autograd.grad(sum(g.square().sum() for g in first), (q, k, v)) if create_graph else first

    ours = gradients()
    monkeypatch.setattr(dot_product, "available", lambda kernel: False)
    for own, other in zip(ours, gradients(), strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-4)


def test_doubles_few_queries_and_biases_of_queries_are_left_to_torch():
    q = heads(1, 1, 9, 4, dtype=torch.float32, seed=0)
    key_bias, bias = torch.zeros(1, 1, 1, 9), torch.zeros(9, 9)
    assert dot_product._suits(q, q, q, None) and dot_product._suits(q, q, q, key_bias)
    assert not dot_product._suits(q, q, q, bias)
    assert not dot_product._suits(q, q, q, key_bias.clone().requires_grad_())
    assert not dot_product._suits(q.double(), q.double(), q.double(), None)
    assert not dot_product._suits(q[:, :, :1], q, q, None)


def test_wrong_arguments_are_refused():
    q, attention = torch.zeros(1, 2, 3, 4), torch.ops.morphogen.attention
    with pytest.raises(RuntimeError, match="fp32 or bf16, the same for all"):
        attention(q, q, q.bfloat16(), None)
    with pytest.raises(RuntimeError, match=r"keys and values \[B, n, S, D\]"):
        attention(q, q, q[..., :3], None)
    with pytest.raises(RuntimeError, match="a bias must be fp32"):
        attention(q, q, q, torch.zeros(1, 1, 3, 3))


def test_the_operators_pass_torch_s_checks():
    q = torch.randn(1, 2, 9, 4, requires_grad=True)
    checks = ("test_schema", "test_faketensor")  # those of compilation take 9 s
    torch.library.opcheck(
        torch.ops.morphogen.attention, (q, q, q, None), test_utils=(*checks, "test_autograd_registration")
    )
    q = q.detach()
    out, logs = torch.ops.morphogen.attention(q, q, q, None)
    torch.library.opcheck(
        torch.ops.morphogen.attention_backward, (out, q, q, q, None, out, logs), test_utils=checks
    )
