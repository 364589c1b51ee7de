"""Continuous flows: inverse, log-determinant, gradients, independent rows, honest kinds of likelihood."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from morphogen.component import Component, ConfigError, from_config, to_config
from morphogen.contract import Context, Encoded
from morphogen.families.flow import (
    ActNorm,
    Chain,
    Continuous,
    DormandPrince,
    ExactTrace,
    FactorOut,
    Flow,
    Hutchinson,
    OdeSolver,
    RungeKutta,
    Squeeze,
)
from morphogen.networks.concat_squash import ConcatSquash
from morphogen.numerics.randomness import Rng


def network(dims: int = 2, vector: int = 0, std: float = 0.5) -> ConcatSquash:
    torch.manual_seed(0)
    made = ConcatSquash(dims, 16, 2, vector)
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=std)
    return made


def encoded(x: Tensor) -> Encoded:
    return Encoded(x, x.new_zeros(len(x)), x.new_full((len(x),), x[0].numel()))


def points(rows: int, dims: int = 2) -> Tensor:
    return torch.cat([Rng(0, rows).normal(dims), 100 * Rng(1, rows).normal(dims), torch.zeros(1, dims)])


class Swirl(Component, nn.Module):
    """A field of pictures, smooth in x."""

    def forward(self, x: Tensor, t: Tensor, context: Context | None = None) -> Tensor:
        return (x.roll(1, 1) + t[:, None, None, None]).sin() - 0.3 * x


@pytest.mark.parametrize(
    ("dtype", "tolerance", "bound"), [("float32", 1e-6, 1e-5), ("float64", 1e-12, 1e-10)]
)
def test_the_inverse_inverts_also_far_out(dtype: str, tolerance: float, bound: float) -> None:
    flow = Continuous(network(), solver=DormandPrince(tolerance, tolerance)).to(getattr(torch, dtype)).eval()
    x = points(32).to(getattr(torch, dtype))
    with torch.no_grad():
        z, _ = flow(x, None)
        back = flow.inverse(z, None)
    assert ((back - x).abs() / (1 + x.abs())).max() <= bound
    assert (z - x).norm(dim=1).max() > 0.5, "the flow must differ from the identity"


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=3, max_size=3))
def test_the_inverse_inverts_for_wild_inputs(row: list[float]) -> None:
    flow, x = Continuous(network(3)).eval(), torch.tensor([row])
    with torch.no_grad():
        back = flow.inverse(flow(x, None)[0], None)
    assert ((back - x).abs() / (1 + x.abs())).max() <= 1e-5


def test_log_det_is_that_of_autograd() -> None:
    flow = Continuous(network(3), solver=DormandPrince(1e-10, 1e-10)).double().eval()
    x = points(3, 3).double()
    _, log_det = flow(x, None)
    for i, row in enumerate(x):
        jacobian = torch.autograd.functional.jacobian(lambda r: flow(r[None], None)[0][0], row)
        assert abs(torch.linalg.slogdet(jacobian)[1] - log_det[i]) <= 1e-8


def test_log_det_of_a_linear_field_is_its_trace() -> None:
    """dx/dt = A x: z = exp(A) x and log|det| = tr A, whatever the trace that is used."""

    class Linear(nn.Module):
        def forward(self, x: Tensor, t: Tensor, context: Context | None) -> Tensor:
            return x @ matrix.T

    matrix = torch.tensor([[0.5, -2.0], [1.0, 0.25]], dtype=torch.float64)
    x = points(4).double()
    for solver, bound in ((DormandPrince(1e-9, 1e-9), 1e-8), (RungeKutta(50), 1e-6)):
        flow = Continuous(Linear(), solver=solver).eval()
        z, log_det = flow(x, None)
        assert ((z - x @ torch.matrix_exp(matrix).T) / (1 + z.abs())).abs().max() <= bound
        assert (log_det - 0.75).abs().max() <= bound


def test_density_integrates_to_one() -> None:
    flow = Flow(Chain((ActNorm(2), Continuous(network())))).eval()
    axis = torch.linspace(-8, 8, 161)
    grid = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        log_p = flow.log_prob(encoded(grid), None, Rng(0, len(grid)))
    assert abs(log_p.nats.exp().sum() * (axis[1] - axis[0]) ** 2 - 1) <= 2e-3
    assert (log_p.kind, log_p.measure, log_p.stderr) == ("estimate", "density", None)


@pytest.mark.parametrize("solver", [DormandPrince(1e-10, 1e-10), RungeKutta(4)])
@pytest.mark.parametrize("trace", [ExactTrace(), Hutchinson(2)])
def test_gradients_are_those_of_finite_differences(solver: OdeSolver, trace: ExactTrace | Hutchinson) -> None:
    """In fp64, of the loss in a random direction of the parameters, and of z and log|det| in x."""
    flow = Flow(Continuous(network(), trace, training_solver=solver)).double().train()
    x, rng = points(2).double()[:3] / 10, Rng(0, 3)

    def loss() -> Tensor:
        return flow.losses(encoded(x), None, rng, "model").total.sum()

    parameters = list(flow.parameters())
    direction = [Rng(i, 1).normal(p.numel()).view_as(p).double() for i, p in enumerate(parameters)]
    gradients = torch.autograd.grad(loss(), parameters)
    slope = sum((g * d).sum() for g, d in zip(gradients, direction, strict=True))
    values, h = [], 1e-5
    for sign in (1, -1):
        with torch.no_grad():
            for p, d in zip(parameters, direction, strict=True):
                p.add_(sign * h * d)
            values.append(loss())
            for p, d in zip(parameters, direction, strict=True):
                p.sub_(sign * h * d)
    assert abs((values[0] - values[1]) / (2 * h) - slope) <= 1e-5 * (1 + abs(slope))
    if isinstance(solver, RungeKutta):  # the steps of the other one change with x
        given = x.clone().requires_grad_()
        assert torch.autograd.gradcheck(lambda x: flow.bijection.estimate(x, None, rng)[:2], given, atol=1e-5)


def test_probes_are_unbiased_and_their_standard_error_is_honest() -> None:
    """n = 4000 rows of the same point, seed 0: the mean of the estimates within 4 standard errors."""
    flow = Flow(Continuous(network(5), Hutchinson(4), RungeKutta(8))).eval()
    x = Rng(3, 1).normal(5).expand(4000, -1)
    with torch.no_grad():
        estimate = flow.log_prob(encoded(x), None, Rng(0, len(x)))
        exact = Flow(Continuous(flow.bijection.network, solver=RungeKutta(8)).eval()).log_prob(
            encoded(x[:1]), None, Rng(0, 1)
        )
    assert estimate.stderr is not None and estimate.nats.std() > 0.01
    error = estimate.nats.std() / math.sqrt(len(x))
    assert abs(estimate.nats.mean() - exact.nats[0]) <= 4 * error
    ratio = estimate.stderr.square().mean() / estimate.nats.var()
    assert 0.85 <= ratio <= 1.15


def test_a_row_does_not_depend_on_its_batch() -> None:
    flow = Flow(Continuous(network(2, 3), Hutchinson(2))).eval()
    x, context = points(8), Context(vector=Rng(5, 17).normal(3))
    with torch.no_grad():
        together = flow.log_prob(encoded(x), context, Rng(0, 17)).nats
        for i in (0, 3, 12):
            rows = torch.tensor([i])
            alone = flow.log_prob(encoded(x[rows]), context[rows], Rng(0, rows)).nats
            assert ((alone - together[rows]) / (1 + alone.abs())).abs().max() <= 1e-5
        other = flow.log_prob(encoded(x), context[torch.arange(16, -1, -1)], Rng(0, 17)).nats
    assert (other - together).abs().max() > 1e-3, "the condition must matter"


def test_entries_that_do_not_exist_stay_zero_and_have_no_volume() -> None:
    flow = Continuous(network(3)).eval()
    mask = torch.tensor([[True, False, True], [True, True, True]])
    x = torch.where(mask, Rng(0, 2).normal(3), 0.0)
    with torch.no_grad():
        z, log_det = flow(x, Context(x_mask=mask))
        back = flow.inverse(z, Context(x_mask=mask))
    assert (z[~mask] == 0).all() and (back - x).abs().max() <= 1e-5
    kept = [0, 2]
    jacobian = torch.autograd.functional.jacobian(
        lambda r: flow(torch.zeros(1, 3).index_copy(1, torch.tensor(kept), r), Context(x_mask=mask[:1]))[0],
        x[:1, kept],
    )[0][kept][:, 0]
    assert abs(torch.linalg.slogdet(jacobian)[1] - log_det[0]) <= 1e-5


def test_a_flow_of_pictures_inside_other_bijections_is_an_estimate() -> None:
    inner = Chain((Continuous(Swirl(), Hutchinson(2)), FactorOut(Continuous(Swirl(), Hutchinson(2)))))
    flow = Flow(Chain((ActNorm(1), Squeeze(inner)))).eval()
    x = Rng(0, 3).normal(1, 4, 4)
    with torch.no_grad():
        z, log_det = flow.bijection(x, None)
        likelihood = flow.log_prob(encoded(x), None, Rng(0, 3))
        assert (flow.bijection.inverse(z, None) - x).abs().max() <= 1e-5
    assert likelihood.kind == "estimate" and likelihood.stderr is not None and likelihood.stderr.min() > 0
    jacobian = torch.autograd.functional.jacobian(lambda r: flow.bijection(r[None], None)[0][0], x[0])
    assert abs(torch.linalg.slogdet(jacobian.reshape(16, 16))[1] - log_det[0]) <= 1e-4


def test_training_uses_its_own_solver() -> None:
    flow = Continuous(network(), solver=DormandPrince(1e-6), training_solver=RungeKutta(1))
    x = points(4)
    coarse, fine = flow.train()(x, None)[0], flow.eval()(x, None)[0]
    assert (coarse - fine).abs().max() > 1e-4


def test_under_bf16_the_equation_is_solved_in_fp32() -> None:
    flow, x, context = Continuous(network(2, 3)).eval(), points(4), Context(vector=torch.ones(9, 3))
    with torch.no_grad():
        z, log_det = flow(x, context)
        with torch.autocast("cpu", torch.bfloat16):
            low = flow(x, context.map(torch.Tensor.bfloat16))
            back = flow.inverse(z, context)
        assert torch.equal(back, flow.inverse(z, context))
    assert torch.equal(z, low[0]) and torch.equal(log_det, low[1]) and z.dtype == torch.float32


def test_the_config_round_trips() -> None:
    flow = Flow(Continuous(network(), Hutchinson(3), DormandPrince(1e-4, 1e-5, 77), RungeKutta(3)))
    assert to_config(from_config(to_config(flow))) == to_config(flow)


def test_arguments_out_of_range_are_refused() -> None:
    for arguments in (
        (0.0, 1e-5, 10),
        (1e-5, -1.0, 10),
        (1e-5, math.nan, 10),
        (math.inf, 1.0, 10),
        (1, 1, 0),
    ):
        with pytest.raises(ConfigError, match=r"DormandPrince: rtol=.*give tolerances above 0"):
            DormandPrince(*arguments)
    with pytest.raises(ConfigError, match="steps=0"):
        RungeKutta(0)
    with pytest.raises(ConfigError, match="estimates=0"):
        Hutchinson(0)


def test_an_equation_that_is_not_solved_names_the_remedy() -> None:
    flow = Continuous(network(std=3.0), solver=DormandPrince(1e-6, 1e-6, max_steps=2)).eval()
    with torch.no_grad(), pytest.raises(ConfigError, match="after 2 steps: increase max_steps") as raised:
        flow(points(4), None)
    assert "\n" not in str(raised.value)
