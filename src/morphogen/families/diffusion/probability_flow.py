r"""Log-likelihood by the probability-flow ODE and the instantaneous change of variables.

    dy/dr = d(y, r) in the coordinates of `solvers.py`,     log p(y_0) = log p(y_T) + int_0^T div_y d dr

(Song et al. 2021, section 4.3, after Neural ordinary differential equations, Chen et al. 2018.) The
divergence is the trace of the d x d Jacobian: exact with d gradients per step, or estimated with random
signs v, E v^T J v = tr J (Hutchinson 1990), with the same probes for the whole trajectory as in FFJORD
(Grathwohl et al. 2019).

The result is the density of the flow's own distribution. It is an estimate, because the ODE is solved in
finite steps and starts at `end_fraction` t_max, not at the data.
"""

__all__ = ["ProbabilityFlow"]

import math
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.component import Component
from morphogen.contract import Context, x_mask_of
from morphogen.families.diffusion.solvers import ode_coordinates, ode_drift
from morphogen.families.diffusion.timesteps import TimestepSpacing, UniformLogSNR
from morphogen.numerics.distributions import gaussian_log_prob
from morphogen.numerics.masking import existing_values, masked_sum
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import expand_like, sum_except_batch


class ProbabilityFlow(Component):
    """Log-likelihood of a diffusion model along its probability flow.

    Arguments:
        steps: intervals of Heun's method, with two network calls each.
        probes: random sign vectors per row for the trace; None: the exact trace, with d gradients per step.
        spacing: spacing of the times; None: `UniformLogSNR`.
    """

    def __init__(self, steps: int = 100, probes: int | None = 1, spacing: TimestepSpacing | None = None):
        self.steps, self.probes = steps, probes
        self.spacing = spacing if spacing is not None else UniformLogSNR()

    def log_prob(
        self, objective: Any, x: Float[Tensor, "b ..."], context: Context | None, rng: Rng
    ) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"] | None]:
        """Return log p(x) in nats, and the standard error of the trace estimate.

        The standard error is None with the exact trace and with a single probe.
        """
        process, mask = objective.schedule, x_mask_of(context)
        probes, dims = self._probes(x, rng, mask), existing_values(x, mask)
        times = [process.full_time(t, x) for t in reversed(self.spacing.timesteps(process, self.steps + 1))]
        scale, _ = ode_coordinates(process, times[0], x)
        nats = (-dims * scale.log().flatten()).expand(len(probes), -1)
        d_s, trace_s = self._drift_and_trace(objective, x, times[0], context, probes)
        for s, t in pairwise(times):
            scale_s, r_s = ode_coordinates(process, s, x)
            scale_t, r_t = ode_coordinates(process, t, x)
            h, y_s = r_t - r_s, x / scale_s
            d_t, trace_t = self._drift_and_trace(objective, scale_t * (y_s + h * d_s), t, context, probes)
            x = scale_t * (y_s + h * (d_s + d_t) / 2)
            nats = nats + h.flatten() * (trace_s * scale_s.flatten() + trace_t * scale_t.flatten()) / 2
            d_s, trace_s = self._drift_and_trace(objective, x, t, context, probes)
        scale, _ = ode_coordinates(process, times[-1], x)
        prior = masked_sum(gaussian_log_prob(x, 0.0, math.log(process.prior_std)), mask)
        nats = nats + (prior + dims * scale.log().flatten())
        stderr = nats.std(0) / math.sqrt(len(nats)) if self.probes is not None and self.probes > 1 else None
        return nats.mean(0), stderr

    def _probes(self, x: Tensor, rng: Rng, mask: Tensor | None) -> Float[Tensor, "k b ..."]:
        """The k probes, [k, B, ...]: random signs, or scaled unit vectors whose mean is the exact trace.

        They are 0 at missing elements, which are not part of the trace.
        """
        if self.probes is None:
            dims = x[0].numel()
            basis = math.sqrt(dims) * torch.eye(dims, dtype=x.dtype, device=x.device)
            probes = basis.reshape(dims, 1, *x.shape[1:]).expand(-1, *x.shape)
            return probes if mask is None else torch.where(expand_like(mask, x), probes, 0.0)
        draws = [rng.fork("probe", i).uniform(*x.shape[1:]) for i in range(self.probes)]
        probes = torch.stack([torch.where(u < 0.5, -1.0, 1.0) for u in draws]).to(x.dtype)
        return probes if mask is None else torch.where(expand_like(mask, x), probes, 0.0)

    def _drift_and_trace(
        self, objective: Any, x: Tensor, t: Tensor, context: Context | None, probes: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The drift d at x, and v^T (dd/dx) v of every probe: [k, B]."""
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            d = ode_drift(objective.schedule, objective.predict(x, t, context))
            traces = [
                sum_except_batch(
                    torch.autograd.grad(d, x, v, retain_graph=i + 1 < len(probes))[0] * v
                ).detach()
                for i, v in enumerate(probes)
            ]
        return d.detach(), torch.stack(traces)
