r"""Flow architectures: coupling layers for images (multi-scale) and for vectors.

    scale_k = coarser_k o fine_k
    coarser_k = squeeze^-1 o (scale_{k+1} on half the channels) o coarse_k o squeeze

Squeezing turns 2 x 2 pixels into 4 channels. Half of the channels are then factored out: they are part of z
without further transformation, as in the multi-scale architecture of RealNVP (Dinh et al. 2017, section 3.6).
Unsqueezing the output gives z the shape of x; as a permutation it changes neither the distribution nor the
density.
"""

__all__ = ["FactorOut", "MultiScale", "Scales", "SingleScale", "Squeeze"]

from abc import abstractmethod
from typing import Literal

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.caller import option
from morphogen.component import ConfigError
from morphogen.contract import Context
from morphogen.families.flow.bijection import Bijection, Chain, Composite
from morphogen.families.flow.coupling import ActNorm, Coupling
from morphogen.families.flow.elementwise import Elementwise
from morphogen.families.flow.rearranged import Rearranged
from morphogen.families.flow.split_coupling import Halves, SplitCoupling, split
from morphogen.networks.coupling_resnet import CouplingResNet
from morphogen.networks.mlp import MLP


class Scales(Composite):
    """Scales joined by squeezing and factoring out (Dinh, Sohl-Dickstein & Bengio 2017, section 3.6).

    The base class of the architectures for images, which say what happens at each scale.
    """

    def add_scales(self, shape: tuple[int, int, int], scales: int, squeezes: int) -> None:
        """Append the scales of x [B, *shape], which is squeezed so often.

        Errors: ConfigError if a side is not a multiple of 2^squeezes, or there is no channel or no scale.
        """
        c, h, w = shape
        multiple, name = 1 << squeezes, type(self).__name__
        if min(shape) < 1 or scales < 1:
            raise ConfigError(f"{name}: {c} channels of {w} x {h} pixels, {scales} scales: give at least 1")
        if h % multiple or w % multiple:
            side = -(-max(h, w) // multiple) * multiple
            raise ConfigError(
                f"{name}: {w} x {h} pixels are not a multiple of {multiple}: "
                f"use {option('resolution', side)}, or fewer scales"
            )
        self.steps.extend(self._scale(shape, 0, scales))

    @abstractmethod
    def fine(self, shape: tuple[int, int, int], scale: int) -> list[Bijection]:
        """What a scale does to x [B, *shape], before it is squeezed."""

    @abstractmethod
    def coarse(self, shape: tuple[int, int, int], scale: int) -> list[Bijection]:
        """What a scale does to x [B, *shape] after squeezing, before half of it is factored out."""

    def _scale(self, shape: tuple[int, int, int], scale: int, scales: int) -> list[Bijection]:
        """The bijections of one scale and of all coarser ones; the last one factors nothing out."""
        c, h, w = shape
        fine, coarse = self.fine(shape, scale), self.coarse((4 * c, h // 2, w // 2), scale)
        if scale + 1 < scales:
            rest = self._scale((2 * c, h // 2, w // 2), scale + 1, scales)
            coarse.append(FactorOut(Chain(tuple(rest))))
        return [*fine, Squeeze(Chain(tuple(coarse)))] if coarse else fine


class MultiScale(Scales):
    """RealNVP for images, with actnorm (Dinh, Sohl-Dickstein & Bengio 2017, section 3.6).

    Each coupling follows an actnorm. Each scale has `couplings` checkerboard couplings, a squeeze and
    `couplings` channel couplings, and then factors out half of the channels. The last scale has `couplings` +
    1 checkerboard couplings. The width of the networks doubles at each coarser scale.

    Arguments:
        shape: (C, H, W) of x; H and W must be multiples of 2^(scales - 1).
        width: channels of the networks at the first scale (64 in the paper).
        blocks: residual blocks per network (8 in the paper for CIFAR-10).
        couplings: couplings per scale and kind of mask (3 in the paper).
        scales: number of scales, at least 1.
        vector: width of `context.vector` (0: unconditional).
        max_resolution: largest side of the networks' feature maps: larger inputs are folded into patches of
            2 x 2, 4 x 4, ... pixels, so that the few layers of a network cover the whole image (0: no
            patches, as in the paper).
        dropout: in the residual blocks.

    Raises:
        ConfigError: if H or W is not a multiple of 2^(scales - 1).
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        width: int = 64,
        blocks: int = 8,
        couplings: int = 3,
        scales: int = 2,
        vector: int = 0,
        max_resolution: int = 0,
        dropout: float = 0.0,
    ):
        super().__init__(())
        c, h, w = shape
        self.shape, self.width, self.blocks, self.couplings = (c, h, w), width, blocks, couplings
        self.scales, self.vector, self.max_resolution, self.dropout = scales, vector, max_resolution, dropout
        self.add_scales(self.shape, scales, scales - 1)

    def fine(self, shape: tuple[int, int, int], scale: int) -> list[Bijection]:
        """The checkerboard couplings."""
        return self._couplings(shape, scale, self.couplings + (scale + 1 == self.scales), "checkerboard")

    def coarse(self, shape: tuple[int, int, int], scale: int) -> list[Bijection]:
        """The channel couplings; none at the last scale, which is not squeezed."""
        return self._couplings(shape, scale, self.couplings * (scale + 1 < self.scales), "channel")

    def _couplings(
        self, shape: tuple[int, int, int], scale: int, count: int, mask: Literal["checkerboard", "channel"]
    ) -> list[Bijection]:
        """`count` couplings with masks of one kind and alternating parity."""
        patch, width = _patch(shape, self.max_resolution), self.width << scale
        steps: list[Bijection] = []
        for i in range(count):
            network = CouplingResNet(shape, width, self.blocks, self.vector, patch, self.dropout)
            steps += [ActNorm(shape[0]), Coupling(network, mask, i % 2)]
        return steps


class SingleScale(Composite):
    """Couplings on vectors, with actnorm before each.

    The halves cycle through both parities of "blocks" and both of "alternate". With affine couplings this is
    a RealNVP (Dinh, Sohl-Dickstein & Bengio 2017), with `RationalQuadraticSpline` a neural spline flow
    (Durkan, Bekasov, Murray & Papamakarios 2019).

    Arguments:
        dims: D of x [B, D], at least 1. A single entry has no other half: its networks receive 1.
        width: of the networks' hidden layers.
        layers: residual layers per network.
        couplings: number of couplings; 4 are one cycle of halves.
        vector: width of `context.vector` (0: unconditional).
        dropout: in the residual layers.
        transform: the elementwise map, shared by all couplings; None: an `Affine` each.

    Errors: ConfigError for dims below 1.
    """

    def __init__(
        self,
        dims: int,
        width: int = 128,
        layers: int = 2,
        couplings: int = 8,
        vector: int = 0,
        dropout: float = 0.0,
        transform: Elementwise | None = None,
    ):
        super().__init__(())
        if dims < 1:
            raise ConfigError(f"SingleScale: dims={dims}: give at least 1")
        self.dims, self.width, self.layers, self.couplings = dims, width, layers, couplings
        self.vector, self.dropout, self.transform = vector, dropout, transform
        for i in range(couplings):
            self.steps.extend([ActNorm(dims), self._coupling(i)])

    def _coupling(self, i: int) -> Bijection:
        """The i-th coupling."""
        outputs = 2 if self.transform is None else self.transform.outputs
        sizes = self.width, self.layers, self.vector, self.dropout
        if self.dims == 1:
            return SplitCoupling(_OfContext(MLP(1, outputs, *sizes)), "blocks", 0, self.transform)
        halves: Halves = "alternate" if i % 4 > 1 else "blocks"
        copied, changed = (len(range(self.dims)[part]) for part in split(self.dims, halves, i % 2))
        return SplitCoupling(MLP(copied, outputs * changed, *sizes), halves, i % 2, self.transform)


class Squeeze(Rearranged):
    """squeeze^-1 o f o squeeze; squeeze turns 2 x 2 pixels of C channels into one of 4 C (Dinh et al. 2017).

    Arguments:
        inner: f, on [B, 4 C, H / 2, W / 2].
    """

    def arranged(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        return _squeeze(x)

    def restored(self, y: Float[Tensor, "b d i j"], x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return _unsqueeze(y)


class FactorOut(Rearranged):
    """Apply f to the first half of the channels; the second half is noise (Dinh et al. 2017, eqs. 13-16).

    Arguments:
        inner: f, on [B, C / 2, ...].
    """

    def arranged(self, x: Float[Tensor, "b c *n"]) -> Float[Tensor, "b d *n"]:
        return x.chunk(2, 1)[0]

    def restored(self, y: Float[Tensor, "b d *n"], x: Float[Tensor, "b c *n"]) -> Float[Tensor, "b c *n"]:
        return torch.cat([y, x.chunk(2, 1)[1]], 1)


class _OfContext(nn.Module):
    """network(1, context): parameters that depend on the context alone."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, context: Context | None) -> Tensor:
        return self.network(x.new_ones(len(x), 1), context)


def _patch(shape: tuple[int, int, int], max_resolution: int) -> int:
    """Patch size for images of `shape`: the smallest power of 2 with at most max_resolution patches a side.

    The patch divides both sides, so sides with few factors of 2 may leave a larger grid.
    """
    side, patch = max(shape[1:]), 1
    while max_resolution and side // patch > max_resolution and not any(s % (2 * patch) for s in shape[1:]):
        patch *= 2
    return patch


def _squeeze(x: Tensor) -> Tensor:
    """Channels are innermost in memory, as convolutions of many channels want them."""
    return rearrange(x, "b c (h p) (w q) -> b h w (c p q)", p=2, q=2).movedim(3, 1)


def _unsqueeze(x: Tensor) -> Tensor:
    return rearrange(x, "b (c p q) h w -> b c (h p) (w q)", p=2, q=2)
