"""Several conditions of one model: their contexts, joined into one.

Vectors are added, as DDPM adds the label to the time (Nichol & Dhariwal 2021); token sequences are
concatenated with their masks, as GLIDE does (Nichol et al. 2022); spatial planes are concatenated as
channels, as in Palette (Saharia et al. 2022).
"""

__all__ = ["Conditions"]

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.context import full_masks
from morphogen.contract import Conditioner, Context
from morphogen.numerics.randomness import Rng
from morphogen.numerics.trees import Tree, length


class Conditions(Conditioner):
    """One conditioner per named condition, whose contexts are joined.

    Vectors and tokens of different widths are projected to the widest. A part that is not given takes its
    `absent` context; a part without one is required. The null context has the null of every part that has
    one, and the given context of the others: guidance by the caption keeps the picture to upsample.

    Arguments:
        parts: `name=conditioner`; the name is that of the condition in the batch.

    Raises:
        ConfigError: without parts; in `forward`, for a required condition that is missing, for conditions
            that no part encodes, and for contexts that cannot be joined: planes of several sizes, two
            prefixes or texts.
    """

    def __init__(self, **parts: Conditioner):
        super().__init__()
        if not parts:
            raise ConfigError("Conditions: needs a part, such as label=Label(10, width=64)")
        self.parts: Any = nn.ModuleDict(parts)
        every = {field: [part.widths.get(field, 0) for part in parts.values()] for field in _FIELDS}
        self.widths = {field: _FIELDS[field](given) for field, given in every.items() if any(given)}
        self.project = nn.ModuleDict(
            {
                f"{name}_{field}": nn.Linear(part.widths[field], self.widths[field])
                for name, part in parts.items()
                for field in ("vector", "tokens")
                if part.widths.get(field, self.widths.get(field)) != self.widths.get(field)
            }
        )

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.parts)

    @property
    def required(self) -> tuple[str, ...]:
        each = {name: part.required for name, part in self.parts.items()}
        return tuple(name for name, needed in each.items() if needed)

    @property
    def trained_on(self) -> tuple[str, ...]:
        return tuple(name for name, part in self.parts.items() if part.trained_on)

    def select(self, condition: Mapping[str, Tree]) -> Tree | None:
        given = {name: condition[name] for name in self.parts if name in condition}
        return given or None

    def named(self, condition: Tree) -> Mapping[str, Tree]:
        return condition

    def check(self, condition: Tree) -> None:
        for name, given in condition.items():
            self.parts[name].check(given)

    def forward(self, condition: Mapping[str, Tree], rng: Rng | None = None) -> Context:
        """Join the contexts of the given conditions, and what the parts have for those not given."""
        if unknown := sorted(condition.keys() - self.parts.keys()):
            known = ", ".join(self.parts)
            raise ConfigError(f"no part encodes {', '.join(unknown)}; the conditions are {known}")
        if not condition:
            raise ConfigError(f"none of the conditions {', '.join(self.parts)} is given: give one")
        rows = length(condition)
        parts: dict[str, Context] = {}
        for name, part in self.parts.items():
            if name in condition:
                parts[name] = part(condition[name], None if rng is None else rng.fork(name))
            elif (absent := part.absent(rows)) is not None:
                parts[name] = absent
            else:
                raise ConfigError(f"the model requires the condition {name!r}, which is missing: give it")
        joined = self._join(parts)
        if all(context.null is None for context in parts.values()):
            return joined
        nulls = {name: context if context.null is None else context.null for name, context in parts.items()}
        return replace(joined, null=self._join(nulls))

    def absent(self, rows: int) -> Context | None:
        parts = {name: part.absent(rows) for name, part in self.parts.items()}
        given = {name: context for name, context in parts.items() if context is not None}
        return self._join(given) if len(given) == len(parts) else None

    def sample_condition(self, rng: Rng) -> Mapping[str, Tree] | None:
        """Random conditions, where they can be drawn; None if another one is required."""
        drawn = {name: part.sample_condition(rng.fork(name)) for name, part in self.parts.items()}
        given = {name: value for name, value in drawn.items() if value is not None}
        required = [name for name, part in self.parts.items() if part.absent(len(rng)) is None]
        return given if given and given.keys() >= set(required) else None

    def _join(self, parts: Mapping[str, Context]) -> Context:
        """One context of the contexts of the parts, without their nulls."""
        vectors = [self._project(n, "vector", c.vector) for n, c in parts.items() if c.vector is not None]
        tokens = [self._project(n, "tokens", c.tokens) for n, c in parts.items() if c.tokens is not None]
        masks = [context.mask for context in parts.values() if context.tokens is not None]
        given = [context.given for context in parts.values() if context.given is not None]
        return Context(
            vector=torch.stack(vectors).sum(0) if vectors else None,
            tokens=torch.cat(tokens, 1) if tokens else None,
            mask=_joined_mask(tokens, masks),
            spatial=self._joined_planes({name: context.spatial for name, context in parts.items()}),
            prefix=_only("prefix", [context.prefix for context in parts.values()]),
            text=_only("text", [context.text for context in parts.values()]),
            given=given[0] if given else None,
        )

    def _joined_planes(self, planes: Mapping[str, Tensor | None]) -> Tensor | None:
        """Planes concatenated as channels, zeros for a part that is not given; None if none is given.

        Errors: ConfigError for planes of different sizes.
        """
        given = {name: value for name, value in planes.items() if value is not None}
        if not given:
            return None
        if len({value.shape[2:] for value in given.values()}) > 1:
            found = ", ".join(f"{name} {list(value.shape[2:])}" for name, value in given.items())
            raise ConfigError(f"spatial conditions must have the same size, not {found}: resize them")
        like = next(iter(given.values()))
        widths = {name: part.widths.get("spatial", 0) for name, part in self.parts.items()}
        absent = {n: like.new_zeros(len(like), width, *like.shape[2:]) for n, width in widths.items()}
        return torch.cat([given.get(name, absent[name]) for name in planes], 1)

    def _project(self, name: str, field: str, value: Tensor) -> Tensor:
        projection = f"{name}_{field}"
        return self.project[projection](value) if projection in self.project else value


# the width of the joined field, from those of the parts
_FIELDS: dict[str, Callable[[list[int]], int]] = {"vector": max, "tokens": max, "spatial": sum}


def _only(field: str, values: Sequence[Tensor | None]) -> Tensor | None:
    """The value of the part that sets a field, if one does. Errors: ConfigError if several do."""
    given = [value for value in values if value is not None]
    if len(given) > 1:
        raise ConfigError(f"{len(given)} parts set a {field}, but x has one beginning: keep one of them")
    return given[0] if given else None


def _joined_mask(tokens: list[Tensor], masks: list[Tensor | None]) -> Tensor | None:
    """The masks of concatenated tokens, [B, T] or [B, Q, T]; None: all tokens are valid."""
    return None if all(mask is None for mask in masks) else torch.cat(full_masks(tokens, masks), -1)
