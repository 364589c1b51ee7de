"""The kernel of a linear layer equals the product with the expanded matrix, in every format of `matrix.h`."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from morphogen.native.kernels import available

pytestmark = pytest.mark.skipif(not available("linear"), reason="the kernel cannot be built here")
FORMATS = "fp32", "bf16", "int8 in rows", "int8 in blocks", "4 bits"
TOLERANCE = {"bf16": 4e-3}  # where the processor multiplies bf16, inputs are rounded to 8 bits


def matrix(form: str, rows: int, columns: int) -> tuple[list[Tensor], Tensor]:
    """A random matrix: its tensors, and what they stand for, in double precision."""
    w, blocks = torch.randn(rows, columns), (rows, columns // 32)
    if form in ("fp32", "bf16"):
        w = w if form == "fp32" else w.bfloat16()
        return [w], w.double()
    d, m, q = torch.rand(blocks).half(), torch.randn(blocks).half(), torch.randint(256, (rows, columns))
    if form == "int8 in rows":
        levels, scale = (q - 128).to(torch.int8), torch.rand(rows)
        padded = torch.cat([levels, torch.ones(3, columns, dtype=torch.int8)])  # rows without a scale
        return [padded, scale], levels.double() * scale.double()[:, None]
    if form == "int8 in blocks":
        levels = (q - 128).to(torch.int8)
        return [levels, d], (levels.unflatten(1, (-1, 32)).double() * d.double()[..., None]).flatten(1)
    nibbles = (q % 16).unflatten(1, (-1, 2, 16))
    exact = (q % 16).unflatten(1, (-1, 32)).double() * d.double()[..., None] + m.double()[..., None]
    return [(nibbles[:, :, 0] + 16 * nibbles[:, :, 1]).flatten(1).to(torch.uint8), d, m], exact.flatten(1)


@settings(max_examples=80, deadline=None)
@given(
    form=st.sampled_from(FORMATS),
    inputs=st.integers(0, 33),
    outputs=st.integers(1, 70),
    blocks=st.integers(1, 9),
    extra=st.integers(0, 31),
    bias=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
    threads=st.sampled_from([1, 2]),
    seed=st.integers(0, 99),
)
def test_products_are_those_of_the_expanded_matrix(
    form, inputs, outputs, blocks, extra, bias, dtype, threads, seed
):
    torch.manual_seed(seed)
    ragged = extra if form in FORMATS[:3] else 0
    tensors, exact = matrix(form, outputs, 32 * blocks + ragged)
    used = exact.shape[1] - extra % 5  # a matrix may be padded with columns
    x = torch.randn(inputs, 2 * used)[:, ::2].to(dtype)
    c, before = torch.randn(outputs) if bias else None, torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        y = torch.ops.morphogen.linear(x, tensors, c)
    finally:
        torch.set_num_threads(before)
    expected = x.double() @ exact[:, :used].T + (0 if c is None else c.double())
    size = 1 + x.double().abs() @ exact[:, :used].abs().T
    tolerance = 1e-6 if dtype == torch.float32 else 4e-3
    assert y.dtype == dtype and y.shape == expected.shape
    assert ((y.double() - expected).abs() <= max(tolerance, TOLERANCE.get(form, 0)) * size).all()


@pytest.mark.parametrize("form", FORMATS)
def test_one_row_equals_the_same_row_of_a_batch_and_threads_change_no_bit(form):
    torch.manual_seed(0)
    tensors, _ = matrix(form, 500, 320)
    x, before = torch.randn(9, 320), torch.get_num_threads()
    y = torch.ops.morphogen.linear(x, tensors, None)
    assert torch.equal(torch.cat([torch.ops.morphogen.linear(row[None], tensors, None) for row in x]), y)
    torch.set_num_threads(3 - min(before, 2))
    try:
        assert torch.equal(torch.ops.morphogen.linear(x, tensors, None), y)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("number", [torch.nan, torch.inf, -torch.inf])
def test_an_input_that_is_not_a_number_spoils_its_own_row_alone(form, number):
    torch.manual_seed(0)
    tensors, _ = matrix(form, 20, 160)
    x = torch.randn(3, 160)
    expected = torch.ops.morphogen.linear(x, tensors, None)
    x[1, 70] = number
    y = torch.ops.morphogen.linear(x, tensors, None)
    assert not y[1].isfinite().any() and torch.equal(y[[0, 2]], expected[[0, 2]])


@pytest.mark.parametrize("form", FORMATS)
def test_inputs_of_all_sizes_are_exact_to_fp32(form):
    """Each block of 32 inputs has its own size, from 1e-30 to 1e30, or is 0."""
    torch.manual_seed(0)
    tensors, exact = matrix(form, 20, 160)
    sizes = torch.tensor([1e-30, 0.0, 1.0, 3e4, 1e30])
    x = torch.diag_embed(sizes).repeat_interleave(32, 1) * torch.randn(160)
    error = (torch.ops.morphogen.linear(x, tensors, None).double() - x.double() @ exact.T).abs()
    assert (error <= TOLERANCE.get(form, 1e-6) * (x.double().abs() @ exact.abs().T)).all()


def test_wrong_arguments_are_refused():
    linear, x, q = torch.ops.morphogen.linear, torch.ones(1, 32), torch.ones(2, 32, dtype=torch.int8)
    with pytest.raises(RuntimeError, match="expected inputs"):
        linear(torch.ones(1, 33), [torch.ones(2, 32)], None)
    with pytest.raises(RuntimeError, match="expected a bias"):
        linear(x, [torch.ones(2, 32)], torch.ones(3))
    with pytest.raises(RuntimeError, match="lacks its scales"):
        linear(x, [q], None)
    with pytest.raises(RuntimeError, match=r"fp16 \[N, K / 32\]"):
        linear(x, [q, torch.ones(2, 2).half()], None)
    with pytest.raises(RuntimeError, match="a row for each scale"):
        linear(x, [q, torch.ones(3)], None)
    with pytest.raises(RuntimeError, match="one matrix"):
        linear(x, [torch.ones(2, 32)] * 2, None)
    with pytest.raises(RuntimeError, match="contiguous"):
        linear(x, [torch.ones(32, 2).T], None)


def test_the_operator_passes_torch_s_checks():
    q, scale = torch.ones(4, 32, dtype=torch.int8), torch.ones(3)
    torch.library.opcheck(torch.ops.morphogen.linear, (torch.ones(2, 32), [q, scale], None))
