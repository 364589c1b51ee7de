r"""Ordinary differential equations dy/dt = f(t, y), solved by Runge-Kutta methods with steps of each row.

    k_i = f(t + c_i h, y + h sum_j a_ij k_j),     y(t + h) = y + h sum_i b_i k_i,     error = h sum_i e_i k_i

A step is accepted if the root mean square of error / (atol + rtol max(|y|, |y(t + h)|)) over the entries of
the row is at most 1, and h is then chosen such that the next error is near it. As every row has its own h and
ends by itself, its solution does not depend on the other rows. The accepted times of a row are a *mesh*: on
it, the same method is a fixed composition of differentiable maps, which gradients pass through.

Solving ordinary differential equations I, Hairer, Norsett & Wanner, 1993, sections II.4 (step sizes) and II.5
(the method of Dormand & Prince 1980, "A family of embedded Runge-Kutta formulae").
"""

__all__ = [
    "DORMAND_PRINCE",
    "RUNGE_KUTTA_4",
    "Drift",
    "Tableau",
    "Unsolved",
    "adaptive",
    "on_mesh",
    "uniform",
]

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

# f(t [b], y [b, d], rows [b]) -> dy/dt [b, d]; `rows` are the indices of these rows among all
Drift: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]
SAFETY, SHRINK, GROW = 0.9, 0.2, 10.0  # of the next step: factor, and bounds of its ratio to this one


class Unsolved(ArithmeticError):
    """The tolerances are not met within the number of steps; the message has the time that was reached."""


@dataclass(frozen=True)
class Tableau:
    """The coefficients of an explicit Runge-Kutta method (Butcher 1964).

    Arguments:
        a: rows of the strictly lower triangular matrix; the first stage has none.
        b: weights of the stages.
        e: weights of the error estimate, b minus those of the embedded method; (): there is none.
        order: of the method.
    """

    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    e: tuple[float, ...] = ()
    order: int = 4

    @cached_property
    def c(self) -> tuple[float, ...]:
        """The times of the stages, as fractions of the step."""
        return tuple(map(sum, self.a))


