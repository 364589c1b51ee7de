r"""Diffusion: data drown in noise by T known steps, and a network learns to take one step back.

    forward   q(x_t | x_0) = N(alpha_t x_0, sigma_t^2 I)
    reverse   p(x_{t-1} | x_t) = N(mean of q(x_{t-1} | x_t, x_0 = the network's), variance_t I),   p(x_T) = N(0, I)

(Sohl-Dickstein, Weiss, Maheswaranathan & Ganguli 2015; Ho, Jain & Abbeel 2020.) Training is regression on the noise; sampling
walks the reverse chain; the chain's evidence bound makes it a likelihood.

The loss, on pictures of a single pixel: a network that answers 0 errs by all of the noise (E eps^2 = 1), one that knows the
data, here always 0.5, reads eps off x_t and errs by nothing.

    >>> class Ignorant(nn.Module):
    ...     def forward(self, x_t, t, context): return torch.zeros_like(x_t)
    >>> class Knowing(nn.Module):
    ...     def forward(self, x_t, t, context):
    ...         t = (t * 100).round().long()
    ...         return (x_t - 0.5 * expand_like(schedule.alpha(t), x_t)) / expand_like(schedule.sigma(t), x_t)
    >>> from morphogen.families.diffusion import GaussianReadout, LinearBetas
    >>> schedule = LinearBetas(0.001, 0.2, steps=100)
    >>> x, rng = Encoded(torch.full((20_000, 1), 0.5), torch.zeros(20_000), torch.ones(20_000)), Rng(seed=0, rows=20_000)
    >>> def loss(network): return Diffusion(network, schedule, GaussianReadout()).losses(x, None, rng, "model").total.mean().item()
    >>> f"{loss(Ignorant()):.1f} {loss(Knowing()):.1f}"
    '1.0 0.0'
"""

__all__ = ["Diffusion"]

from typing import Literal

import torch
from jaxtyping import Float, Real
from torch import Tensor, nn

from morphogen.contract import Context, Encoded, Likelihood, Losses, Objective, Sampler, Unsupported
from morphogen.families.diffusion.likelihood import Readout, strata, variance_of_sum
from morphogen.families.diffusion.probability_flow import ProbabilityFlow
from morphogen.families.diffusion.processes import ForwardProcess
from morphogen.families.diffusion.samplers import DDPM
from morphogen.families.diffusion.schedules import NoiseSchedule
from morphogen.families.diffusion.targets import Preconditioned, Target, combine, determinant, solve
from morphogen.families.diffusion.weightings import Weighting
from morphogen.numerics.distributions import gaussian_kl
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import expand_like, sum_rows


