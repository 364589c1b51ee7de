"""Dynamic thresholding of the predicted x_0, for guidance scales that push it out of the data range."""

__all__ = ["DynamicThreshold"]

from jaxtyping import Bool, Float
from torch import Tensor

from morphogen.component import Component
from morphogen.numerics.masking import mark_missing
from morphogen.numerics.tensors import expand_like


class DynamicThreshold(Component):
    """Dynamic thresholding: clip x_0 to [-s, s] and rescale it by max_abs / s.

    s is a quantile of |x_0| within the sample, and at least max_abs.

    Imagen, Saharia et al., 2022, section 2.3.

    Arguments:
        quantile: the fraction of the sample's elements within s, in 0 .. 1.
        max_abs: largest |x_0| of the data.
    """

    def __init__(self, quantile: float = 0.995, max_abs: float = 1.0):
        self.quantile, self.max_abs = quantile, max_abs

    def __call__(
        self, x_0: Float[Tensor, "b ..."], mask: Bool[Tensor, "b n"] | None = None
    ) -> Float[Tensor, "b ..."]:
        """Clip and rescale x_0; the quantile is that of the existing elements."""
        magnitude = mark_missing(x_0, mask).flatten(1).abs()
        quantile = magnitude.quantile if mask is None else magnitude.nanquantile
        s = expand_like(quantile(self.quantile, 1).clamp_min(self.max_abs), x_0)
        return x_0.clamp(-s, s) * (self.max_abs / s)
