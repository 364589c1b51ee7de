"""Models trained in stages, where a later stage may contain an earlier one (latents, codes)."""

__all__ = ["Staged"]

from typing import Any

from jaxtyping import Shaped
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.contract import Boundary, Likelihood
from morphogen.model import Model
from morphogen.samples import Samples


class Staged(Component, Boundary):
    """A sequence of models trained in order; the last one samples and is evaluated.

    A later stage may own an earlier Model inside one of its parts (`Latent(first)`). A nested Model is a
    Boundary, so the training of the later stage never updates it.

    Arguments:
        models: `name=Model`, in training order.
    """

    def __init__(self, **models: Model):
        super().__init__()
        self.models = nn.ModuleDict(models)

    @property
    def last(self) -> Model:
        """The last stage."""
        last: Any = list(self.models.values())[-1]
        return last

    def __getattr__(self, name: str) -> Any:
        """Delegate a Model's parts to the last stage, so that a Staged can be used like a Model."""
        if name in ("objective", "representation", "conditioner", "plan", "device", "taken"):
            return getattr(self.last, name)
        return super().__getattr__(name)

    def sample(self, n: int, *arguments: Any, **options: Any) -> Samples:
        """Sample from the last stage, decoding through the earlier ones; see `Model.sample`."""
        return self.last.sample(n, *arguments, **options)

    def log_prob(self, medium: Shaped[Tensor, "b ..."], *arguments: Any, **options: Any) -> Likelihood:
        """log p of the last stage, with the earlier stages' log_weight; see `Model.log_prob`."""
        return self.last.log_prob(medium, *arguments, **options)
