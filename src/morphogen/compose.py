"""Chains of models. `Staged`: trained in order, a later one may hold an earlier one (latents, codes)."""

__all__ = ["Staged"]

from typing import Any

from jaxtyping import Shaped
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.contract import Boundary, Likelihood
from morphogen.model import Model, Samples


class Staged(Component, Boundary):
    """Models trained in the order given; the last one is the law that samples and is measured.

    Freezing is ownership: a later stage holds an earlier Model inside a part (`Latent(first)`), a Boundary that its training
    never touches.

    Arguments:
        models: `name=Model`, in the order of training.
    """

    def __init__(self, **models: Model):
        super().__init__()
        self.models = nn.ModuleDict(models)

    @property
    def last(self) -> Model:
        """The stage that samples and is measured."""
        last: Any = list(self.models.values())[-1]
        return last

    def __getattr__(self, name: str) -> Any:
        """The parts of the last model: a Staged is used as a Model is."""
        if name in ("objective", "representation", "conditioner", "plan", "device"):
            return getattr(self.last, name)
        return super().__getattr__(name)

    def sample(self, n: int, *arguments: Any, **options: Any) -> Samples:
        """As `Model.sample`, of the last stage; its representation decodes through the earlier ones."""
        return self.last.sample(n, *arguments, **options)

    def log_prob(self, medium: Shaped[Tensor, "b ..."], *arguments: Any, **options: Any) -> Likelihood:
        """As `Model.log_prob`, of the last stage: its latents' log_weight makes it a bound on the medium."""
        return self.last.log_prob(medium, *arguments, **options)
