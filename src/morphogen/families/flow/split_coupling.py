r"""Couplings of the halves of the channels, whose network receives the one half and nothing else.

    x_b, x_a = split(x),   z = [x_b, f(x_a; theta(x_b))]                (Kingma & Dhariwal 2018, table 1)

A Gaussian of one half given the other is such a coupling too: it standardises that half,

    z_a = (x_a - mu(x_b)) exp(-log sigma(x_b))   <=>   x_a = mu(x_b) + sigma(x_b) z_a

so that z_a is standard normal, and can be factored out: the conditional split prior of Glow.
"""

__all__ = ["TopPrior", "SplitCoupling"]

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Context
from morphogen.families.flow.bijection import Bijection
from morphogen.families.flow.elementwise import Affine, Elementwise
from morphogen.networks.positions import PositionBias
from morphogen.numerics.tensors import sum_except_batch
from morphogen.objective_values import check_result


class SplitCoupling(Bijection):
    """The second half of the channels is mapped with parameters computed from the first half.

    Alternating the halves is left to the permutation, or the 1 x 1 convolution, between couplings (Kingma &
    Dhariwal 2018, section 3.3).

    Arguments:
        channels: C of x [B, C, ...], even.
        network: `(x_b [B, C / 2, ...], context) -> [B, P C / 2, ...]`, the parameters of f of each entry, in
            the layout of `Elementwise`; P = `transform.outputs`.
        transform: f; None: `Affine()`.

    Raises:
        ConfigError: for a number of channels that has no two equal halves.
    """

    def __init__(self, channels: int, network: nn.Module, transform: Elementwise | None = None):
        super().__init__()
        if channels < 2 or channels % 2:
            raise ConfigError(
                f"SplitCoupling: {channels} channels have no two halves: squeeze x first, or use Coupling"
            )
        self.transform = transform if transform is not None else Affine()
        self.channels, self.network = channels, network

    def forward(
        self, x: Float[Tensor, " b *x"], context: Context | None
    ) -> tuple[Float[Tensor, " b *x"], Float[Tensor, " b"]]:
        x_b, x_a = x.chunk(2, 1)
        z_a, log_det = self.transform(x_a, self._theta(x_b, context))
        return torch.cat([x_b, z_a], 1), sum_except_batch(log_det)

    def inverse(self, z: Float[Tensor, " b *x"], context: Context | None) -> Float[Tensor, " b *x"]:
        z_b, z_a = z.chunk(2, 1)
        return torch.cat([z_b, self.transform.inverse(z_a, self._theta(z_b, context))], 1)

    def _theta(self, x_b: Tensor, context: Context | None) -> Tensor:
        rows, half, *sides = x_b.shape
        theta = check_result(
            self.network, self.network(x_b, context), (rows, self.transform.outputs * half, *sides)
        )
        return theta.to(x_b.dtype)  # a network in bf16 must not round what the inverse has to restore


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
