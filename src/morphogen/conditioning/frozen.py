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
from morphogen.numerics.trees import Tree, index, length

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
    def precompute(self, examples: Any, name: str | None = None, batch: int = 256) -> "Precomputed":
        """The examples with the conditioner's outputs in place of its condition, computed once.

        They equal the outputs that are computed during training bit for bit where the arithmetic of a row
        does not depend on the size of its batch.

        Arguments:
            examples: a data set indexed by tensors of row numbers.
            name: of the condition, if `Conditions` gives the conditioner another one than its own.
            batch: rows encoded at a time.

        Errors: ConfigError for examples without the condition, and for a conditioner that drops conditions.
        """
        contexts = []
        for rows in torch.arange(len(examples)).split(batch):
            condition = examples[rows].to(self._device).condition
            given = self.select(condition) if name is None else condition.get(name)
            if given is None:
                has = ", ".join(condition) or "none"
                raise ConfigError(
                    f"precompute: the examples lack {name or self.name!r}; their conditions: {has}"
                )
            contexts.append(self(given))
        if any(context.null is not None for context in contexts):
            raise ConfigError(
                "precompute: the frozen conditioner drops conditions at random, which is not computed once: "
                "use ConditionDropout(Frozen(...)), not Frozen(ConditionDropout(...))"
            )
        context = Context.cat(*contexts)
        present = {field: value.cpu() for field in _FIELDS if (value := getattr(context, field)) is not None}
        return Precomputed(examples, self.name if name is None else name, present)

    @property
    def _device(self) -> torch.device:
        return next((p.device for p in self.parameters()), torch.device("cpu"))


_FIELDS = ("vector", "tokens", "mask", "spatial", "prefix", "text")  # that a network reads


class Precomputed:
    """Examples whose condition of one name holds the encoder's outputs.

    Arguments:
        examples: the data set.
        name: of the condition.
        fields: of the context: vector [N, D], tokens [N, T, E] and their mask, spatial [N, C, ...].
    """

    def __init__(self, examples: Any, name: str, fields: Mapping[str, Tensor]):
        self.examples, self.name, self.fields = examples, name, fields

    def __len__(self) -> int:
        return length(self.fields)

    def __getitem__(self, rows: Int[Tensor, " b"]) -> Batch:
        batch = self.examples[rows]
        computed = {self.name: {PRECOMPUTED: index(self.fields, rows)}}
        return replace(batch, condition={**batch.condition, **computed})


def _is_precomputed(condition: Tree) -> bool:
    return isinstance(condition, Mapping) and PRECOMPUTED in condition
