r"""D3PM: discrete diffusion of tokens, corrupted in T steps, with a network that predicts x_0.

    log p(x_0) >= - sum_{t=1}^{T} KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)) - KL(q(x_T | x_0) || pi)

    p(x_{t-1} | x_t) = sum_{x_0} q(x_{t-1} | x_t, x_0) softmax(network(x_t, t))(x_0)

(Structured denoising diffusion models in discrete state-spaces, Austin, Johnson, Ho, Tarlow & van den Berg
2021.) The term of t = 1 is -log p(x_0 | x_1). All KLs are exact; only t and x_t are sampled. The bound is a
probability mass, as for any discrete data.

For data that are always token 1, a network that predicts token 1 has a bound of 0. A network with uniform
predictions has -ln V per token, because every token is masked once in the chain and must be predicted:

    >>> from morphogen.families.diffusion.corruptions import AbsorbingNoise
    >>> class Constant(nn.Module):
    ...     def __init__(self, logit): super().__init__(); self.logit = logit
    ...     def forward(self, x_t, t, context):
    ...         return self.logit * (torch.arange(4) == 1).float().expand(*x_t.shape, 4)
    >>> x = Encoded(torch.ones(2, 5, dtype=torch.int64), torch.zeros(2), torch.full((2,), 5.0))
    >>> def bound(logit):
    ...     objective = D3PM(Constant(logit), AbsorbingNoise(4, 10))
    ...     return objective.log_prob(x, None, Rng(0, 2)).nats.mean().item()
    >>> [bound(logit) > -1e-3 for logit in (0.0, 50.0)]
    [False, True]
"""

__all__ = ["D3PM", "D3PMSampler"]

from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Likelihood, Losses, Objective, Sampler
from morphogen.families.diffusion.corruptions import Corruption
from morphogen.families.diffusion.likelihood import strata, variance_of_sum
from morphogen.numerics.masking import masked_mean, masked_sum
from morphogen.numerics.randomness import Rng, invert_cdf
from morphogen.objective_values import check_result


class D3PM(Objective):
    r"""Discrete denoising diffusion with x_0-parameterization.

        loss = T KL_t + auxiliary_weight * -log softmax(network(x_t, t))(x_0),   t ~ U{1 .. T},   per token

    Austin et al., 2021.

    Arguments:
        network: (x_t int64 [B, N], t / T [B], context) -> logits of x_0 [B, N, V]; for texts of different
            lengths one that `accepts_mask`.
        corruption: the forward process.
        auxiliary_weight: weight of the second term (0.01 for text in the paper, 0.001 for images).
        bound_steps: most network calls of `log_prob`, at least 2 (`likelihood.strata`).
    """

    masked = ("network",)

    def __init__(
        self,
        network: nn.Module,
        corruption: Corruption,
        auxiliary_weight: float = 0.01,
        bound_steps: int = 1000,
    ):
        super().__init__()
        if bound_steps < 2:
            raise ValueError(f"D3PM: bound_steps must be at least 2 for a standard error, got {bound_steps}")
        self.network, self.corruption = network, corruption
        self.auxiliary_weight, self.bound_steps = auxiliary_weight, bound_steps

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        context, rng = self.receive_mask(x.mask, context, rng)
        x_0, mask = _tokens_and_mask(x)
        t = 1 + rng.fork("t").integers(self.corruption.steps)
        logits, kl = self._step_kl(x_0, t, context, rng.fork("corrupt"))
        cross_entropy = F.cross_entropy(logits.transpose(1, 2), x_0, reduction="none")
        bound = masked_mean(self.corruption.steps * kl, mask)
        auxiliary = masked_mean(cross_entropy, mask)
        return Losses(
            {"bound": bound, "auxiliary": self.auxiliary_weight * auxiliary},
            weight=mask.sum(1).to(bound.dtype),
        )

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        """Return the evidence lower bound, from one x_t per step or per stratum of steps.

        `stderr` covers the sampling of both x_t and t.
        """
        context, rng = self.receive_mask(x.mask, context, rng)
        x_0, mask = _tokens_and_mask(x)
        terms = []
        for start, size in strata(1, self.corruption.steps, self.bound_steps):
            step_rng = rng.fork("step", start)
            t = start + step_rng.fork("t").integers(size)
            _, kl = self._step_kl(x_0, t, context, step_rng.fork("corrupt"))
            terms.append(size * masked_sum(kl, mask))
        step_kl = torch.stack(terms)
        nats = -step_kl.sum(0) - self.corruption.prior_kl(mask.sum(1).float()).to(step_kl.dtype)
        stderr = variance_of_sum(step_kl).sqrt().detach()
        return Likelihood(nats, x.dims, "lower_bound", "mass", stderr)

    @property
    def t_max(self) -> float:
        """T, the number of steps of the corruption."""
        return self.corruption.steps

    def predict(
        self, x_t: Int[Tensor, "b n"], t: Int[Tensor, " b"], context: Context | None
    ) -> Float[Tensor, "b n v"]:
        """Logits of x_0 at x_t; samplers call this prediction, and guidance wraps it."""
        logits = self.network(x_t, t / self.corruption.steps, context)
        return check_result(self.network, logits, (*x_t.shape, self.corruption.vocabulary))

    def default_sampler(self) -> Sampler:
        return D3PMSampler()

    def _step_kl(self, x_0: Tensor, t: Tensor, context: Context | None, rng: Rng) -> tuple[Tensor, Tensor]:
        """Logits of x_0 at a sampled x_t, and KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)) per token."""
        x_t = self.corruption.corrupt(x_0, t, rng)
        logits = self.predict(x_t, t, context).float()
        one_hot = F.one_hot(x_0, self.corruption.vocabulary).to(logits.dtype)
        q = self.corruption.posterior(x_t, one_hot, t, t - 1)
        p = self.corruption.posterior(x_t, _probabilities(logits), t, t - 1)
        return logits, (torch.xlogy(q, q) - q * p.clamp_min(1e-30).log()).sum(-1)


