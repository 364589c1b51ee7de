r"""Drawing a sequence symbol by symbol from p(x_i | x_<i), or from a sharpened law.

    temperature  p_k^(1/T)                          T -> 0 is greedy
    top-k        the k most likely symbols          Fan et al. 2018, "Hierarchical neural story generation"
    top-p        the fewest symbols with mass p     Holtzman et al. 2020, "The curious case of neural text degeneration" (nucleus)

Each is a pure function of the logits `[B, V]`; symbols struck out get -inf. A symbol is the inverse of the cumulative
distribution at a uniform number keyed by (seed, row, position), so that a row's sequence does not depend on its batch.

    >>> logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]])
    >>> def shares(logits): return [f"{p:.2f}" for p in logits.softmax(-1)[0].tolist()]
    >>> shares(logits), shares(temper(logits, 0.5)), shares(top(logits, 2))
    (['0.64', '0.24', '0.09', '0.03'], ['0.86', '0.12', '0.02', '0.00'], ['0.73', '0.27', '0.00', '0.00'])
    >>> shares(nucleus(logits, 0.9))  # 0.64 + 0.24 do not reach 0.9 yet, with 0.09 they do
    ['0.67', '0.24', '0.09', '0.00']
    >>> Ancestral(top_k=2).pick(logits, torch.tensor([0.7])), Ancestral(top_k=2).pick(logits, torch.tensor([0.8]))
    (tensor([0]), tensor([1]))
"""

__all__ = ["Ancestral", "nucleus", "temper", "top"]

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Context, Sampler
from morphogen.families.autoregressive.cache import remember
from morphogen.numerics.randomness import Rng, invert_cdf
from morphogen.numerics.tensors import unraster


class Ancestral(Sampler):
    """One symbol after another, each given those before it; `context.prefix [B, P]` says how the sequence begins.

    Arguments:
        temperature: T >= 0; 1 is the law itself, 0 its most likely symbol.
        top_k: how many symbols stay (0: all; ties with the k-th stay too).
        top_p: mass that stays, in (0, 1].

    Raises:
        ConfigError: if a number is out of its range, or a prefix longer than the sequence.
    """

    def __init__(self, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0):
        if temperature < 0 or top_k < 0 or not 0 < top_p <= 1:
            raise ConfigError(f"Ancestral({temperature=}, {top_k=}, {top_p=}): take temperature >= 0, top_k >= 0, 0 < top_p <= 1")
        self.temperature, self.top_k, self.top_p = temperature, top_k, top_p

    @torch.no_grad()
    def __call__(self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng) -> Int[Tensor, "b ..."]:
        length = torch.Size(shape).numel()
        given = _prefix(context, len(rng), length)
        memory = remember(objective.network, len(rng), shape, context)
        draws = rng.fork("symbols").uniform(length).unbind(1)  # one block: a keyed draw costs more than a cached step
        symbols: list[Tensor] = []
        for i, u in enumerate(draws):
            logits = memory.step(symbols[-1] if symbols else None)
            symbols.append(given[i] if i < len(given) else self.pick(logits, u))
        return unraster(torch.stack(symbols, 1), shape)

    def pick(self, logits: Float[Tensor, "b v"], u: Float[Tensor, " b"]) -> Int[Tensor, " b"]:
        """The symbols at the uniform numbers u."""
        if self.temperature == 0:
            return logits.argmax(-1)
        if self.temperature != 1:
            logits = temper(logits, self.temperature)
        if self.top_k:
            logits = top(logits, self.top_k)
        if self.top_p < 1:
            logits = nucleus(logits, self.top_p)
        return invert_cdf(logits, u)


def temper(logits: Float[Tensor, "b v"], temperature: float) -> Float[Tensor, "b v"]:
    """Logits of p^(1/T), T > 0."""
    return logits / temperature


def top(logits: Float[Tensor, "b v"], k: int) -> Float[Tensor, "b v"]:
    """Strike out all but the k most likely."""
    least = logits.topk(min(k, logits.shape[-1]), -1).values[:, -1:]
    return logits.masked_fill(logits < least, -torch.inf)


def nucleus(logits: Float[Tensor, "b v"], p: float) -> Float[Tensor, "b v"]:
    """Strike out all but the fewest most likely symbols whose mass reaches p; the most likely always stays."""
    ordered, index = logits.sort(dim=-1, descending=True, stable=True)
    mass = ordered.double().softmax(-1)
    struck = mass.cumsum(-1) - mass >= p  # those before it suffice
    return logits.masked_fill(struck.scatter(-1, index, struck), -torch.inf)


def _prefix(context: Context | None, rows: int, length: int) -> tuple[Tensor, ...]:
    """The given first symbols, one [B] a position."""
    if context is None or context.prefix is None:
        return ()
    if context.prefix.shape[1] > length or len(context.prefix) != rows:
        raise ConfigError(f"prefix {list(context.prefix.shape)}: must be [{rows}, P] with at most {length} symbols a row")
    return context.prefix.unbind(1)
