"""Condition dropout, which trains p(x | c) and p(x) in one network, as classifier-free guidance requires."""

__all__ = ["ConditionDropout", "Dropout", "rows_of_context"]

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from morphogen.component import ConfigError
from morphogen.conditioning.wrapper import WrappedConditioner
from morphogen.contract import Conditioner, Context
from morphogen.numerics.randomness import Rng
from morphogen.numerics.trees import Tree


class Dropout(WrappedConditioner, ABC):
    """Base class of conditioners that drop the whole condition of a row with probability p in training.

    Ho & Salimans 2022. Without `rng` nothing is dropped, and `context.null` is the context that the network
    would receive without the condition.

    Arguments:
        conditioner: any conditioner.
        p: probability that a row loses its condition.

    Raises ConfigError for a p outside [0, 1].
    """

    def __init__(self, conditioner: Conditioner, p: float = 0.1):
        super().__init__()
        if not 0 <= p <= 1:
            raise ConfigError(f"{type(self).__name__}: p is a probability, not {p}: give 0.1, for example")
        self.conditioner, self.p = conditioner, p

    @property
    def required(self) -> tuple[str, ...]:
        return ()

    def forward(self, condition: Tree, rng: Rng | None = None) -> Context:
        context = self.conditioner(condition, rng)
        null = self.null_of(context)
        if rng is None:
            return replace(context, null=null)
        dropped = rng.fork("dropout").uniform(1)[:, 0] < self.p
        row = torch.arange(len(dropped), device=dropped.device)
        return Context.cat(context, null)[torch.where(dropped, row + len(row), row)]

    @abstractmethod
    def null_of(self, context: Context) -> Context:
        """The context without the condition. It depends on the shape of `context` alone."""


class ConditionDropout(Dropout):
    """Drop the whole condition of a row with probability p in training (Ho & Salimans 2022).

    Every field of the context is replaced by a null of its own kind: the vector by a learned vector, the
    tokens by one learned token, spatial planes by zeros, prefix and text by empty ones. A conditioner whose
    planes may be zero everywhere adds a plane of ones, so that its absence can be seen.

    Arguments:
        conditioner: any conditioner.
        p: probability that a row loses its condition.

    Raises ConfigError for a p outside [0, 1].
    """

    def __init__(self, conditioner: Conditioner, p: float = 0.1):
        super().__init__(conditioner, p)
        widths = {name: width for name, width in conditioner.widths.items() if name in ("vector", "tokens")}
        self.null = nn.ParameterDict({name: torch.zeros(width) for name, width in widths.items()})

    def absent(self, rows: int) -> Context:
        return Context(**self._learned(rows))

    def null_of(self, context: Context) -> Context:
        fixed = {"spatial": (context.spatial, 0), "prefix": (context.prefix, -1), "text": (context.text, -1)}
        full: dict[str, Any] = {}
        for name, (planes, value) in fixed.items():
            full |= {} if planes is None else {name: torch.full_like(planes, value)}
        return Context(**full, **self._learned(rows_of_context(context)))

    def _learned(self, rows: int) -> dict[str, Any]:
        """The learned null vector [rows, D] and null token [rows, 1, E]."""
        shapes = {"vector": (rows, -1), "tokens": (rows, 1, -1)}
        return {name: value.expand(shapes[name]) for name, value in self.null.items()}


def rows_of_context(context: Context) -> int:
    """The number of rows of a context."""
    fields = (context.vector, context.tokens, context.spatial, context.prefix, context.text)
    return next(len(field) for field in fields if field is not None)
