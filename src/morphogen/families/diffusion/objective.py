r"""Denoising diffusion: training on a prediction target, and the evidence lower bound.

    forward   q(x_t | x_0) = N(alpha_t x_0, sigma_t^2 I)
    reverse   p(x_{t-1} | x_t) = N(mean of q(x_{t-1} | x_t, x_0 = predicted x_0), variance_t I)
              p(x_T) = N(0, I)

(Sohl-Dickstein, Weiss, Maheswaranathan & Ganguli 2015; Ho, Jain & Abbeel 2020.) Training is regression on the
noise; sampling runs the reverse chain; the evidence lower bound of the chain makes it a likelihood model.

The loss for data of a single value: a network that predicts 0 has a loss of E eps^2 = 1; a network that
knows the data, here always 0.5, computes eps from x_t and has a loss of 0.

    >>> class Zero(nn.Module):
    ...     def forward(self, x_t, t, context): return torch.zeros_like(x_t)
    >>> class ExactEps(nn.Module):
    ...     def forward(self, x_t, t, context):
    ...         t = (t * 100).round().long()
    ...         return (x_t - 0.5 * expand_like(schedule.alpha(t), x_t)) / expand_like(schedule.sigma(t), x_t)
    >>> from morphogen.families.diffusion import GaussianDecoder, LinearBetas
    >>> schedule = LinearBetas(0.001, 0.2, steps=100)
    >>> x = Encoded(torch.full((20_000, 1), 0.5), torch.zeros(20_000), torch.ones(20_000))
    >>> def loss(network):
    ...     objective = Diffusion(network, schedule, GaussianDecoder())
    ...     return objective.losses(x, None, Rng(seed=0, rows=20_000), "model").total.mean().item()
    >>> f"{loss(Zero()):.1f} {loss(ExactEps()):.1f}"
    '1.0 0.0'
"""

__all__ = ["Diffusion"]

import torch
from jaxtyping import Float, Real
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import (
    Context,
    Encoded,
    Likelihood,
    Losses,
    Objective,
    Sampler,
    Unsupported,
    x_mask_of,
)
from morphogen.families.diffusion.denoiser import Denoiser
from morphogen.families.diffusion.distillation import DistillationLoss
from morphogen.families.diffusion.likelihood import Bound, DecoderLikelihood, strata
from morphogen.families.diffusion.probability_flow import ProbabilityFlow
from morphogen.families.diffusion.processes import ForwardProcess, Variance
from morphogen.families.diffusion.samplers import DDPM
from morphogen.families.diffusion.schedules import NoiseSchedule
from morphogen.families.diffusion.targets import (
    Denoised,
    Preconditioned,
    Target,
    check_determined,
    combine,
    determinant,
    solve,
)
from morphogen.families.diffusion.weightings import Weighting
from morphogen.numerics.distributions import gaussian_kl
from morphogen.numerics.masking import masked_mean, masked_sum
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import expand_like
from morphogen.objective_values import check_result


