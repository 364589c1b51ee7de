"""Continuous flows against torchdiffeq (Chen 2018): the same field, dopri5, tight tolerances, fp64."""

import pytest
import torch
from torch import Tensor, nn

from morphogen.families.flow import Continuous, DormandPrince, RungeKutta
from morphogen.networks.concat_squash import ConcatSquash
from morphogen.numerics.randomness import Rng

torchdiffeq = pytest.importorskip("torchdiffeq")


@pytest.mark.parametrize("dims", [2, 5])
def test_solution_and_log_det_equal_those_of_dopri5(dims: int) -> None:
    torch.manual_seed(0)
    field = ConcatSquash(dims, 32, 2).double()
    for parameter in field.parameters():
        nn.init.normal_(parameter, std=0.5)
    x = Rng(0, 16).normal(dims).double()

    def joint(t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        at = state[0]
        velocity = field(at, t.expand(len(at)), None)
        jacobian = torch.func.vmap(torch.func.jacrev(lambda r: field(r[None], t[None], None)[0]))(at)
        return velocity, torch.diagonal(jacobian, dim1=1, dim2=2).sum(1)

    span = torch.tensor([0.0, 1.0], dtype=torch.float64)
    with torch.no_grad():
        start = (x, torch.zeros(len(x), dtype=torch.float64))
        theirs = torchdiffeq.odeint(joint, start, span, rtol=1e-10, atol=1e-10, method="dopri5")
        ours = Continuous(field, solver=DormandPrince(1e-10, 1e-10)).eval()
        z, log_det = ours(x, None)
        assert (z - theirs[0][1]).abs().max() <= 1e-8 and (log_det - theirs[1][1]).abs().max() <= 1e-8
        back = torchdiffeq.odeint(
            lambda t, y: field(y, t.expand(len(y)), None), z, span.flip(0), rtol=1e-10, atol=1e-10
        )[1]
        assert (ours.inverse(z, None) - back).abs().max() <= 1e-8
        fixed = torchdiffeq.odeint(
            lambda t, y: field(y, t.expand(len(y)), None),
            x,
            torch.linspace(0, 1, 9, dtype=torch.float64),
            method="rk4",
            options={"step_size": 0.125},
        )[-1]
        steps = Continuous(field, solver=RungeKutta(8)).eval()(x, None)[0]
    # theirs is Kutta's 3/8 rule, another method of order 4
    assert (steps - fixed).abs().max() <= 1e-3
    assert (steps - z).abs().max() <= 1e-3


def test_gradients_equal_those_through_dopri5() -> None:
    torch.manual_seed(0)
    field = ConcatSquash(2, 16, 2).double()
    for parameter in field.parameters():
        nn.init.normal_(parameter, std=0.5)
    x, span = Rng(0, 8).normal(2).double(), torch.tensor([0.0, 1.0], dtype=torch.float64)
    ours = Continuous(field, training_solver=DormandPrince(1e-10, 1e-10))
    theirs = torchdiffeq.odeint(
        lambda t, y: field(y, t.expand(len(y)), None), x, span, rtol=1e-10, atol=1e-10
    )[1]
    expected = torch.autograd.grad(theirs.square().sum(), list(field.parameters()))
    given = torch.autograd.grad(ours(x, None)[0].square().sum(), list(field.parameters()))
    assert max((a - b).abs().max().item() for a, b in zip(expected, given, strict=True)) <= 1e-6
