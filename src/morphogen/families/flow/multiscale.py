r"""The architectures: how couplings are stacked on pictures and on vectors.

    scale_k = coarser_k o couplings (checkerboard)
    coarser_k = squeeze^-1 o (scale_{k+1} on half the channels) o couplings (channel) o squeeze

Squeezing trades 2 x 2 places for 4 channels, and half of these are then left alone as finished noise: the multi-scale flow of
RealNVP (Dinh et al. 2017, section 3.6). Unsqueezing again on the way out keeps z in the shape of x and changes neither the law
nor its density.
"""

__all__ = ["Factored", "MultiScale", "SingleScale", "Squeezed"]

from typing import Literal

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Context
from morphogen.families.flow.bijection import Bijection, Chain, Composite
from morphogen.families.flow.coupling import ActNorm, Coupling
from morphogen.networks.coupling_resnet import CouplingResNet
from morphogen.networks.mlp import MLP


class MultiScale(Composite):
    """RealNVP on pictures (Dinh, Sohl-Dickstein & Bengio 2017, section 3.6), actnorm before each coupling.

    At each scale `couplings` with checkerboard masks, a squeeze, `couplings` with channel masks, half the channels done; the last
    scale is `couplings` + 1 with checkerboard masks. Networks are twice as wide at each coarser scale.

    Arguments:
        shape: of x, (C, H, W); H and W must be multiples of 2^(scales - 1).
        width: channels of the first scale's networks (64 in the paper).
        blocks: residual blocks of each network (8 in the paper for CIFAR-10).
        couplings: of each kind at each scale (3 in the paper).
        scales: 1, 2, ...
        vector: width of `context.vector` (0: unconditional).
        grid: the networks read 2 x 2, 4 x 4, ... places as one until they stand on at most grid x grid of them, so that the few layers
            of each see the whole picture (0: each place by itself, as in the paper).
        dropout: inside the residual blocks.

    Errors: ConfigError if H or W are not such multiples.
    """

    def __init__(
        self, shape: tuple[int, ...], width: int = 64, blocks: int = 8, couplings: int = 3, scales: int = 2, vector: int = 0,
        grid: int = 0, dropout: float = 0.0,
    ):  # fmt: skip
        super().__init__(())
        c, h, w = shape
        self.shape, self.width, self.blocks, self.couplings, self.scales = (c, h, w), width, blocks, couplings, scales
        self.vector, self.grid, self.dropout = vector, grid, dropout
        multiple = 1 << (scales - 1)
        if h % multiple or w % multiple:
            raise ConfigError(f"MultiScale: {h} x {w} is no multiple of {multiple}; use fewer scales")
        self.steps.extend(self._scale(self.shape, width, scales))

    def _scale(self, shape: tuple[int, int, int], width: int, left: int) -> list[Bijection]:
        """The steps of the scale at which `left` scales are still to come, this one included."""
        fine = self._couplings(shape, width, self.couplings + (left == 1), "checkerboard")
        if left == 1:
            return fine
        c, h, w = shape
        coarse = self._couplings((4 * c, h // 2, w // 2), width, self.couplings, "channel")
        rest = self._scale((2 * c, h // 2, w // 2), 2 * width, left - 1)
        return [*fine, Squeezed(Chain((*coarse, Factored(Chain(tuple(rest))))))]

    def _couplings(self, shape: tuple[int, int, int], width: int, count: int, mask: Literal["checkerboard", "channel"]) -> list[Bijection]:
        """`count` couplings of one kind, alternating in what they see."""
        patch = _patch(shape, self.grid)
        steps: list[Bijection] = []
        for i in range(count):
            network = CouplingResNet(shape, width, self.blocks, self.vector, patch, self.dropout)
            steps += [ActNorm(shape[0]), Coupling(network, mask, i % 2)]
        return steps


class SingleScale(Composite):
    """Affine couplings on vectors, actnorm before each: halves by turns, then every other number by turns, and so on.

    Arguments:
        dims: D of x [B, D].
        width: of each network's hidden layers.
        layers: residual layers of each network.
        couplings: how many; 4 make a full round of masks.
        vector: width of `context.vector` (0: unconditional).
        dropout: inside the residual layers.
    """

    def __init__(self, dims: int, width: int = 128, layers: int = 2, couplings: int = 8, vector: int = 0, dropout: float = 0.0):
        super().__init__(())
        self.dims, self.width, self.layers, self.couplings = dims, width, layers, couplings
        self.vector, self.dropout = vector, dropout
        for i in range(couplings):
            network = MLP(dims, 2 * dims, width, layers, vector, dropout)
            self.steps.extend([ActNorm(dims), Coupling(network, "checkerboard" if i % 4 > 1 else "channel", i % 2)])


class Squeezed(Bijection):
    """squeeze^-1 o f o squeeze, where squeezing makes 2 x 2 places of C channels one place of 4 C.

    Arguments:
        inner: f, on [B, 4 C, H / 2, W / 2].
    """

    def __init__(self, inner: Bijection):
        super().__init__()
        self.inner = inner

    def forward(self, x: Float[Tensor, " b *x"], context: Context | None) -> tuple[Float[Tensor, " b *x"], Float[Tensor, " b"]]:
        z, log_det = self.inner(_squeeze(x), context)
        return _unsqueeze(z), log_det

    def inverse(self, z: Float[Tensor, " b *x"], context: Context | None) -> Float[Tensor, " b *x"]:
        return _unsqueeze(self.inner.inverse(_squeeze(z), context))

    def prepare(self, x: Float[Tensor, "b ..."], context: Context | None) -> None:
        self.inner.prepare(_squeeze(x), context)


class Factored(Bijection):
    """f on the first half of the channels; the second half are noise already and stay (Dinh et al. 2017, eq. 13-16).

    Arguments:
        inner: f, on [B, C / 2, ...].
    """

    def __init__(self, inner: Bijection):
        super().__init__()
        self.inner = inner

    def forward(self, x: Float[Tensor, " b *x"], context: Context | None) -> tuple[Float[Tensor, " b *x"], Float[Tensor, " b"]]:
        x, done = x.chunk(2, 1)
        z, log_det = self.inner(x, context)
        return torch.cat([z, done], 1), log_det

    def inverse(self, z: Float[Tensor, " b *x"], context: Context | None) -> Float[Tensor, " b *x"]:
        z, done = z.chunk(2, 1)
        return torch.cat([self.inner.inverse(z, context), done], 1)

    def prepare(self, x: Float[Tensor, "b ..."], context: Context | None) -> None:
        self.inner.prepare(x.chunk(2, 1)[0], context)


def _patch(shape: tuple[int, int, int], grid: int) -> int:
    """The side of the squares that networks on `shape` read as one place: the least that leaves grid x grid, if halving goes on so far."""
    side, patch = max(shape[1:]), 1
    while grid and side // patch > grid and not any(s % (2 * patch) for s in shape[1:]):
        patch *= 2
    return patch


def _squeeze(x: Tensor) -> Tensor:
    return rearrange(x, "b c (h p) (w q) -> b (c p q) h w", p=2, q=2)


def _unsqueeze(x: Tensor) -> Tensor:
    return rearrange(x, "b (c p q) h w -> b c (h p) (w q)", p=2, q=2)
