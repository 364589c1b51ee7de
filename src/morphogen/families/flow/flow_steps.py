r"""Glow: steps of flow at several scales: an actnorm, an invertible 1 x 1 convolution and a coupling each.

    step = coupling o W o actnorm
    scale_k = squeeze^-1 o (scale_{k+1} on half the channels) o split prior o step^K o squeeze

Reference: Glow: Generative flow with invertible 1x1 convolutions, Kingma & Dhariwal, 2018, figure 2.
"""

__all__ = ["FlowSteps"]

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Context
from morphogen.families.flow.bijection import Bijection, Estimate
from morphogen.families.flow.coupling import ActNorm
from morphogen.families.flow.elementwise import Affine, Elementwise, SigmoidAffine
from morphogen.families.flow.invertible_conv import InvertibleConv
from morphogen.families.flow.multiscale import Scales
from morphogen.families.flow.split_coupling import SplitCoupling
from morphogen.families.flow.top_prior import TopPrior
from morphogen.networks.coupling_convnet import CouplingConvNet, ZeroConv
from morphogen.numerics.randomness import Rng


class FlowSteps(Scales):
    """Glow for images (Kingma & Dhariwal 2018, section 3).

    Each scale squeezes, applies `steps` steps of flow and factors half of the channels out, as Gaussian
    noise whose mean and scale are computed from the other half (the conditional split prior). What is left
    at the last scale is Gaussian with a learned mean and scale. All couplings and priors depend on the
    context.

    Between the steps x is in fp64, and the networks are in fp32: a rounding error of x, after a chain of
    couplings that depend on it, would be many times as large in the inverse.

    Arguments:
        shape: (C, H, W) of x; H and W must be multiples of 2^scales.
        width: hidden channels of the networks (512 in the paper).
        steps_per_scale: K (32 in the paper for CIFAR-10).
        scales: L (3 in the paper for CIFAR-10).
        vector: width of `context.vector` (0: unconditional).
        transform: the elementwise map of all couplings, such as `Additive()`; None: `SigmoidAffine()`.

    Raises:
        ConfigError: if H or W is not a multiple of 2^scales, or there is no step.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        width: int = 512,
        steps_per_scale: int = 32,
        scales: int = 3,
        vector: int = 0,
        transform: Elementwise | None = None,
    ):
        super().__init__(())
        c, h, w = shape
        if min(width, steps_per_scale) < 1:
            raise ConfigError(
                f"FlowSteps: width={width}, steps_per_scale={steps_per_scale}: give at least 1 of each"
            )
        self.shape, self.width, self.steps_per_scale = (c, h, w), width, steps_per_scale
        self.scales, self.vector = scales, vector
        self.transform = transform if transform is not None else SigmoidAffine()
        self.add_scales(self.shape, scales, scales)

    def forward(
        self, x: Float[Tensor, " b *x"], context: Context | None
    ) -> tuple[Float[Tensor, " b *x"], Float[Tensor, " b"]]:
        z, log_det = super().forward(_carried(x), context)
        return z.to(x.dtype), log_det.to(x.dtype)

    def estimate(self, x: Float[Tensor, " b *x"], context: Context | None, rng: Rng) -> Estimate:
        z, log_det, variance = super().estimate(_carried(x), context, rng)
        return Estimate(z.to(x.dtype), log_det.to(x.dtype), variance)

    def inverse(self, z: Float[Tensor, " b *x"], context: Context | None) -> Float[Tensor, " b *x"]:
        return super().inverse(_carried(z), context).to(z.dtype)

    def fine(self, shape: tuple[int, int, int], scale: int) -> list[Bijection]:
        """Nothing: every scale starts by squeezing."""
        return []

    def coarse(self, shape: tuple[int, int, int], scale: int) -> list[Bijection]:
        """The steps of flow, and the prior of what is noise after them."""
        channels, half = shape[0], shape[0] // 2
        steps: list[Bijection] = []
        for _ in range(self.steps_per_scale):
            network = CouplingConvNet(half, self.transform.outputs * half, self.width, self.vector)
            coupling = SplitCoupling(network, "blocks", 0, self.transform)
            steps += [ActNorm(channels), InvertibleConv(channels), coupling]
        if scale + 1 == self.scales:
            return [*steps, TopPrior(shape, self.vector)]
        split_prior = SplitCoupling(ZeroConv(half, 2 * half, self.vector), "blocks", 0, Affine())
        return [*steps, split_prior]


def _carried(x: Tensor) -> Tensor:
    """x in fp64, without autocast to bf16; what the networks receive of it is rounded to their own dtype."""
    return x if torch.is_autocast_enabled(x.device.type) else x.double()