class D3PMSampler(Sampler):
    """Ancestral sampling of the reverse chain: x_s ~ p(x_s | x_t), all tokens in parallel.

    Austin et al., 2021.

    Arguments:
        steps: number of network calls, evenly spaced in 1 .. T; None: all T.
    """

    requires = "corruption"

    def __init__(self, steps: int | None = None):
        self.steps = steps

    def __call__(
        self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng
    ) -> Int[Tensor, "b ..."]:
        self.check(objective)
        corruption, length = objective.corruption, torch.Size(shape).numel()
        x = corruption.sample_noise(length, rng.fork("start"))
        for i, (start, end) in enumerate(pairwise(self.grid(corruption.steps))):
            t, s = (torch.full((len(x),), time, device=x.device) for time in (start, end))
            x_0 = _probabilities(objective.predict(x, t, context))
            p = corruption.posterior(x, x_0, t, s)
            if not end:
                p = p[..., : corruption.vocabulary]  # no mask token at t = 0
            u = rng.fork("step", i).uniform(length)
            x = invert_cdf(p.flatten(0, 1).log(), u.flatten()).reshape(x.shape)
        return x.reshape(-1, *shape)

    def calls(self, objective: Any) -> int:
        """Number of network calls per sample."""
        return len(self.grid(objective.corruption.steps)) - 1

    def grid(self, t_max: int) -> list[int]:
        """The descending times of this sampler, from T = `t_max` to 0."""
        steps = t_max if self.steps is None else self.steps
        if not 1 <= steps <= t_max:
            raise ConfigError(f"D3PMSampler: steps must be 1 .. {t_max}, got {steps}")
        return [*(round(t_max * (steps - i) / steps) for i in range(steps)), 0]


def _probabilities(logits: Float[Tensor, "b n v"]) -> Float[Tensor, "b n v"]:
    """p(x_0 | x_t), kept above 0 because x_t may hold a token that the network rules out."""
    return logits.float().softmax(-1).clamp_min(1e-12)


def _tokens_and_mask(x: Encoded) -> tuple[Int[Tensor, "b n"], Bool[Tensor, "b n"]]:
    """Flattened tokens, and the mask of those that are scored: existing, and not padding (-1)."""
    flat = x.x.flatten(1)
    return flat.clamp_min(0), flat >= 0 if x.mask is None else x.mask & (flat >= 0)