class Diffusion(Objective):
    r"""Denoising diffusion (Denoising diffusion probabilistic models, Ho, Jain & Abbeel 2020), by a chain or in continuous time.

        loss = w(t) mean over x of (u - network(x_t, t, context))^2,   t as the process draws it,   u = a x_0 + b eps      (eq. 14)

    A mean, not a sum, so that learning rates carry over from picture to picture. `log_prob` is the evidence bound (eq. 5), a
    mass or a density as the decoder is; x_0 is clipped to where data lie, as in sampling.

    Arguments:
        network: (x_t [B, ...], what it is told of t [B], context) -> [B, ...]; of a chain it is told t / T in (0, 1].
        schedule: of the noise: a chain, t = 1 .. T, or a process of continuous time.
        decoder: p(x_0 | x_1), of variance sigma_1^2.
        target: what the network says of x_t.
        variance: of the reverse step: "beta", that of the forward step, fits data ~ N(0, I); "posterior", that of x_{t-1}
            given x_0, fits data of little freedom, as pictures (section 3.2).
        bound_steps: calls of the network a row's bound may take, at least 4: two for the decoder, one for each of the other
            T - 1 steps, or for that many strata of them if there are fewer calls than steps (`likelihood.strata`).
        measured_by: how log p is found; None: by the bound of the chain.
        weighting: how much errors count at each level; None: errors of the target count alike.
        drawn_by: the paper's sampler; None: the whole chain, as it was trained.
    """

    def __init__(
        self, network: nn.Module, schedule: ForwardProcess, decoder: Readout, target: Target = "eps",
        variance: Literal["beta", "posterior"] = "beta", bound_steps: int = 1001, weighting: Weighting | None = None,
        drawn_by: Sampler | None = None, measured_by: ProbabilityFlow | None = None,
    ):  # fmt: skip
        super().__init__()
        if bound_steps < 4:
            raise ValueError(f"Diffusion: bound_steps is {bound_steps}; its error cannot be told from fewer than 4 calls")
        self.network, self.schedule, self.decoder = network, schedule, decoder
        self.target, self.variance, self.bound_steps = target, variance, bound_steps
        self.weighting, self.drawn_by, self.measured_by = weighting, drawn_by, measured_by

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        t = self.schedule.draw(rng.fork("t"))
        eps = rng.fork("noise").normal(*x.x.shape[1:])
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        error = combine(self.target, x.x, eps, alpha, sigma) - self._asked(self.schedule.diffuse(x.x, eps, t), t, context)
        loss = error.square().flatten(1).mean(1)
        if self.weighting is None:
            return Losses({"simple": loss})
        of_x_0 = (sigma / determinant(self.target, alpha, sigma)).square()
        return Losses({"weighted": self.weighting(self.schedule, t) * of_x_0 * loss}, metrics={"simple": loss.detach()})

    def denoise(
        self, x_t: Float[Tensor, "b ..."], t: Real[Tensor, " b"], context: Context | None
    ) -> tuple[Float[Tensor, "b ..."], Float[Tensor, "b ..."]]:
        """What the network makes of x_t: (x_0, eps), with x_t = alpha_t x_0 + sigma_t eps. One call."""
        return solve(self.target, self._asked(x_t, t, context), x_t, self.schedule.alpha(t), self.schedule.sigma(t))

    def sampler(self) -> Sampler:
        return DDPM(clip=self.decoder.bound) if self.drawn_by is None else self.drawn_by

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        """Along the flow; or the evidence bound, from one x_t a step, whose `stderr` tells the noise's and the strata's part."""
        if self.measured_by is not None:
            nats, stderr = self.measured_by.log_prob(self, x.x, context, rng)
            return Likelihood(nats, x.dims, "estimate", "density", stderr)
        if not isinstance(self.schedule, NoiseSchedule):
            process = type(self.schedule).__name__
            raise Unsupported(f"Diffusion: the bound is that of a chain, and {process} has no steps; give measured_by=ProbabilityFlow()")
        x_0, pieces = x.x, strata(2, self.schedule.steps, self.bound_steps - 2)
        read = torch.stack([self._read(x_0, context, rng.fork("read", i)) for i in range(2)])
        steps = torch.stack([size * self._step_kl(x_0, start, size, context, rng.fork("step", start)) for start, size in pieces])
        error = (read[0] - read[1]).square() / 4 + variance_of_sum(steps)
        nats = read.mean(0) - steps.sum(0) - self._prior_kl(x_0)
        return Likelihood(nats, x.dims, "lower_bound", self.decoder.measure, error.sqrt().detach())

    def _asked(self, x_t: Tensor, t: Tensor, context: Context | None) -> Tensor:
        """What the network says of x_t, which is scaled where the target asks for it."""
        if isinstance(self.target, Preconditioned):
            x_t = expand_like(self.target.scale(self.schedule.alpha(t), self.schedule.sigma(t)), x_t) * x_t
        return self.network(x_t, self.schedule.told(t), context)

    def _read(self, x_0: Tensor, context: Context | None, rng: Rng) -> Tensor:
        """log p(x_0 | x_1): [B]."""
        t = torch.ones(len(x_0), dtype=torch.long, device=x_0.device)
        found, _ = self.denoise(self.schedule.diffuse(x_0, rng.normal(*x_0.shape[1:]), t), t, context)
        return self.decoder.log_prob(x_0, self.decoder.clip(found), self.schedule.sigma(t).log())

    def _step_kl(self, x_0: Tensor, start: int, size: int, context: Context | None, rng: Rng) -> Tensor:
        """KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)) at one t of start .. start + size - 1, drawn for each row: [B]."""
        t = start + rng.fork("t").integers(size)
        found, _ = self.denoise(self.schedule.diffuse(x_0, rng.fork("noise").normal(*x_0.shape[1:]), t), t, context)
        q = self.schedule.posterior(t - 1, t)
        weight, log_q = expand_like(q.on_x_0, x_0), 0.5 * q.posterior.log()
        log_p = 0.5 * (q.beta if self.variance == "beta" else q.posterior).log()
        return sum_rows(gaussian_kl(weight * x_0, expand_like(log_q, x_0), weight * self.decoder.clip(found), expand_like(log_p, x_0)))

    def _prior_kl(self, x_0: Tensor) -> Tensor:
        """KL(q(x_T | x_0) || N(0, I)): [B], what is left of the data at the end of the chain."""
        end = torch.full((len(x_0),), int(self.schedule.last), device=x_0.device)
        alpha, sigma = expand_like(self.schedule.alpha(end), x_0), expand_like(self.schedule.sigma(end), x_0)
        return sum_rows(gaussian_kl(alpha * x_0, sigma.log().expand_as(x_0)))
