r"""Solvers of the ordinary differential equation of a continuous flow, as parts.

`DormandPrince` chooses the steps of each row by its error and is accurate to a tolerance; `RungeKutta` has a
fixed number of equal steps, which makes the cost of a training step known in advance and a third of it.
Gradients are those of the discrete solution: the accepted steps are repeated with gradients, and the sizes of
the steps are constants (the first of the two ways of Neural ordinary differential equations, Chen, Rubanova,
Bettencourt & Duvenaud 2018; their adjoint equation needs less memory, and its gradients are not those of the
loss that was computed).
"""

__all__ = ["DormandPrince", "OdeSolver", "RungeKutta"]

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.component import Component, ConfigError
from morphogen.numerics.ode import (
    DORMAND_PRINCE,
    RUNGE_KUTTA_4,
    Drift,
    Unsolved,
    adaptive,
    on_mesh,
    uniform,
)


class OdeSolver(Component, ABC):
    """A method that solves dy/dt = f(t, y) for rows y [B, d], differentiable in y and in f's parameters."""

    @abstractmethod
    def solve(self, drift: Drift, y: Float[Tensor, "b d"], start: float, end: float) -> Float[Tensor, "b d"]:
        """y(end) of y(start); `end` may be below `start`."""


class DormandPrince(OdeSolver):
    """The method of Dormand & Prince 1980, of order 5, with the step sizes of each row.

    Arguments:
        rtol, atol: relative and absolute tolerance of a step, above 0; the root mean square over a row.
        max_steps: steps of a row, accepted or not, at least 1.

    Errors: ConfigError for arguments out of range, and if a row is not solved within `max_steps`.
    """

    def __init__(self, rtol: float = 1e-6, atol: float = 1e-6, max_steps: int = 1000):
        if not (0 < rtol < math.inf and 0 < atol < math.inf) or max_steps < 1:
            raise ConfigError(
                f"DormandPrince: rtol={rtol:g}, atol={atol:g}, max_steps={max_steps}: give tolerances "
                "above 0, such as 1e-6, and max_steps >= 1"
            )
        self.rtol, self.atol, self.max_steps = rtol, atol, max_steps

    def solve(self, drift: Drift, y: Float[Tensor, "b d"], start: float, end: float) -> Float[Tensor, "b d"]:
        try:
            with torch.no_grad():
                solved, mesh = adaptive(drift, y, start, end, self.rtol, self.atol, self.max_steps)
        except Unsolved as error:
            raise ConfigError(
                f"DormandPrince(rtol={self.rtol:g}, atol={self.atol:g}): {error} steps: "
                "increase max_steps, or the tolerances"
            ) from error
        return on_mesh(drift, y, mesh, DORMAND_PRINCE) if torch.is_grad_enabled() else solved


class RungeKutta(OdeSolver):
    """The classical method of order 4 (Kutta 1901), with equal steps of four evaluations each.

    Arguments:
        steps: number of steps, at least 1.

    Errors: ConfigError for steps out of range.
    """

    def __init__(self, steps: int = 8):
        if steps < 1:
            raise ConfigError(f"RungeKutta: steps={steps}: give 1 step or more")
        self.steps = steps

    def solve(self, drift: Drift, y: Float[Tensor, "b d"], start: float, end: float) -> Float[Tensor, "b d"]:
        return on_mesh(drift, y, uniform(y, start, end, self.steps), RUNGE_KUTTA_4)