class Diffusion(Denoiser, Objective):
    r"""Denoising diffusion, in a discrete chain or in continuous time.

        loss = w(t) mean over x of (u - network(x_t, t, context))^2,     u = a x_0 + b eps     (equation 14)

    Denoising diffusion probabilistic models, Ho, Jain & Abbeel, 2020. The loss is a mean over x, not a sum,
    so that learning rates carry over between image sizes. `log_prob` is the evidence lower bound (equation
    5), a mass or a density depending on the decoder; it clips x_0 to the data range, as sampling does.

    Arguments:
        network: (x_t [B, ...], time input [B], context) -> [B, ...]; the time input of a chain is t / T. For
            sets of different sizes one that `accepts_mask`, such as `SetTransformer`.
        schedule: the forward process: a discrete chain, t = 1 .. T, or a process of continuous time.
        decoder: p(x_0 | x_1), with variance sigma_1^2.
        target: what the network predicts; see `targets.py`.
        variance: of the reverse step. "beta", the variance of the forward step, is optimal for N(0, I) data;
            "posterior", that of x_{t-1} given x_0 and x_t, for a single data point, and fits data with few
            degrees of freedom, such as images (section 3.2). "learned" interpolates between the two by the
            second half of the network's output channels, trained on the bound (Nichol & Dhariwal 2021,
            equation 16: loss + 0.001 bound).
        bound_steps: most network calls of `log_prob`, at least 4: two for the decoder, and one for each of
            the T - 1 other steps or, if there are more steps than calls, strata (`likelihood.strata`).
        weighting: w(t) of the squared error of x_0; None: the squared error of the target, unweighted.
        sampler: the default sampler; None: `DDPM` over the whole chain.
        likelihood: estimator of log p; None: the bound of the chain.
        distillation: loss from a trained diffusion model that replaces the loss above; None: train on data.

    Raises ConfigError for a learned variance in continuous time, and for a target undefined at the last time.
    """

    masked = ("network",)

    def __init__(
        self,
        network: nn.Module,
        schedule: ForwardProcess,
        decoder: DecoderLikelihood,
        target: Target = "eps",
        variance: Variance = "beta",
        bound_steps: int = 1001,
        weighting: Weighting | None = None,
        sampler: Sampler | None = None,
        likelihood: ProbabilityFlow | None = None,
        distillation: DistillationLoss | None = None,
    ):
        super().__init__()
        if bound_steps < 4:
            raise ConfigError(f"Diffusion({bound_steps=}): a standard error requires at least 4 steps")
        if variance == "learned" and not isinstance(schedule, NoiseSchedule):
            raise ConfigError(
                "Diffusion: variance='learned' requires a discrete chain, such as LinearBetas, "
                f"not {type(schedule).__name__}"
            )
        check_determined(target, schedule)
        self.network, self.schedule, self.decoder = network, schedule, decoder
        self.target, self.variance, self.bound_steps = target, variance, bound_steps
        self.weighting, self.sampler, self.max_abs = weighting, sampler, decoder.max_abs
        self.likelihood, self.distillation = likelihood, distillation

    def prepare(self, x: Encoded, context: Context | None, rng: Rng) -> None:
        if self.distillation is not None:
            self.distillation.init_from_teacher(self.network)

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        context, rng = self.receive_mask(x.mask, context, rng)
        if self.distillation is not None:
            return self.distillation.losses(self, x.x, context, rng)
        t = self.schedule.sample_time(rng.fork("t"))
        eps = rng.fork("noise").normal(*x.x.shape[1:])
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        x_t = self.schedule.diffuse(x.x, eps, t)
        prediction, variance_fraction = self._output(x_t, t, context)
        error = combine(self.target, x.x, eps, alpha, sigma) - prediction
        loss = masked_mean(error.square(), x.mask)
        terms, metrics = {"simple": loss}, {}
        if self.weighting is not None:
            to_x_0 = (sigma / determinant(self.target, alpha, sigma)).square()
            weight = self.weighting(self.schedule, t) * to_x_0
            terms, metrics = {"weighted": weight * loss}, {"simple": loss.detach()}
        if variance_fraction is not None:  # the bound trains the variance only
            x_0, _ = solve(self.target, prediction, x_t, alpha, sigma)
            bound = _bound_term(self, x.x, Denoised(x_0.detach(), eps, variance_fraction), t, x.mask)
            terms["bound"] = 0.001 * self.schedule.t_max * bound / x.x[0].numel()
        return Losses(terms, metrics=metrics)

    def predict(
        self, x_t: Float[Tensor, "b ..."], t: Real[Tensor, " b"], context: Context | None
    ) -> Denoised:
        """Predict x_0 and eps from x_t = alpha_t x_0 + sigma_t eps, with one call of the network."""
        prediction, variance_fraction = self._output(x_t, t, context)
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        return Denoised(*solve(self.target, prediction, x_t, alpha, sigma), variance_fraction)

    def default_sampler(self) -> Sampler:
        return DDPM() if self.sampler is None else self.sampler

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        """Return log p along the flow if `likelihood` is set, else the bound, from one x_t per step.

        `stderr` of the bound covers the noise and the choice of t within strata.
        """
        context, rng = self.receive_mask(x.mask, context, rng)
        if self.likelihood is not None:
            nats, stderr = self.likelihood.log_prob(self, x.x, context, rng)
            return Likelihood(nats, x.dims, "estimate", "density", stderr)
        bound = self.bound(x.x, context, rng)
        return Likelihood(bound.nats, x.dims, "lower_bound", self.decoder.measure, bound.stderr.detach())

    def bound(self, x_0: Float[Tensor, "b ..."], context: Context | None, rng: Rng) -> Bound:
        """Return the terms of the evidence lower bound. Errors: Unsupported in continuous time."""
        if not isinstance(self.schedule, NoiseSchedule):
            raise Unsupported(
                f"Diffusion: the bound requires a discrete chain, not {type(self.schedule).__name__}; "
                "use likelihood=ProbabilityFlow()"
            )
        t_1 = torch.ones(len(x_0), dtype=torch.long, device=x_0.device)
        reconstruction = [-self._sampled_term(x_0, t_1, context, rng.fork("read", i)) for i in range(2)]
        parts = strata(2, self.schedule.steps, self.bound_steps - 2)
        step_kl = []
        for start, size in parts:
            step_rng = rng.fork("step", start)
            t = start + step_rng.fork("t").integers(size)
            step_kl.append(size * self._sampled_term(x_0, t, context, step_rng.fork("noise")))
        prior_kl = _prior_kl(self.schedule, x_0, x_mask_of(context))
        return Bound(torch.stack(reconstruction), torch.stack(step_kl), tuple(parts), prior_kl)

    def _output(self, x_t: Tensor, t: Tensor, context: Context | None) -> tuple[Tensor, Tensor | None]:
        """The network's prediction of the target, and of the variance fraction if it is learned."""
        if isinstance(self.target, Preconditioned):
            x_t = expand_like(self.target.scale(self.schedule.alpha(t), self.schedule.sigma(t)), x_t) * x_t
        if self.variance == "learned" and x_mask_of(context) is not None:
            raise Unsupported(
                "Diffusion with a learned variance does not accept examples of different sizes: "
                "use variance='beta'"
            )
        prediction = self.network(x_t, self.schedule.time_input(t), context)
        channels = (2 if self.variance == "learned" else 1) * x_t.shape[1]
        check_result(self.network, prediction, (len(x_t), channels, *x_t.shape[2:]))
        if self.variance != "learned":
            return prediction, None
        prediction, variance_fraction = prediction.chunk(2, 1)
        return prediction, (variance_fraction + 1) / 2

    def _sampled_term(self, x_0: Tensor, t: Tensor, context: Context | None, rng: Rng) -> Tensor:
        """The bound's term at t, from one sample of x_t: [B]."""
        x_t = self.schedule.diffuse(x_0, rng.normal(*x_0.shape[1:]), t)
        return _bound_term(self, x_0, self.predict(x_t, t, context), t, x_mask_of(context))


