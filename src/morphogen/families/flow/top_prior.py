r"""The prior of what a flow leaves at its coarsest scale, as a bijection to standard normal noise.

z = (x - mu(c)) exp(-log sigma(c))   <=>   x = mu(c) + sigma(c) z           (Kingma & Dhariwal 2018)
"""

__all__ = ["TopPrior"]

from jaxtyping import Float
from torch import Tensor

from morphogen.contract import Context
from morphogen.families.flow.bijection import Bijection
from morphogen.networks.positions import PositionBias
from morphogen.numerics.tensors import sum_except_batch


class TopPrior(Bijection):
    r"""z = (x - mu(c)) exp(-log sigma(c)): x is Gaussian with a learned mean and scale per entry, given c.

    The prior of what is left at the coarsest scale, which may depend on the class (Kingma & Dhariwal 2018,
    section 6). The identity at initialization.

    Arguments:
        shape: (C, H, W) of x.
        vector: width of `context.vector` (0: unconditional).
    """

    def __init__(self, shape: tuple[int, int, int], vector: int = 0):
        super().__init__()
        c, h, w = shape
        self.shape, self.vector = (c, h, w), vector
        self.parameters_of = PositionBias((h, w), 2 * c, vector)

    def forward(
        self, x: Float[Tensor, " b *x"], context: Context | None
    ) -> tuple[Float[Tensor, " b *x"], Float[Tensor, " b"]]:
        mu, log_sigma = self._mu_log_sigma(x, context)
        return (x - mu) * (-log_sigma).exp(), -sum_except_batch(log_sigma.expand_as(x))

    def inverse(self, z: Float[Tensor, " b *x"], context: Context | None) -> Float[Tensor, " b *x"]:
        mu, log_sigma = self._mu_log_sigma(z, context)
        return mu + log_sigma.exp() * z

    def _mu_log_sigma(self, x: Tensor, context: Context | None) -> tuple[Tensor, Tensor]:
        of_c = self.parameters_of.bias(None if context is None else context.vector)
        mu, log_sigma = of_c.to(x.dtype).chunk(2, 1)
        return mu, log_sigma
