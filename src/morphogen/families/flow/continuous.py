r"""Continuous flows: x moves along the solutions of an ordinary differential equation until it is noise.

    dx/dt = f(x, t, c),   z = x(1),   log|det dz/dx| = int_0^1 tr(df/dx) dt

f may be any network that is Lipschitz in x: its flow is invertible, with the inverse found by solving the
equation backwards, and the density changes at the rate of the trace (Neural ordinary differential equations,
Chen, Rubanova, Bettencourt & Duvenaud, 2018, theorem 1). FFJORD estimates the trace with random probes
(Grathwohl, Chen, Bettencourt, Sutskever & Duvenaud, 2019, "FFJORD: free-form continuous dynamics for scalable
reversible generative models").

The flow is the exact one of the network up to the error of the solver, so that its likelihood is an estimate.
"""

__all__ = ["Continuous"]

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from morphogen.contract import Context
from morphogen.families.flow.bijection import Bijection, Estimate
from morphogen.families.flow.coupling import existing
from morphogen.families.flow.ode_solvers import DormandPrince, OdeSolver, RungeKutta
from morphogen.families.flow.traces import ExactTrace, Trace
from morphogen.numerics.ode import Drift
from morphogen.numerics.precision import autocast
from morphogen.numerics.randomness import Rng
from morphogen.objective_values import check_result


class Continuous(Bijection):
    """The flow of a network from time 0 to time 1 (Chen et al. 2018; Grathwohl et al. 2019).

    `forward` evaluates the trace exactly; `estimate`, which trains and measures a flow, by `trace`.

    Arguments:
        network: `(x [B, ...], t [B], context) -> [B, ...]`, f; smooth in x, and without dropout, which would
            change f from one evaluation to the next.
        trace: of the Jacobian; None: `ExactTrace()`, with one gradient for each entry of x.
        solver: in evaluation; None: `DormandPrince()`.
        training_solver: in training; None: `RungeKutta()`.
    """

    approximate = True

    def __init__(
        self,
        network: nn.Module,
        trace: Trace | None = None,
        solver: OdeSolver | None = None,
        training_solver: OdeSolver | None = None,
    ):
        super().__init__()
        self.network, self.trace = network, trace if trace is not None else ExactTrace()
        self.solver = solver if solver is not None else DormandPrince()
        self.training_solver = training_solver if training_solver is not None else RungeKutta()

    def forward(
        self, x: Float[Tensor, " b *x"], context: Context | None
    ) -> tuple[Float[Tensor, " b *x"], Float[Tensor, " b"]]:
        z, log_dets = self._solve(x, context, ExactTrace(), Rng(0, len(x)))
        return z, log_dets[:, 0]

    def estimate(self, x: Float[Tensor, " b *x"], context: Context | None, rng: Rng) -> Estimate:
        z, log_dets = self._solve(x, context, self.trace, rng)
        count = self.trace.estimates
        return Estimate(z, log_dets.mean(1), log_dets.var(1) / count if count > 1 else None)

    def inverse(self, z: Float[Tensor, " b *x"], context: Context | None) -> Float[Tensor, " b *x"]:
        context = _as(z, context)

        def drift(t: Tensor, x: Tensor, rows: Tensor) -> Tensor:
            return self._velocity(x.reshape(-1, *z.shape[1:]), t, _of_rows(context, rows, len(z))).flatten(1)

        return self._integrate(drift, z.flatten(1), 1.0, 0.0).reshape(z.shape)

    def _integrate(self, drift: Drift, y: Tensor, start: float, end: float) -> Tensor:
        """The solution at `end`; never in bf16, whose rounding errors would take very small steps."""
        with autocast("fp32", y.device):
            return (self.training_solver if self.training else self.solver).solve(drift, y, start, end)

    def _solve(self, x: Tensor, context: Context | None, trace: Trace, rng: Rng) -> tuple[Tensor, Tensor]:
        """z, and the estimates of the log-determinant [B, E]."""
        flat, context = x.flatten(1), _as(x, context)
        probes, zeros = trace.probes(flat, rng), flat.new_zeros(len(x), trace.estimates)

        def drift(t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
            at = y[:, : -trace.estimates].reshape(-1, *x.shape[1:])
            given = _of_rows(context, rows, len(x))
            velocity, products = self._velocity_and_products(at, t, given, probes[:, rows])
            return torch.cat([velocity, trace.of_products(products)], 1)

        y = self._integrate(drift, torch.cat([flat, zeros], 1), 0.0, 1.0)
        return y[:, : -trace.estimates].reshape(x.shape), y[:, -trace.estimates :]

    def _velocity(self, x: Tensor, t: Tensor, context: Context | None) -> Tensor:
        """f(x, t, c), which is 0 at entries that do not exist."""
        return existing(check_result(self.network, self.network(x, t, context), x.shape), context)

    def _velocity_and_products(
        self, x: Tensor, t: Tensor, context: Context | None, probes: Tensor
    ) -> tuple[Tensor, Tensor]:
        """f [B, d], and v^T (df/dx) v of every probe, [K, B]; differentiable if gradients are enabled."""
        differentiable = torch.is_grad_enabled()
        with torch.enable_grad():
            x = x if x.requires_grad else x.detach().requires_grad_()
            velocity, products = self._velocity(x, t, context).flatten(1), []
            for v in probes:
                (product,) = torch.autograd.grad(
                    velocity, x, v, retain_graph=True, create_graph=differentiable, materialize_grads=True
                )
                products.append((product.flatten(1) * v).sum(1))
            stacked = torch.stack(products)
        return (velocity, stacked) if differentiable else (velocity.detach(), stacked.detach())


def _as(x: Tensor, context: Context | None) -> Context | None:
    """The context in the dtype of x."""
    return None if context is None else context.map(lambda t: t.to(x) if t.is_floating_point() else t)


def _of_rows(context: Context | None, rows: Int[Tensor, " n"], count: int) -> Context | None:
    """The context of some of the `count` rows."""
    return context if context is None or len(rows) == count else context[rows]
