"""The kernel of group normalisation equals torch in doubles, forwards and backwards, for any sizes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from morphogen.native.kernels import available
from morphogen.native.operators import plain_group_norm
from morphogen.networks import normalization
from morphogen.networks.normalization import GroupNorm, normalization_layout

pytestmark = pytest.mark.skipif(
    not (available("group_norm") and available("group_norm_backward")),
    reason="the kernel cannot be built here",
)
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 1e-2}  # of a value, relative to 1 plus its size


def values(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def error(ours: torch.Tensor, exact: torch.Tensor) -> float:
    return ((ours.double() - exact).abs() / (1 + exact.abs())).max().item()


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 3),
    groups=st.integers(1, 5),
    size=st.integers(1, 9),
    sides=st.tuples(st.integers(2, 40), st.integers(1, 12)),
    offset=st.sampled_from([0.0, 100.0]),
    present=st.lists(st.booleans(), min_size=5, max_size=5),
    silu=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
    contiguous=st.booleans(),
    threads=st.sampled_from([1, 2]),
)
def test_results_are_those_of_doubles(
    rows, groups, size, sides, offset, present, silu, dtype, contiguous, threads
):
    channels = groups * size
    x = values(rows, channels, *sides, dtype=dtype) + (offset if dtype == torch.float32 else offset / 100)
    x = x if contiguous else x.transpose(2, 3).contiguous().transpose(2, 3)
    shapes = [(rows, channels), (channels,), (channels,), (rows, channels), (rows, channels)]
    others = [
        values(*shape, seed=i) if given else None
        for i, (shape, given) in enumerate(zip(shapes, present, strict=True), 1)
    ]
    gradient = values(*x.shape, dtype=dtype, seed=9)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        y, statistics = torch.ops.morphogen.group_norm(x, *others, groups, 0.1, silu)
        dx, (p, _) = torch.ops.morphogen.group_norm_backward(gradient, x, *others, groups, silu, statistics)
    finally:
        torch.set_num_threads(before)
    shift = torch.zeros(rows, channels) if others[4] is None else others[4]
    doubles = [None if t is None else t.double().requires_grad_() for t in (x, *others[:4], shift)]
    exact = plain_group_norm(*doubles, groups, 0.1, silu)
    exact_dx, exact_p = torch.autograd.grad(exact, (doubles[0], doubles[5]), gradient.double())
    assert y.dtype == dx.dtype == dtype and y.is_contiguous(memory_format=torch.channels_last)
    slack = 1 + offset / 10  # x itself has so many fewer digits
    assert error(y, exact) <= slack * TOLERANCE[dtype] and error(dx, exact_dx) <= slack * TOLERANCE[dtype]
    assert error(p, exact_p) <= slack * 1e-4


@pytest.mark.parametrize("threads", [1, 2])
def test_many_positions_are_divided_among_threads_without_changing_a_bit(threads):
    x = values(1, 40, 97, 31)
    out, _ = torch.ops.morphogen.group_norm(x, *[None] * 5, 8, 1e-5, True)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert torch.equal(torch.ops.morphogen.group_norm(x, *[None] * 5, 8, 1e-5, True)[0], out)
    finally:
        torch.set_num_threads(before)
    assert error(out, plain_group_norm(x.double(), *[None] * 5, 8, 1e-5, True)) < 1e-5


@pytest.mark.parametrize("create_graph", [False, True])
def test_the_layer_has_the_gradients_of_its_twin_also_when_differentiated_twice(create_graph, monkeypatch):
    norm = GroupNorm(3, 12)
    norm.weight.data, norm.bias.data = values(12, seed=1), values(12, seed=2)
    x = normalization_layout(values(2, 12, 4, 4)).requires_grad_()
    added, scale, shift = (values(2, 12, seed=i).requires_grad_() for i in (3, 4, 5))
    inputs = (x, added, scale, shift, norm.weight, norm.bias)

    def gradients() -> tuple[torch.Tensor, ...]:
        loss = norm(x, added, (scale, shift), silu=True).square().sum()
        first = torch.autograd.grad(loss, inputs, create_graph=create_graph)
        return torch.autograd.grad(sum(g.square().sum() for g in first), inputs) if create_graph else first

    ours = gradients()
    monkeypatch.setattr(normalization, "available", lambda kernel: False)
    for own, other in zip(ours, gradients(), strict=True):
        torch.testing.assert_close(own, other, rtol=2e-4, atol=2e-4)


def test_signals_and_doubles_and_other_layouts_are_left_to_torch(monkeypatch):
    norm = GroupNorm(2, 4)
    monkeypatch.setattr(normalization, "available", lambda kernel: True)
    assert normalization._suits(norm, normalization_layout(values(2, 4, 3, 3)))
    for x in (values(2, 4, 3, 3), values(2, 4, 3), values(2, 4, 3, 3).double()):
        assert not normalization._suits(norm, x)


def test_wrong_arguments_are_refused():
    with pytest.raises(RuntimeError, match="C is a multiple of the groups"):
        torch.ops.morphogen.group_norm(torch.zeros(1, 5, 2, 2), *[None] * 5, 2, 1e-5, True)
    with pytest.raises(RuntimeError, match="fp32 or bf16"):
        torch.ops.morphogen.group_norm(torch.zeros(1, 4, 2, 2).double(), *[None] * 5, 2, 1e-5, True)


def test_the_operators_pass_torch_s_checks():
    checks = ("test_schema", "test_faketensor")  # those of compilation take 9 s
    x = normalization_layout(values(2, 6, 3, 3))
    y, statistics = torch.ops.morphogen.group_norm(x, *[None] * 5, 2, 1e-5, True)
    torch.library.opcheck(
        torch.ops.morphogen.group_norm, (x.clone().requires_grad_(), *[None] * 5, 2, 1e-5, True),
        test_utils=(*checks, "test_autograd_registration"),
    )  # fmt: skip
    torch.library.opcheck(
        torch.ops.morphogen.group_norm_backward, (y, x, *[None] * 5, 2, True, statistics), test_utils=checks
    )
