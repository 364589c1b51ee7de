r"""Diffusion of symbols: corrupted by T known steps, and a network says what they were.

    log p(x_0) >= - sum_{t=1}^{T} KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)) - KL(q(x_T | x_0) || pi)

    p(x_{t-1} | x_t) = sum_{x_0} q(x_{t-1} | x_t, x_0) softmax(network(x_t, t))(x_0)

(Structured denoising diffusion models in discrete state-spaces, Austin, Johnson, Ho, Tarlow & van den Berg 2021.) The term of
t = 1 is -log p(x_0 | x_1). All is exact but the choice of t and of x_t, so the bound is a mass, as text asks for.

A network that knows the data, here always "1", costs nothing; one that knows nothing costs ln V a symbol, every one of which is masked
once on the way and must be guessed then:

    >>> from morphogen.families.diffusion.corruptions import Absorbing
    >>> class Says(nn.Module):
    ...     def __init__(self, sure): super().__init__(); self.sure = sure
    ...     def forward(self, x_t, t, context): return self.sure * (torch.arange(4) == 1).float().expand(*x_t.shape, 4)
    >>> x = Encoded(torch.ones(2, 5, dtype=torch.int64), torch.zeros(2), torch.full((2,), 5.0))
    >>> [D3PM(Says(sure), Absorbing(4, 10)).log_prob(x, None, Rng(0, 2)).nats.mean().item() > -1e-3 for sure in (0.0, 50.0)]
    [False, True]
"""

__all__ = ["D3PM", "Denoising"]

from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Likelihood, Losses, Objective, Sampler, Unsupported
from morphogen.families.diffusion.corruptions import Corruption
from morphogen.families.diffusion.likelihood import strata, variance_of_sum
from morphogen.numerics.randomness import Rng, invert_cdf


class D3PM(Objective):
    r"""Discrete diffusion whose network says x_0 (Austin et al. 2021).

        loss = T KL_t + auxiliary * -log softmax(network(x_t, t))(x_0),   t ~ U{1 .. T},   a symbol

    Arguments:
        network: (x_t int64 [B, N], t / T [B], context) -> logits of x_0 [B, N, V].
        corruption: of the symbols.
        auxiliary: weight of the second term (0.01 for text in the paper, 0.001 for pictures).
        bound_steps: calls of the network a row's bound may take, at least 2 (`likelihood.strata`).
    """

    def __init__(self, network: nn.Module, corruption: Corruption, auxiliary: float = 0.01, bound_steps: int = 1000):
        super().__init__()
        if bound_steps < 2:
            raise ValueError(f"D3PM: bound_steps is {bound_steps}; its error cannot be told from fewer than 2 calls")
        self.network, self.corruption, self.auxiliary, self.bound_steps = network, corruption, auxiliary, bound_steps

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        x_0, seen = _places(x.x)
        t = 1 + rng.fork("t").integers(self.corruption.steps)
        logits, kl = self._step_kl(x_0, t, context, rng.fork("corrupt"))
        said = F.cross_entropy(logits.transpose(1, 2), x_0, reduction="none")
        count = seen.sum(1)
        bound, cross = (((part * seen).sum(1) / count.clamp_min(1)) for part in (self.corruption.steps * kl, said))
        return Losses({"bound": bound, "auxiliary": self.auxiliary * cross}, weight=count.to(bound.dtype))

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        """The bound, from one x_t of each step, or of each stratum of them; `stderr` tells both parts."""
        x_0, seen = _places(x.x)
        found = []
        for start, size in strata(1, self.corruption.steps, self.bound_steps):
            here = rng.fork("step", start)
            _, kl = self._step_kl(x_0, start + here.fork("t").integers(size), context, here.fork("corrupt"))
            found.append(size * (kl * seen).sum(1))
        steps = torch.stack(found)
        nats = -steps.sum(0) - self.corruption.prior_kl(seen.sum(1)).to(steps.dtype)
        return Likelihood(nats, x.dims, "lower_bound", "mass", variance_of_sum(steps).sqrt().detach())

    def sampler(self) -> Sampler:
        return Denoising()

    def _step_kl(self, x_0: Tensor, t: Tensor, context: Context | None, rng: Rng) -> tuple[Tensor, Tensor]:
        """What the network says of an x_t, and KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)) at each place."""
        x_t = self.corruption.corrupt(x_0, t, rng)
        logits = self.network(x_t, t / self.corruption.steps, context).float()
        truth = F.one_hot(x_0, self.corruption.vocabulary).to(logits.dtype)
        q, p = (self.corruption.back(x_t, law, t, t - 1) for law in (truth, _law(logits)))
        return logits, (torch.xlogy(q, q) - q * p.clamp_min(1e-30).log()).sum(-1)


class Denoising(Sampler):
    """The chain back, symbol by symbol given the whole (Austin et al. 2021): x_s ~ p(x_s | x_t), all places at once.

    Arguments:
        steps: calls of the network, in 1 .. T, evenly spaced; None: all T.
    """

    def __init__(self, steps: int | None = None):
        self.steps = steps

    def __call__(self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng) -> Int[Tensor, "b ..."]:
        if not hasattr(objective, "corruption"):
            raise Unsupported(f"{type(objective).__name__} corrupts no symbols; sample it by its own sampler, not Denoising")
        corruption, places = objective.corruption, torch.Size(shape).numel()
        x = corruption.draw(places, rng.fork("start"))
        for i, (time, following) in enumerate(pairwise(self.grid(corruption.steps))):
            t, s = (torch.full((len(x),), at, device=x.device) for at in (time, following))
            law = corruption.back(x, _law(objective.network(x, t / corruption.steps, context)), t, s)
            law = law if following else law[..., : corruption.vocabulary]
            u = rng.fork("step", i).uniform(places)
            x = invert_cdf(law.flatten(0, 1).log(), u.flatten()).reshape(x.shape)
        return x.reshape(-1, *shape)

    def calls(self, objective: Any) -> int:
        """How often it asks the objective's network for a sample."""
        return len(self.grid(objective.corruption.steps)) - 1

    def grid(self, last: int) -> list[int]:
        """The times of the chain, from T = `last` down to 0."""
        steps = last if self.steps is None else self.steps
        if not 1 <= steps <= last:
            raise ConfigError(f"Denoising: steps is {steps}; a chain of {last} takes 1 .. {last}")
        return [*(round(last * (steps - i) / steps) for i in range(steps)), 0]


def _law(logits: Float[Tensor, "b n v"]) -> Float[Tensor, "b n v"]:
    """Of x_0; what a network deems impossible may still stand in x_t."""
    return logits.float().softmax(-1).clamp_min(1e-12)


def _places(x: Int[Tensor, "b ..."]) -> tuple[Int[Tensor, "b n"], Float[Tensor, "b n"]]:
    """Symbols in a row, and which of them there are: a text that ends early is followed by -1."""
    flat = x.flatten(1)
    return flat.clamp_min(0), (flat >= 0).float()
