"""Several conditions of one model: their contexts, joined into one.

Vectors are added, as DDPM adds the label to the time (Nichol & Dhariwal 2021); token sequences are
concatenated with their masks, as GLIDE does (Nichol et al. 2022); spatial planes are concatenated as
channels, as in Palette (Saharia et al. 2022).
"""

__all__ = ["Conditions"]

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from morphogen.component import ConfigError
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
        ConfigError: without parts; in `forward`, for a required condition that is missing, and for
            conditions that no part encodes.
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

    def select(self, condition: Mapping[str, Tree]) -> Tree | None:
        given = {name: condition[name] for name in self.parts if name in condition}
        return given or None

    def named(self, condition: Tree) -> Mapping[str, Tree]:
        return condition

    def forward(self, condition: Mapping[str, Tree], rng: Rng | None = None) -> Context:
        """Join the contexts of the given conditions, and what the parts have for those not given."""
        if unknown := sorted(condition.keys() - self.parts.keys()):
            known = ", ".join(self.parts)
            raise ConfigError(f"no part encodes {', '.join(unknown)}; the conditions are {known}")
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
        return Context(**vars(joined) | {"null": self._join(nulls)})

    def absent(self, rows: int) -> Context | None:
        parts = {name: part.absent(rows) for name, part in self.parts.items()}
        given = {name: context for name, context in parts.items() if context is not None}
        return self._join(given) if len(given) == len(parts) else None

    def sample_condition(self, rng: Rng) -> Mapping[str, Tree] | None:
        drawn = {name: part.sample_condition(rng.fork(name)) for name, part in self.parts.items()}
        return {name: value for name, value in drawn.items() if value is not None} or None

    def _join(self, parts: Mapping[str, Context]) -> Context:
        """One context of the contexts of the parts, without their nulls."""
        vectors, spatial, tokens, masks = [], [], [], []
        for name, context in parts.items():
            if context.vector is not None:
                vectors.append(self._projected(name, "vector", context.vector))
            if context.spatial is not None:
                spatial.append(context.spatial)
            if context.tokens is not None:
                tokens.append(self._projected(name, "tokens", context.tokens))
                masks.append(context.mask)
        joined: dict[str, Any] = {"mask": _joined_mask(tokens, masks)}
        joined |= {"vector": torch.stack(vectors).sum(0)} if vectors else {}
        joined |= {"tokens": torch.cat(tokens, 1)} if tokens else {}
        joined |= {"spatial": _joined_planes(parts, spatial)} if spatial else {}
        prefixes = [context.prefix for context in parts.values() if context.prefix is not None]
        return Context(**joined, prefix=prefixes[0] if prefixes else None)

    def _projected(self, name: str, field: str, value: Tensor) -> Tensor:
        project = f"{name}_{field}"
        return self.project[project](value) if project in self.project else value


# the width of the joined field, from those of the parts
_FIELDS: dict[str, Callable[[list[int]], int]] = {"vector": max, "tokens": max, "spatial": sum}


def _joined_mask(tokens: list[Tensor], masks: list[Tensor | None]) -> Tensor | None:
    """The masks of concatenated tokens, [B, T] or [B, Q, T]; None: all tokens are valid."""
    if all(mask is None for mask in masks):
        return None
    full = [
        t.new_ones(t.shape[:2], dtype=torch.bool) if mask is None else mask
        for t, mask in zip(tokens, masks, strict=True)
    ]
    queries = max((mask.shape[1] for mask in full if mask.ndim == 3), default=0)
    if queries:
        full = [mask if mask.ndim == 3 else mask[:, None].expand(-1, queries, -1) for mask in full]
    return torch.cat(full, -1)


def _joined_planes(parts: Mapping[str, Context], planes: list[Tensor]) -> Tensor:
    """Planes concatenated as channels. Errors: ConfigError for planes of different sizes."""
    sizes = {tuple(plane.shape[2:]) for plane in planes}
    if len(sizes) > 1:
        given = {name: context.spatial for name, context in parts.items() if context.spatial is not None}
        found = ", ".join(f"{name} {list(plane.shape[2:])}" for name, plane in given.items())
        raise ConfigError(f"spatial conditions must have the same size, not {found}: resize them")
    return torch.cat(planes, 1)
