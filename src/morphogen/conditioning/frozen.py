"""The conditioner of a distilled model: its teacher's, frozen.

Progressive distillation for fast sampling of diffusion models, Salimans & Ho, 2022, also start each student
as its teacher.
"""

__all__ = ["FrozenConditioner"]

from typing import Any

from jaxtyping import Shaped
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Conditioner, Context
from morphogen.numerics.randomness import Rng


class FrozenConditioner(Conditioner):
    """The conditioner of another model, frozen because that model is a `Boundary` (after Salimans & Ho 2022).

    Arguments:
        model: the other model; it must have a conditioner.

    Raises:
        ConfigError: if the model has no conditioner.
    """

    def __init__(self, model: Any):
        super().__init__()
        if model.conditioner is None:
            raise ConfigError("FrozenConditioner: the model has no conditioner; omit FrozenConditioner")
        self.model, self.width = model, model.conditioner.width

    @property
    def conditioner(self) -> Conditioner:
        """The teacher's conditioner without its condition dropout, as for every wrapper."""
        return getattr(self.model.conditioner, "conditioner", self.model.conditioner)

    def forward(self, condition: Shaped[Tensor, "b ..."], rng: Rng | None = None) -> Context:
        return self.model.conditioner(condition, rng)

    def sample_condition(self, rng: Rng) -> Shaped[Tensor, "b ..."] | None:
        return self.model.conditioner.sample_condition(rng)
