"""The kernel of centred rows computes what its twin computes, for any shape, layout, type and threads."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from morphogen.native.kernels import available

pytestmark = pytest.mark.skipif(not available("gram"), reason="the kernel cannot be built here")


def rows(n: int, d: int, mean: float = 0.0, dtype: torch.dtype = torch.float64) -> Tensor:
    return (
        torch.randn(n, d, generator=torch.Generator().manual_seed(n + d), dtype=torch.float64).to(dtype)
        + mean
    )


def gram(x: Tensor, scale: float = 1.0) -> Tensor:
    found: Tensor = torch.ops.morphogen.gram(x, x.double().mean(0), scale)
    return found


def twin(x: Tensor, scale: float = 1.0) -> Tensor:
    centred = x.double() - x.double().mean(0)
    return (scale * centred.T @ centred).triu()


def assert_equal(found: Tensor, expected: Tensor) -> None:
    largest = expected.abs().max().item() if expected.numel() else 0.0
    assert torch.allclose(found, expected, rtol=0, atol=1e-13 * largest)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 40), d=st.integers(0, 80), scale=st.floats(0.1, 10))
def test_rows_of_any_number_have_the_products_of_the_twin(n, d, scale):
    assert_equal(gram(rows(n, d), scale), twin(rows(n, d), scale))


@pytest.mark.parametrize("shape", [(511, 50), (512, 24), (1100, 97)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_several_blocks_of_rows_for_each_number_of_threads(threads, shape, dtype):
    x = rows(*shape, 3.0, dtype)
    assert_equal(gram(x), twin(x))


def test_a_large_mean_costs_no_digits():
    """Sums of squares minus n m m^T would leave none at 1e8 standard deviations."""
    x = rows(600, 30)
    assert torch.allclose(gram(x + 1e8), twin(x + 1e8), rtol=1e-9, atol=1e-4)
    assert torch.allclose(gram(x + 1e8), gram(x), rtol=0, atol=1e-4)


def test_other_layouts_are_read_as_well():
    x = rows(70, 40)
    for same in (x.T.contiguous().T, x.repeat_interleave(2, 0)[::2]):
        assert torch.equal(torch.ops.morphogen.gram(same, x.mean(0), 1.0), gram(x))


@pytest.mark.parametrize(
    ("x", "mean"),
    [
        (torch.zeros(3, 2), torch.zeros(2)),
        (torch.zeros(3, 2), torch.zeros(3).double()),
        (torch.zeros(3), torch.zeros(3).double()),
        (torch.zeros(3, 2, dtype=torch.int64), torch.zeros(2).double()),
    ],
)
def test_what_it_cannot_read_is_refused(x, mean):
    with pytest.raises((RuntimeError, NotImplementedError), match="gram"):
        torch.ops.morphogen.gram(x, mean, 1.0)


def test_the_compiler_of_torch_knows_its_shape():
    x = rows(9, 5)
    torch.library.opcheck(
        torch.ops.morphogen.gram, (x, x.mean(0), 1.0), test_utils=("test_schema", "test_faketensor")
    )
