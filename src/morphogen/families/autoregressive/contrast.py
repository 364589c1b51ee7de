r"""Guidance by a prompt: towards what follows from it, away from what would be written without it.

    logits = without + scale (with - without)

A prompt is part of x, so the other side cannot be a `null` context as in `Guided`: it is the same network that has read the prompt's last
symbol alone, or another prompt (a negative one), and then all that was drawn.

Reference: Stay on topic with classifier-free guidance, Sanchez, Fan, Spangher, Levi, Ammanamanchi & Biderman, 2023.
"""

__all__ = ["PromptGuided"]

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Context, Sampler
from morphogen.families.autoregressive.cache import read, remember
from morphogen.families.autoregressive.decoding import Decoding
from morphogen.families.autoregressive.span import prompts
from morphogen.numerics.randomness import Rng


class PromptGuided(Sampler):
    """A decoder with the network pushed towards its prompt (Sanchez et al. 2023); prompts of one length are drawn side by side.

    Arguments:
        decoding: how to draw.
        scale: 1 is the plain law, above 1 truer to the prompt.
        instead: ids of a prompt to keep away from; (): the last symbol of each prompt.

    Raises ConfigError for a sample without a prompt.
    """

    def __init__(self, decoding: Decoding, scale: float, instead: tuple[int, ...] = ()):
        self.decoding, self.scale, self.instead = decoding, scale, instead

    def __call__(self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng) -> Int[Tensor, "b ..."]:
        length = torch.Size(shape).numel()
        told = prompts(objective, context, len(rng), length)
        counts = (told >= 0).sum(1)
        if context is None or not bool((counts > 0).all()):
            raise ConfigError("guidance by a prompt needs a prompt of one symbol or more in every row")
        x = torch.full((len(rng), *shape), -1, device=rng.rows.device)
        for count in counts.unique().tolist():
            rows = (counts == count).nonzero()[:, 0]
            network = _Contrasted(objective.network, shape, count, self.instead, self.scale)
            given = replace(context[rows], prefix=told[rows, :count])
            x[rows] = self.decoding(objective.with_network(network), shape, given, rng[rows])
        return x


class _Contrasted(nn.Module):
    """A network and itself without the prompt of `count` symbols."""

    def __init__(self, network: Any, shape: tuple[int, ...], count: int, instead: tuple[int, ...], scale: float):
        super().__init__()
        self.network, self.shape, self.count, self.instead, self.scale = network, shape, count, instead, scale

    def cache(self, rows: int, context: Context | None) -> "_ContrastedMemory":
        return _ContrastedMemory(self, rows, context)


class _ContrastedMemory:
    """Two memories; that of the other side begins where the prompt ends."""

    def __init__(self, contrasted: _Contrasted, rows: int, context: Context | None):
        self.of, self.seen = contrasted, 0
        self.told, self.untold = (remember(contrasted.network, rows, contrasted.shape, context) for _ in range(2))

    def step(self, previous: Tensor | None) -> Tensor:
        logits = self.told.step(previous)
        if previous is None:
            return logits
        self.seen += 1
        if self.seen < self.of.count:
            return logits
        if self.seen == self.of.count:
            instead = torch.tensor(self.of.instead, device=previous.device).expand(len(previous), -1)
            without = read(self.untold, instead if self.of.instead else previous[:, None])
        else:
            without = self.untold.step(previous)
        return without + self.of.scale * (logits - without)
