"""GELU by a sigmoid is torch's tanh form: value, gradient, gradient of the gradient, and one gradient a row."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from morphogen.networks.gelu import GELU

X = torch.cat([torch.linspace(-12, 12, 4001), torch.tensor([0.0, -100.0, 100.0])])


def theirs(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")


def test_value_and_gradient_are_torchs() -> None:
    found, wanted = X.clone().requires_grad_(), X.clone().requires_grad_()
    torch.testing.assert_close(GELU()(found), theirs(wanted), atol=1e-6, rtol=1e-6)
    weight = torch.cos(X)
    (GELU()(found) * weight).sum().backward()
    (theirs(wanted) * weight).sum().backward()
    torch.testing.assert_close(found.grad, wanted.grad, atol=1e-6, rtol=1e-5)


def test_the_gradient_has_a_gradient() -> None:
    def second(gelu: object) -> Tensor:
        x = X.clone().requires_grad_()
        (first,) = torch.autograd.grad(gelu(x).sum(), x, create_graph=True)  # type: ignore[operator]
        return torch.autograd.grad(first.sum(), x)[0]

    torch.testing.assert_close(second(GELU()), second(theirs), atol=5e-5, rtol=1e-4)  # three cancelling terms


def test_rows_have_gradients_of_their_own() -> None:
    rows = X[:12].view(3, 4)
    found = torch.func.vmap(torch.func.grad(lambda row: GELU()(row).square().sum()))(rows)
    torch.testing.assert_close(found, torch.func.vmap(torch.func.grad(lambda row: theirs(row).square().sum()))(rows), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_precisions_are_left_to_torch(dtype: torch.dtype) -> None:
    assert torch.equal(GELU()(X.to(dtype)), theirs(X.to(dtype)))
