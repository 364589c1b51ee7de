r"""Validation during training: the weights with the best held-out likelihood become the model's.

    w = argmax_s (1/n) sum_i log p(x_i; w_s),      s = every, 2 every, ..., and the last step

w_s are the averaged weights if the plan has an `ema`. The steps are the same with and without validation.
Where log p is a bound, its estimates at all s have common random numbers, keyed by (0, i). The best value is
biased upwards, because it was chosen: report that of other rows. Prechelt 1998, "Early stopping - but when?".
"""

__all__ = ["BestWeights", "Validation"]

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.data.dataset import Examples
from morphogen.data.relabelled import with_labels_of
from morphogen.model import Model
from morphogen.rank import ALONE, Rank
from morphogen.training.checkpoint import Checkpoint, copy_into, own_tensors
from morphogen.training.ema import Ema


@dataclass(frozen=True)
class Validation:
    """Held-out rows, and how often a training evaluates their likelihood.

    Arguments:
        examples: held-out rows, such as `data.valid`.
        every: steps between two evaluations, at least 1.

    Errors: ConfigError for values out of range.
    """

    examples: Examples
    every: int

    def __post_init__(self) -> None:
        if self.every < 1 or not len(self.examples):
            raise ConfigError(
                f"Validation: every={self.every}, {len(self.examples)} examples: give at least 1 of each"
            )


class BestWeights:
    """The best validated weights of a model so far.

    Arguments:
        model: the model that is trained.
        validation: the held-out rows; None: nothing is evaluated, and the model keeps its last weights.
        rank: of this process; each evaluates its shard of the rows.
    """

    def __init__(self, model: Model, validation: Validation | None, rank: Rank = ALONE):
        self.model, self.validation, self.rank = model, validation, rank
        self.nats: dict[int, float] = {}  # of each validated step
        self.weights: dict[str, Tensor] = {}

    def check(self) -> None:
        """Evaluate two rows. Errors: Unsupported for a model without a likelihood."""
        if self.validation is not None:
            self._nats(self.validation.examples, 2)

    def update(self, step: int, last: bool, ema: Ema | None) -> None:
        """After a step, if it is due: evaluate the weights, or their averages, and keep the best."""
        if self.validation is None or not (last or step % self.validation.every == 0):
            return
        with nullcontext() if ema is None else ema.averaged():
            nats = self._nats(self.validation.examples)
            if not self.nats or nats > max(self.nats.values()):
                self.weights = {name: t.detach().clone() for name, t in own_tensors(self.model).items()}
        self.nats[step] = nats

    def copy_to_model(self) -> None:
        """Overwrite the model's weights with the best ones, if any were validated."""
        if self.weights:
            copy_into(own_tensors(self.model), self.weights)

    def weights_file(self) -> dict[str, dict[str, Tensor]]:
        """The file of a checkpoint with the best weights, if there are any."""
        return {"best": self.weights} if self.weights else {}

    def state(self) -> dict[str, Any]:
        """The nats of each validated step, for the state of a checkpoint."""
        return {"validated": list(self.nats.items())} if self.nats else {}

    def restore(self, checkpoint: Checkpoint) -> None:
        """Load the best weights, and the nats, of a checkpoint."""
        self.weights = checkpoint.tensors.get("best", {})
        self.nats = {int(step): nats for step, nats in checkpoint.state.get("validated", ())}

    def _nats(self, examples: Examples, n: int | None = None) -> float:
        """Mean nats of the first n rows; None: of all."""
        examples = with_labels_of(examples, self.model.specs)
        batch = examples[torch.arange(len(examples))[:n]]
        return self.model.log_prob(batch.medium, batch.condition, rank=self.rank).nats.double().mean().item()
