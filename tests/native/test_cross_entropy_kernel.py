"""The kernel of the cross-entropy equals torch in doubles, forwards and backwards, for any sizes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from morphogen.native.kernels import available
from morphogen.numerics import cross_entropy as module
from morphogen.numerics.cross_entropy import cross_entropy

pytestmark = pytest.mark.skipif(not available("cross_entropy"), reason="the kernel cannot be built here")


@pytest.fixture(autouse=True)
def of_any_size(monkeypatch):
    monkeypatch.setattr(module, "SMALLEST", 0)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(0, 7),
    vocabulary=st.sampled_from([1, 2, 15, 16, 17, 100, 1023, 1024, 3000]),
    scale=st.sampled_from([0.1, 1.0, 30.0]),
    offset=st.sampled_from([0.0, -50.0]),
    smoothing=st.sampled_from([0.0, 0.1, 0.9]),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
    contiguous=st.booleans(),
    threads=st.sampled_from([1, 2]),
)
def test_results_are_those_of_doubles(rows, vocabulary, scale, offset, smoothing, dtype, contiguous, threads):
    generator = torch.Generator().manual_seed(rows * vocabulary)
    logits = (scale * torch.randn(rows, vocabulary, generator=generator) + offset).to(dtype)
    logits = logits if contiguous else logits.T.contiguous().T
    targets = torch.randint(-1, vocabulary, (rows,), generator=generator)
    weight = torch.randn(rows, generator=generator)
    doubles, logits = logits.double().requires_grad_(), logits.requires_grad_()
    exact = F.cross_entropy(doubles, targets, ignore_index=-1, reduction="none", label_smoothing=smoothing)
    (exact_gradient,) = torch.autograd.grad((exact * weight).sum(), doubles)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        nll = cross_entropy(logits, targets, smoothing)
        (gradient,) = torch.autograd.grad((nll * weight).sum(), logits)
    finally:
        torch.set_num_threads(before)
    assert nll.dtype == torch.float32 and gradient.dtype == dtype
    torch.testing.assert_close(nll.double(), exact, rtol=1e-5, atol=1e-5)
    rounding = 1e-5 if dtype == torch.float32 else 5e-3
    torch.testing.assert_close(gradient.double(), exact_gradient, rtol=rounding, atol=1e-5)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("place", [3, 19])
def test_values_that_are_not_finite_give_those_of_torch(value, place):
    logits = torch.randn(2, 20, generator=torch.Generator().manual_seed(0))
    logits[0, place] = value
    targets, logits = torch.tensor([1, 1]), logits.requires_grad_()
    nll, twin = cross_entropy(logits, targets), F.cross_entropy(logits, targets, reduction="none")
    torch.testing.assert_close(nll, twin, equal_nan=True)
    gradients = [torch.autograd.grad(x.sum(), logits)[0] for x in (nll, twin)]
    assert torch.equal(*(gradient.isfinite().all(1) for gradient in gradients))


def test_it_can_be_differentiated_twice():
    logits = torch.randn(3, 9, dtype=torch.float32, requires_grad=True)
    targets = torch.tensor([0, -1, 8])

    def curvature(nll):
        (gradient,) = torch.autograd.grad(nll.sum(), logits, create_graph=True)
        return torch.autograd.grad((gradient**2).sum(), logits)[0]

    twin = F.cross_entropy(logits, targets, ignore_index=-1, reduction="none", label_smoothing=0.1)
    torch.testing.assert_close(curvature(cross_entropy(logits, targets, 0.1)), curvature(twin))


def test_targets_beyond_the_vocabulary_are_refused():
    with pytest.raises(RuntimeError, match="target 5 of 5"):
        cross_entropy(torch.zeros(1, 5), torch.tensor([5]))


def test_the_operators_pass_torch_s_checks():
    logits, targets = torch.randn(4, 30, requires_grad=True), torch.tensor([1, -1, 2, 29])
    torch.library.opcheck(torch.ops.morphogen.cross_entropy, (logits, targets, 0.1))


def test_small_ones_are_left_to_torch(monkeypatch):
    monkeypatch.setattr(module, "SMALLEST", 61)
    assert not module._suits(torch.zeros(2, 30)) and module._suits(torch.zeros(2, 31))
    assert not module._suits(torch.zeros(2, 31, dtype=torch.float64))
