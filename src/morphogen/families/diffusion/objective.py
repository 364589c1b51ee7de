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
from jaxtyping import Float, Int
from torch import Tensor, nn

from morphogen.contract import Context, Encoded, Likelihood, Losses, Objective, Sampler
from morphogen.families.diffusion.likelihood import Readout, strata, variance_of_sum
from morphogen.families.diffusion.samplers import DDPM
from morphogen.families.diffusion.schedules import NoiseSchedule
from morphogen.families.diffusion.targets import Target, combine, solve
from morphogen.numerics.distributions import gaussian_kl
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import expand_like, sum_rows


class Diffusion(Objective):
    r"""Denoising diffusion in discrete time (Denoising diffusion probabilistic models, Ho, Jain & Abbeel 2020).

        loss = mean over x of (u - network(x_t, t / T, context))^2,   t ~ U{1 .. T},   u = x_0 | eps | v         (eq. 14)

    A mean, not a sum, so that learning rates carry over from picture to picture. `log_prob` is the evidence bound (eq. 5), a
    mass or a density as the decoder is; x_0 is clipped to where data lie, as in sampling.

    Arguments:
        network: (x_t [B, ...], t / T [B] in (0, 1], context) -> [B, ...].
        schedule: of the noise, t = 1 .. T.
        decoder: p(x_0 | x_1), of variance sigma_1^2.
        target: what the network says of x_t.
        variance: of the reverse step: "beta", that of the forward step, fits data ~ N(0, I); "posterior", that of x_{t-1}
            given x_0, fits data of little freedom, as pictures (section 3.2).
        bound_steps: calls of the network a row's bound may take, at least 4: two for the decoder, one for each of the other
            T - 1 steps, or for that many strata of them if there are fewer calls than steps (`likelihood.strata`).
    """

    def __init__(
        self, network: nn.Module, schedule: NoiseSchedule, decoder: Readout, target: Target = "eps",
        variance: Literal["beta", "posterior"] = "beta", bound_steps: int = 1001,
    ):  # fmt: skip
        super().__init__()
        if bound_steps < 4:
            raise ValueError(f"Diffusion: bound_steps is {bound_steps}; its error cannot be told from fewer than 4 calls")
        self.network, self.schedule, self.decoder = network, schedule, decoder
        self.target, self.variance, self.bound_steps = target, variance, bound_steps

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        t = 1 + rng.fork("t").integers(self.schedule.steps)
        eps = rng.fork("noise").normal(*x.x.shape[1:])
        u = combine(self.target, x.x, eps, self.schedule.alpha(t), self.schedule.sigma(t))
        error = u - self.network(self.diffuse(x.x, eps, t), t / self.schedule.steps, context)
        return Losses({"simple": error.square().flatten(1).mean(1)})

    def diffuse(self, x_0: Float[Tensor, "b ..."], eps: Float[Tensor, "b ..."], t: Int[Tensor, " b"]) -> Float[Tensor, "b ..."]:
        """x_t = alpha_t x_0 + sigma_t eps."""
        return expand_like(self.schedule.alpha(t), x_0) * x_0 + expand_like(self.schedule.sigma(t), x_0) * eps

    def denoise(
        self, x_t: Float[Tensor, "b ..."], t: Int[Tensor, " b"], context: Context | None
    ) -> tuple[Float[Tensor, "b ..."], Float[Tensor, "b ..."]]:
        """What the network makes of x_t: (x_0, eps), with x_t = alpha_t x_0 + sigma_t eps. One call."""
        u = self.network(x_t, t / self.schedule.steps, context)
        return solve(self.target, u, x_t, self.schedule.alpha(t), self.schedule.sigma(t))

    def sampler(self) -> Sampler:
        return DDPM(clip=self.decoder.bound)

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        """The evidence bound, estimated from one x_t a step; `stderr` tells both the noise's and the strata's part."""
        x_0, pieces = x.x, strata(2, self.schedule.steps, self.bound_steps - 2)
        read = torch.stack([self._read(x_0, context, rng.fork("read", i)) for i in range(2)])
        steps = torch.stack([size * self._step_kl(x_0, start, size, context, rng.fork("step", start)) for start, size in pieces])
        error = (read[0] - read[1]).square() / 4 + variance_of_sum(steps)
        nats = read.mean(0) - steps.sum(0) - self._prior_kl(x_0)
        return Likelihood(nats, x.dims, "lower_bound", self.decoder.measure, error.sqrt().detach())

    def _read(self, x_0: Tensor, context: Context | None, rng: Rng) -> Tensor:
        """log p(x_0 | x_1): [B]."""
        t = torch.ones(len(x_0), dtype=torch.long, device=x_0.device)
        found, _ = self.denoise(self.diffuse(x_0, rng.normal(*x_0.shape[1:]), t), t, context)
        return self.decoder.log_prob(x_0, self.decoder.clip(found), self.schedule.sigma(t).log())

    def _step_kl(self, x_0: Tensor, start: int, size: int, context: Context | None, rng: Rng) -> Tensor:
        """KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)) at one t of start .. start + size - 1, drawn for each row: [B]."""
        t = start + rng.fork("t").integers(size)
        found, _ = self.denoise(self.diffuse(x_0, rng.fork("noise").normal(*x_0.shape[1:]), t), t, context)
        q = self.schedule.posterior(t - 1, t)
        weight, log_q = expand_like(q.on_x_0, x_0), 0.5 * q.posterior.log()
        log_p = 0.5 * (q.beta if self.variance == "beta" else q.posterior).log()
        return sum_rows(gaussian_kl(weight * x_0, expand_like(log_q, x_0), weight * self.decoder.clip(found), expand_like(log_p, x_0)))

    def _prior_kl(self, x_0: Tensor) -> Tensor:
        """KL(q(x_T | x_0) || N(0, I)): [B], what is left of the data at the end of the chain."""
        end = torch.full((len(x_0),), self.schedule.steps, device=x_0.device)
        alpha, sigma = expand_like(self.schedule.alpha(end), x_0), expand_like(self.schedule.sigma(end), x_0)
        return sum_rows(gaussian_kl(alpha * x_0, sigma.log().expand_as(x_0)))
