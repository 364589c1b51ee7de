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

import torch
from jaxtyping import Float, Real
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Likelihood, Losses, Objective, Sampler, Unsupported
from morphogen.families.diffusion.distillation import Lesson
from morphogen.families.diffusion.likelihood import Bound, Readout, strata
from morphogen.families.diffusion.probability_flow import ProbabilityFlow
from morphogen.families.diffusion.processes import ForwardProcess, Variance
from morphogen.families.diffusion.samplers import DDPM
from morphogen.families.diffusion.schedules import NoiseSchedule
from morphogen.families.diffusion.targets import Denoised, Preconditioned, Target, combine, determinant, solve
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
        variance: of the reverse step: "beta", that of the forward step, fits data ~ N(0, I); "posterior", that of x_{t-1} given x_0,
            fits data of little freedom, as pictures (section 3.2); "learned" lies between them, where the network's second half of
            channels says, and is learned by the bound (Nichol & Dhariwal 2021, eq. 16: loss + 0.001 of it).
        bound_steps: calls of the network a row's bound may take, at least 4: two for the decoder, one for each of the other
            T - 1 steps, or for that many strata of them if there are fewer calls than steps (`likelihood.strata`).
        measured_by: how log p is found; None: by the bound of the chain.
        weighting: how much errors count at each level; None: errors of the target count alike.
        drawn_by: the paper's sampler; None: the whole chain, as it was trained.
        taught_by: what it learns from a trained diffusion, in the place of the loss; None: it learns from data.

    Raises ConfigError for a variance to be learned where there is no chain.
    """

    def __init__(
        self, network: nn.Module, schedule: ForwardProcess, decoder: Readout, target: Target = "eps", variance: Variance = "beta",
        bound_steps: int = 1001, weighting: Weighting | None = None, drawn_by: Sampler | None = None,
        measured_by: ProbabilityFlow | None = None, taught_by: Lesson | None = None,
    ):  # fmt: skip
        super().__init__()
        if bound_steps < 4:
            raise ValueError(f"Diffusion: bound_steps is {bound_steps}; its error cannot be told from fewer than 4 calls")
        if variance == "learned" and not isinstance(schedule, NoiseSchedule):
            raise ConfigError(
                f"Diffusion: a learned variance is that of a chain's step, and {type(schedule).__name__} has none; take a chain"
            )
        self.network, self.schedule, self.decoder = network, schedule, decoder
        self.target, self.variance, self.bound_steps = target, variance, bound_steps
        self.weighting, self.drawn_by, self.measured_by, self.taught_by = weighting, drawn_by, measured_by, taught_by

    def prepare(self, x: Encoded, context: Context | None, rng: Rng) -> None:
        if self.taught_by is not None:
            self.taught_by.begin(self.network)

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        if self.taught_by is not None:
            return self.taught_by.losses(self, x.x, context, rng)
        t = self.schedule.draw(rng.fork("t"))
        eps = rng.fork("noise").normal(*x.x.shape[1:])
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        x_t = self.schedule.diffuse(x.x, eps, t)
        said, share = self._asked(x_t, t, context)
        error = combine(self.target, x.x, eps, alpha, sigma) - said
        loss = error.square().flatten(1).mean(1)
        if self.weighting is None:
            terms, metrics = {"simple": loss}, {}
        else:
            of_x_0 = (sigma / determinant(self.target, alpha, sigma)).square()
            terms, metrics = {"weighted": self.weighting(self.schedule, t) * of_x_0 * loss}, {"simple": loss.detach()}
        if share is not None:
            x_0 = solve(self.target, said, x_t, alpha, sigma)[0].detach()  # the bound teaches the variance alone
            terms["bound"] = 0.001 * self.schedule.last * self._term(x.x, Denoised(x_0, eps, share), t) / x.x[0].numel()
        return Losses(terms, metrics=metrics)

    def denoise(self, x_t: Float[Tensor, "b ..."], t: Real[Tensor, " b"], context: Context | None) -> Denoised:
        """What the network makes of x_t = alpha_t x_0 + sigma_t eps. One call."""
        said, share = self._asked(x_t, t, context)
        return Denoised(*solve(self.target, said, x_t, self.schedule.alpha(t), self.schedule.sigma(t)), share)

    def sampler(self) -> Sampler:
        return DDPM(clip=self.decoder.bound) if self.drawn_by is None else self.drawn_by

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        """Along the flow; or the evidence bound, from one x_t a step, whose `stderr` tells the noise's and the strata's part."""
        if self.measured_by is not None:
            nats, stderr = self.measured_by.log_prob(self, x.x, context, rng)
            return Likelihood(nats, x.dims, "estimate", "density", stderr)
        bound = self.bound(x.x, context, rng)
        return Likelihood(bound.nats, x.dims, "lower_bound", self.decoder.measure, bound.stderr.detach())

    def bound(self, x_0: Float[Tensor, "b ..."], context: Context | None, rng: Rng) -> Bound:
        """The evidence bound term by term (eq. 5). Errors: Unsupported where time has no steps."""
        if not isinstance(self.schedule, NoiseSchedule):
            process = type(self.schedule).__name__
            raise Unsupported(f"Diffusion: the bound is that of a chain, and {process} has no steps; give measured_by=ProbabilityFlow()")
        pieces = strata(2, self.schedule.steps, self.bound_steps - 2)
        first = torch.ones(len(x_0), dtype=torch.long, device=x_0.device)
        read = torch.stack([-self._drawn_term(x_0, first, context, rng.fork("read", i)) for i in range(2)])
        steps = []
        for start, size in pieces:
            draw = rng.fork("step", start)
            steps.append(size * self._drawn_term(x_0, start + draw.fork("t").integers(size), context, draw.fork("noise")))
        return Bound(read, torch.stack(steps), tuple(pieces), self._prior_kl(x_0))

    def _asked(self, x_t: Tensor, t: Tensor, context: Context | None) -> tuple[Tensor, Tensor | None]:
        """What the network says of x_t, which is scaled where the target asks for it; and of its step's variance, if it is to."""
        if isinstance(self.target, Preconditioned):
            x_t = expand_like(self.target.scale(self.schedule.alpha(t), self.schedule.sigma(t)), x_t) * x_t
        said = self.network(x_t, self.schedule.told(t), context)
        if self.variance != "learned":
            return said, None
        said, share = said.chunk(2, 1)
        return said, (share + 1) / 2

    def _drawn_term(self, x_0: Tensor, t: Tensor, context: Context | None, rng: Rng) -> Tensor:
        """The bound's term at t, from one x_t: [B]."""
        x_t = self.schedule.diffuse(x_0, rng.normal(*x_0.shape[1:]), t)
        return self._term(x_0, self.denoise(x_t, t, context), t)

    def _term(self, x_0: Tensor, found: Denoised, t: Tensor) -> Tensor:
        """KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)), and at t = 1 -log p(x_0 | x_1), whose learned variance is that of t = 2: [B]."""
        s = (t - 1).clamp_min(1)
        q = self.schedule.posterior(s, s + 1)
        log_p, mean = 0.5 * q.variance(self.variance, found.share).log(), self.decoder.clip(found.x_0)
        weight, log_q = expand_like(q.on_x_0, x_0), expand_like(0.5 * q.posterior.log(), x_0)
        kl = sum_rows(gaussian_kl(weight * x_0, log_q, weight * mean, expand_like(log_p, x_0)))
        if (t > 1).all():
            return kl
        read = self.decoder.log_prob(x_0, mean, log_p if self.variance == "learned" else self.schedule.sigma(t).log())
        return torch.where(t > 1, kl, -read)

    def _prior_kl(self, x_0: Tensor) -> Tensor:
        """KL(q(x_T | x_0) || N(0, I)): [B], what is left of the data at the end of the chain."""
        end = torch.full((len(x_0),), int(self.schedule.last), device=x_0.device)
        alpha, sigma = expand_like(self.schedule.alpha(end), x_0), expand_like(self.schedule.sigma(end), x_0)
        return sum_rows(gaussian_kl(alpha * x_0, sigma.log().expand_as(x_0)))
