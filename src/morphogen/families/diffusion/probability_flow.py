r"""log p by the flow without noise that has the same marginals: a curve from x to the noise, and how volume changes along it.

    dy/dr = d(y, r) in the coordinates of the process (`solvers.py`),   log p(y_0) = log p(y_T) + int_0^T div_y d dr

(Song et al. 2021, section 4.3, after Chen et al. 2018, "Neural ordinary differential equations".) The divergence is a trace of d x d
numbers: exact with d gradients a step, or estimated with probes v of independent signs, E v^T J v = tr J (Hutchinson 1990), in FFJORD's
way (Grathwohl et al. 2019) one set of probes for the whole curve. The law measured is that of the flow, a density: an estimate, since the
curve is followed in steps, and begins `least` of the clock away from the data.
"""

__all__ = ["ProbabilityFlow"]

import math
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.component import Component
from morphogen.contract import Context
from morphogen.families.diffusion.grids import EvenSNR, TimeGrid
from morphogen.families.diffusion.solvers import coordinates, slope
from morphogen.numerics.distributions import gaussian_log_prob
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import sum_rows


class ProbabilityFlow(Component):
    """How a diffusion's log p is measured along its flow.

    Arguments:
        steps: intervals of Heun's rule; each looks once more.
        probes: random signs for the trace; None: the trace itself, at d gradients a step.
        spacing: of the times; None: even in the logarithm of the signal-to-noise ratio.
    """

    def __init__(self, steps: int = 100, probes: int | None = 1, spacing: TimeGrid | None = None):
        self.steps, self.probes = steps, probes
        self.spacing = spacing if spacing is not None else EvenSNR()

    def log_prob(
        self, objective: Any, x: Float[Tensor, "b ..."], context: Context | None, rng: Rng
    ) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"] | None]:
        """log p(x) in nats, and the error of the probes (None: there are none, or there is one)."""
        process, probes = objective.schedule, self._signs(x, rng)
        times = [process.moment(t, x) for t in reversed(self.spacing.times(process, self.steps + 1))]
        whole, _ = coordinates(process, times[0], x)
        nats = (-x[0].numel() * whole.log().flatten()).expand(len(probes), -1)
        here = self._look(objective, x, times[0], context, probes)
        for s, t in pairwise(times):
            (whole_s, r_s), (whole_t, r_t) = coordinates(process, s, x), coordinates(process, t, x)
            step, y = r_t - r_s, x / whole_s
            ahead = self._look(objective, whole_t * (y + step * here[0]), t, context, probes)
            x = whole_t * (y + step * (here[0] + ahead[0]) / 2)
            nats = nats + step.flatten() * (here[1] * whole_s.flatten() + ahead[1] * whole_t.flatten()) / 2
            here = self._look(objective, x, t, context, probes)
        whole, _ = coordinates(process, times[-1], x)
        prior = sum_rows(gaussian_log_prob(x, 0.0, math.log(process.prior))) + x[0].numel() * whole.log().flatten()
        nats = nats + prior
        error = nats.std(0) / math.sqrt(len(nats)) if self.probes is not None and self.probes > 1 else None
        return nats.mean(0), error

    def _signs(self, x: Tensor, rng: Rng) -> Float[Tensor, "k b ..."]:
        """The probes, [k, B, ...]; for the trace itself a unit vector for each number of x, scaled so that their mean is it."""
        if self.probes is None:
            size = x[0].numel()
            return (math.sqrt(size) * torch.eye(size, dtype=x.dtype, device=x.device)).reshape(size, 1, *x.shape[1:]).expand(-1, *x.shape)
        draws = [rng.fork("probe", i).uniform(*x.shape[1:]) for i in range(self.probes)]
        return torch.stack([torch.where(u < 0.5, -1.0, 1.0) for u in draws]).to(x.dtype)

    def _look(self, objective: Any, x: Tensor, t: Tensor, context: Context | None, probes: Tensor) -> tuple[Tensor, Tensor]:
        """d at x, and v^T (dd/dx) v of every probe: [k, B]."""
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            d = slope(objective.schedule, objective.denoise(x, t, context))
            traces = [
                sum_rows(torch.autograd.grad(d, x, v, retain_graph=i + 1 < len(probes))[0] * v).detach() for i, v in enumerate(probes)
            ]
        return d.detach(), torch.stack(traces)