def _bound_term(
    objective: Diffusion, x_0: Tensor, prediction: Denoised, t: Tensor, mask: Tensor | None
) -> Tensor:
    """KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)), or -log p(x_0 | x_1) at t = 1: [B]."""
    s = (t - 1).clamp_min(1)  # a learned variance at t = 1 is that of the step t = 2
    q = objective.schedule.posterior(s, s + 1)
    log_p = 0.5 * q.variance(objective.variance, prediction.variance_fraction).log()
    log_q = expand_like(0.5 * q.posterior.log(), x_0)
    mean = objective.decoder.clip(prediction.x_0)
    weight = expand_like(q.on_x_0, x_0)
    kl = masked_sum(gaussian_kl(weight * x_0, log_q, weight * mean, expand_like(log_p, x_0)), mask)
    if (t > 1).all():
        return kl
    log_sigma = log_p if objective.variance == "learned" else objective.schedule.sigma(t).log()
    return torch.where(t > 1, kl, -objective.decoder.log_prob(x_0, mean, log_sigma, mask))


def _prior_kl(schedule: NoiseSchedule, x_0: Tensor, mask: Tensor | None) -> Tensor:
    """KL(q(x_T | x_0) || N(0, I)): [B]."""
    t_max = torch.full((len(x_0),), int(schedule.t_max), device=x_0.device)
    alpha, sigma = expand_like(schedule.alpha(t_max), x_0), expand_like(schedule.sigma(t_max), x_0)
    return masked_sum(gaussian_kl(alpha * x_0, sigma.log().expand_as(x_0)), mask)
