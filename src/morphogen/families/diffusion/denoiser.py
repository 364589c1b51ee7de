"""The interface between diffusion models and their samplers: the forward process and one prediction."""

__all__ = ["Denoiser"]

from abc import ABC, abstractmethod

from jaxtyping import Float, Real
from torch import Tensor

from morphogen.contract import Context
from morphogen.families.diffusion.processes import ForwardProcess, Variance
from morphogen.families.diffusion.targets import Denoised
from morphogen.steering import Steerable


class Denoiser(Steerable, ABC):
    """A diffusion model as its samplers see it: `Diffusion`, `ProductOfModels`, guided or not.

    No paper: an interface; the prediction is Tweedie's formula, E[x_0 | x_t].

    Attributes:
        schedule: the forward process.
        variance: of the reverse step.
        max_abs: largest |x_0| of the data, to which samplers clip predictions; None: unbounded.
    """

    schedule: ForwardProcess
    variance: Variance
    max_abs: float | None = None

    @property
    def t_max(self) -> float:
        """Last time of the forward process."""
        return self.schedule.t_max

    @abstractmethod
    def predict(
        self, x_t: Float[Tensor, "b ..."], t: Real[Tensor, " b"], context: Context | None
    ) -> Denoised:
        """Predict x_0 and eps from x_t = alpha_t x_0 + sigma_t eps."""
