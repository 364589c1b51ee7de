"""A conditioner that is not trained: a teacher's, or a text tower trained before.

Photorealistic text-to-image diffusion models with deep language understanding, Saharia et al., 2022 (Imagen),
condition on a frozen text encoder, whose outputs are computed once for the whole data set. Progressive
distillation, Salimans & Ho, 2022, starts each student with its teacher's conditioner.
"""

__all__ = ["Frozen", "Precomputed"]

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import torch
from jaxtyping import Int
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.conditioning.wrapper import WrappedConditioner
from morphogen.contract import Batch, Boundary, Conditioner, Context
from morphogen.numerics.precision import autocast
from morphogen.numerics.randomness import Rng
from morphogen.numerics.trees import Tree, index, leaves

PRECOMPUTED = "precomputed"  # the name of a context's fields in a condition


class Frozen(WrappedConditioner):
    """A trained conditioner within another model, which never trains it (Saharia et al. 2022).

    It is held within a `Boundary` and always in evaluation mode, so that its outputs can be computed once.

    Arguments:
        conditioner: the trained conditioner.
    """

    def __init__(self, conditioner: Conditioner):
        super().__init__()
        self.frozen = Boundary()
        self.frozen.conditioner = conditioner
        self.frozen.eval()
        self.name = conditioner.names[0]

    @property
    def conditioner(self) -> Conditioner:  # type: ignore[override]
        """The trained conditioner."""
        return self.frozen.conditioner

    def select(self, condition: Mapping[str, Tree]) -> Tree | None:
        given = condition.get(self.name)
        return given if _is_precomputed(given) else self.conditioner.select(condition)

    def check(self, condition: Tree) -> None:
        if not _is_precomputed(condition):
            super().check(condition)

    def train(self, mode: bool = True) -> Self:
        """Set the mode; the conditioner itself stays in evaluation mode."""
        super().train(mode)
        self.frozen.eval()
        return self

    def forward(self, condition: Tree, rng: Rng | None = None) -> Context:
        """The context of a condition, or of one that was precomputed; always in full precision."""
        if _is_precomputed(condition):
            return Context(**condition[PRECOMPUTED])
        with torch.no_grad(), autocast("fp32", self._device):
            return self.conditioner(condition, rng).detach()

    @torch.no_grad()
    def absent(self, rows: int) -> Context | None:
        absent = self.conditioner.absent(rows)
        return None if absent is None else absent.detach()

    @torch.no_grad()
    def precompute(
        self, examples: Any, name: str | None = None, batch: int = 256, rows: int | None = None
    ) -> "Precomputed":
        """The examples with the conditioner's outputs in place of its condition, computed once.

        Equal conditions are encoded once. The outputs equal those that are computed during training bit for
        bit where the arithmetic of a row does not depend on the size of its batch.

        Arguments:
            examples: a data set indexed by tensors of row numbers.
            name: of the condition, if `Conditions` gives the conditioner another one than its own.
            batch: rows encoded at a time.
            rows: how many of the examples, the first ones; None: all.

        Errors: ConfigError for examples without the condition, and for a conditioner that drops conditions.
        """
        count = len(examples) if rows is None else min(rows, len(examples))
        place: dict[bytes, int] = {}  # of a condition among the distinct ones
        places, contexts = list[int](), []
        for part in torch.arange(count).split(batch):
            condition = self._given(examples[part].to(self._device).condition, name)
            keys = _keys(condition)
            first = {key: i for i, key in reversed([*enumerate(keys)]) if key not in place}
            new = sorted(first.values())
            place |= {keys[i]: len(place) + k for k, i in enumerate(new)}
            places += [place[key] for key in keys]
            if new:
                contexts.append(self(index(condition, torch.tensor(new, device=self._device))))
        return Precomputed(examples, name or self.name, _fields(contexts), torch.tensor(places))

    def _given(self, condition: Mapping[str, Tree], name: str | None) -> Tree:
        """What the conditioner encodes. Errors: ConfigError if there is no such condition."""
        given = self.select(condition) if name is None else condition.get(name)
        if given is None:
            has = ", ".join(condition) or "none"
            raise ConfigError(f"precompute: the examples lack {name or self.name!r}; their conditions: {has}")
        return given

    @property
    def _device(self) -> torch.device:
        return next((p.device for p in self.parameters()), torch.device("cpu"))


_FIELDS = ("vector", "tokens", "mask", "spatial", "prefix", "text")  # that a network reads


class Precomputed:
    """Examples whose condition of one name holds the encoder's outputs.

    Arguments:
        examples: the data set.
        name: of the condition.
        fields: of M distinct contexts: vector [M, D], tokens [M, T, E] with their mask, spatial [M, C, ...].
        places: of each row among these, [N].
    """

    def __init__(self, examples: Any, name: str, fields: Mapping[str, Tensor], places: Int[Tensor, " n"]):
        self.examples, self.name, self.fields, self.places = examples, name, fields, places

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, rows: Int[Tensor, " b"]) -> Batch:
        batch = self.examples[rows]
        computed = {self.name: {PRECOMPUTED: index(self.fields, self.places[rows])}}
        return replace(batch, condition={**batch.condition, **computed})


def _fields(contexts: list[Context]) -> dict[str, Tensor]:
    """The fields of the contexts, joined. Errors: ConfigError for contexts with nulls."""
    if any(context.null is not None for context in contexts):
        raise ConfigError(
            "precompute: the frozen conditioner drops conditions at random, which is not computed once: "
            "use ConditionDropout(Frozen(...)), not Frozen(ConditionDropout(...))"
        )
    context = Context.cat(*contexts)
    return {field: value.cpu() for field in _FIELDS if (value := getattr(context, field)) is not None}


def _keys(condition: Tree) -> list[bytes]:
    """The bytes of each row, without its padding: the same for equal conditions of any batch."""
    rows = zip(*([row.tobytes() for row in leaf.cpu().numpy()] for leaf in leaves(condition)), strict=True)
    return [b"|".join(part.rstrip(b"\xff") for part in row) for row in rows]


def _is_precomputed(condition: Tree) -> bool:
    return isinstance(condition, Mapping) and PRECOMPUTED in condition
