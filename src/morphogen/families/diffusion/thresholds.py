"""How large a picture the network may claim, where guidance drives it out of the range of pictures."""

__all__ = ["DynamicThreshold"]

from jaxtyping import Float
from torch import Tensor

from morphogen.component import Component
from morphogen.numerics.tensors import expand_like


class DynamicThreshold(Component):
    """x_0 clipped at the s of its largest values, s >= bound, and shrunk by bound / s (Imagen, Saharia et al. 2022, section 2.3).

    Arguments:
        share: of the numbers of a picture that lie within s, below 1.
        bound: largest |x_0| of data.
    """

    def __init__(self, share: float = 0.995, bound: float = 1.0):
        self.share, self.bound = share, bound

    def __call__(self, x_0: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        s = expand_like(x_0.flatten(1).abs().quantile(self.share, 1).clamp_min(self.bound), x_0)
        return x_0.clamp(-s, s) * (self.bound / s)
