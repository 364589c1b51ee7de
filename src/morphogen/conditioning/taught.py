"""A student's conditioner: its teacher's, as it was trained (Salimans & Ho 2022 start every student as its teacher)."""

__all__ = ["Taught"]

from typing import Any

from jaxtyping import Shaped
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Conditioner, Context
from morphogen.numerics.randomness import Rng


class Taught(Conditioner):
    """What another model's conditioner makes of a condition; frozen, since that model is a Boundary (after Salimans & Ho 2022).

    Arguments:
        model: the other, with a conditioner.

    Raises ConfigError where it has none.
    """

    def __init__(self, model: Any):
        super().__init__()
        if model.conditioner is None:
            raise ConfigError("Taught: the model has no conditioner; leave it out")
        self.model, self.width = model, model.conditioner.width

    @property
    def conditioner(self) -> Conditioner:
        """What the teacher's says of a condition before it drops some, as of every wrapper."""
        return getattr(self.model.conditioner, "conditioner", self.model.conditioner)

    def forward(self, condition: Shaped[Tensor, "b ..."], rng: Rng | None = None) -> Context:
        return self.model.conditioner(condition, rng)

    def draw(self, rng: Rng) -> Shaped[Tensor, "b ..."] | None:
        return self.model.conditioner.draw(rng)
