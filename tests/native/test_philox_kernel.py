"""The kernel of keyed random numbers draws what its twin draws, for any rows, size and number of threads."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from morphogen.native.kernels import available
from morphogen.numerics import randomness
from morphogen.numerics.randomness import Rng

pytestmark = pytest.mark.skipif(not available("philox"), reason="the kernel cannot be built here")


def twin(rng: Rng, name: str, *shape: int) -> torch.Tensor:
    """The numbers that `Rng` draws without the kernel."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(randomness, "available", lambda kernel: False)
        return getattr(rng, name)(*shape)


def steps_apart(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """How many floats x is from y, of the same sign."""
    return (x.view(torch.int32) - y.view(torch.int32)).abs()


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.integers(-(2**62), 2**62), max_size=40),
    shape=st.lists(st.integers(0, 9), min_size=1, max_size=3),
    draws=st.integers(0, 3),
)
def test_numbers_of_any_rows_are_those_of_the_twin(rows, shape, draws):
    ours, theirs = (Rng(7, torch.tensor(rows, dtype=torch.int64), ("a",)) for _ in range(2))
    ours.draws = theirs.draws = draws
    for _ in range(2):
        assert torch.equal(ours.bits(shape[0]), twin(theirs, "bits", shape[0]))
        assert torch.equal(ours.uniform(*shape), twin(theirs, "uniform", *shape))
        assert steps_apart(ours.normal(*shape), twin(theirs, "normal", *shape)).le(1).all()
    assert ours.draws == theirs.draws


@pytest.mark.parametrize("shape", [(1, 100_001), (64, 16), (700, 30), (3, 8192), (0, 5), (5, 0)])
def test_large_and_empty_draws_for_each_number_of_threads(threads, shape):
    n, count = shape
    assert torch.equal(Rng(1, n).bits(count), twin(Rng(1, n), "bits", count))
    assert torch.equal(Rng(1, n).uniform(count), twin(Rng(1, n), "uniform", count))
    assert steps_apart(Rng(1, n).normal(count), twin(Rng(1, n), "normal", count)).le(1).all()


def test_fewer_than_one_normal_in_a_million_is_rounded_to_the_adjacent_float():
    """n = 2,000,000, seed 0."""
    apart = steps_apart(Rng(0, 2000).normal(1000), twin(Rng(0, 2000), "normal", 1000))
    assert apart.max() <= 1 and apart.sum() <= 2


def test_rows_need_not_be_contiguous():
    rows = torch.arange(20)[::3]
    assert torch.equal(Rng(0, rows).normal(5), Rng(0, rows.clone()).normal(5))


def test_doubles_and_other_integers_are_drawn_by_the_twin():
    assert Rng(0, torch.tensor([1, 2], dtype=torch.int32)).bits(2).equal(Rng(0, torch.tensor([1, 2])).bits(2))
    torch.set_default_dtype(torch.float64)
    try:
        assert Rng(0, 3).normal(2).dtype == torch.float64
        assert torch.equal(Rng(0, 3).normal(2), twin(Rng(0, 3), "normal", 2))
    finally:
        torch.set_default_dtype(torch.float32)


def test_shapes_are_known_without_values():
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode() as mode:
        rows = mode.from_tensor(torch.arange(3))
        drawn = torch.ops.morphogen.philox_normal(rows, 5, 0, 1, 2)
    assert drawn.shape == (3, 5) and drawn.dtype == torch.float32


def test_the_operators_pass_torch_s_checks():
    checks = ("test_schema", "test_faketensor")  # those of compilation take 10 s
    for operator in ("philox", "philox_uniform", "philox_normal"):
        torch.library.opcheck(
            getattr(torch.ops.morphogen, operator), (torch.arange(3), 5, 0, 1, 2), test_utils=checks
        )