RUNGE_KUTTA_4 = Tableau(a=((), (1 / 2,), (0, 1 / 2), (0, 0, 1)), b=(1 / 6, 1 / 3, 1 / 3, 1 / 6))
# the last stage is at the end of the step, and so is the first one of the next step
DORMAND_PRINCE = Tableau(
    a=(
        (),
        (1 / 5,),
        (3 / 40, 9 / 40),
        (44 / 45, -56 / 15, 32 / 9),
        (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
        (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
        (35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
    ),
    b=(35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0),
    e=(71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40),
    order=5,
)


def adaptive(
    drift: Drift, y: Float[Tensor, "b d"], start: float, end: float, rtol: float, atol: float, max_steps: int
) -> tuple[Float[Tensor, "b d"], Float[Tensor, "b n"]]:
    """Solve from `start` to `end` by Dormand & Prince 4(5); returns y(end) and the mesh of each row.

    Arguments:
        drift: f; it is called for the rows that have not ended.
        y: y(start) of each row.
        start, end: of t; end may be below start.
        rtol, atol: relative and absolute tolerance of a step, above 0.
        max_steps: steps of a row, accepted or not.

    Errors: Unsolved if a row has not ended after `max_steps`.
    """
    rows = torch.arange(len(y), device=y.device)
    t, times, solved = torch.full_like(y[:, 0], start), [], y.clone()
    k = drift(t, y, rows)
    h = _first_step(drift, t, y, k, rows, end - start, rtol, atol)
    for _ in range(max_steps):
        times.append(torch.full_like(solved[:, 0], end).index_copy(0, rows, t))
        last = (end - t).abs() <= h.abs()
        h = torch.where(last, end - t, h)
        after, stages = _step(drift, DORMAND_PRINCE, t, y, h, rows, k)
        error = h[:, None] * _weighted(DORMAND_PRINCE.e, stages)
        ratio = _rms(error / (atol + rtol * torch.maximum(y.abs(), after.abs())))
        accepted = ratio <= 1
        t = torch.where(accepted, torch.where(last, end, t + h), t)
        y, k = (torch.where(accepted[:, None], new, old) for new, old in ((after, y), (stages[-1], k)))
        ended = accepted & last
        if bool(ended.any()):
            solved = solved.index_copy(0, rows[ended], y[ended])
        h = h * (SAFETY * ratio ** (-1 / DORMAND_PRINCE.order)).nan_to_num(SHRINK).clamp(SHRINK, GROW)
        rows, t, y, k, h = (part[~ended] for part in (rows, t, y, k, h))
        if not len(rows):
            return solved, _mesh(times, end)
    reached = t[(t - end).abs().argmax()].item()
    raise Unsolved(f"{len(rows)} of {len(solved)} rows reach t = {reached:.3g} of {end:g} after {max_steps}")


def on_mesh(
    drift: Drift, y: Float[Tensor, "b d"], mesh: Float[Tensor, "#b n"], tableau: Tableau
) -> Float[Tensor, "b d"]:
    """Solve with the steps of a mesh [B, n + 1], or of one that all rows share [1, n + 1]; differentiable."""
    rows, k = torch.arange(len(y), device=y.device), None
    for t, following in pairwise(mesh.expand(len(y), -1).unbind(1)):
        y, stages = _step(drift, tableau, t, y, following - t, rows, k)
        k = stages[-1] if tableau.a[-1] == tableau.b[:-1] else None
    return y


def uniform(y: Float[Tensor, "b d"], start: float, end: float, steps: int) -> Float[Tensor, "1 n"]:
    """A mesh of equal steps, shared by all rows."""
    return torch.linspace(start, end, steps + 1, dtype=y.dtype, device=y.device)[None]


def _step(
    drift: Drift, tableau: Tableau, t: Tensor, y: Tensor, h: Tensor, rows: Tensor, first: Tensor | None
) -> tuple[Tensor, list[Tensor]]:
    """One step of each row from t to t + h, and its stages; `first`: the first stage, if it is known."""
    stages = [drift(t, y, rows) if first is None else first]
    for a, c in zip(tableau.a[1:], tableau.c[1:], strict=True):
        stages.append(drift(t + c * h, y + h[:, None] * _weighted(a, stages), rows))
    return y + h[:, None] * _weighted(tableau.b, stages), stages


def _weighted(weights: tuple[float, ...], stages: list[Tensor]) -> Tensor:
    """The sum of the stages by their weights."""
    terms = [weight * k for weight, k in zip(weights, stages, strict=True) if weight]
    return sum(terms[1:], terms[0])


def _first_step(
    drift: Drift, t: Tensor, y: Tensor, k: Tensor, rows: Tensor, span: float, rtol: float, atol: float
) -> Tensor:
    """The first step of each row, with the sign of `span` (Hairer et al. 1993, section II.4)."""
    scale = atol + rtol * y.abs()
    of_y, of_k = _rms(y / scale), _rms(k / scale)
    h = torch.where((of_y < 1e-5) | (of_k < 1e-5), 1e-6, 0.01 * of_y / of_k).clamp_max(abs(span))
    sign = -1.0 if span < 0 else 1.0
    changed = drift(t + sign * h, y + sign * h[:, None] * k, rows) - k
    curvature = torch.maximum(of_k, _rms(changed / scale) / h)
    second = torch.where(
        curvature <= 1e-15, (1e-3 * h).clamp_min(1e-6), (0.01 / curvature) ** (1 / DORMAND_PRINCE.order)
    )
    return sign * torch.minimum(100 * h, second).nan_to_num(1e-6).clamp_max(abs(span))


def _rms(x: Tensor) -> Tensor:
    """The root mean square of each row."""
    return x.square().mean(1).sqrt()


def _mesh(times: list[Tensor], end: float) -> Tensor:
    """The accepted times of each row, in order, and `end` thereafter: [B, n + 1].

    The times before a rejected step are repeated by it.
    """
    t = torch.stack(times, 1)
    repeated = torch.zeros_like(t, dtype=torch.bool)
    repeated[:, 1:] = t[:, 1:] == t[:, :-1]
    t = torch.where(repeated, end, t)
    order = repeated.to(torch.int8).argsort(dim=1, stable=True)
    steps = int((~repeated & (t != end)).sum(1).max()) if t.numel() else 0
    return torch.cat([t.gather(1, order)[:, :steps], torch.full_like(t[:, :1], end)], 1)
