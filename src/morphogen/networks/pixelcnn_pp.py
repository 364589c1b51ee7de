r"""PixelCNN++'s network: two streams of gated residual layers at several resolutions, and one set of numbers for a whole pixel.

    u    knows the rows above       kernels 2 x 3                u' = u + a s(b),   (a, b) = K_2 * e(K_1 * e(u) + N e(skip))
    l    knows all that lies back   kernels 2 x 2, told of u     l' = l + a s(b),   (a, b) = K_2 * e(K_1 * e(l) + N e([u, skip])) + V c
    e(x) = elu([x, -x])

Pixels are moved down by a row (u) or right by a pixel (l) once, at the start; from there every kernel may see the place it stands at.
Each stream shrinks by convolutions of stride 2 and grows again; `skip` is what it held at the mirrored place on its way down. A pixel
is read and described as a whole: which of its colours depends on which is for the law on top to say (`LogisticMixture`).

`StreamMemory` runs u once a row and l once a pixel; lower resolutions only where a pixel of theirs begins. Weight normalisation and its
data-dependent start are left out.

Reference: PixelCNN++: Improving the PixelCNN with discretized logistic mixture likelihood and other modifications, Salimans, Karpathy,
Chen & Kingma, 2017 (sections 2.2-2.5, figure 2); sizes are those of the authors' code.
"""

__all__ = ["PixelCNNPP", "StreamMemory"]

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.networks.planes import Cursor


class PixelCNNPP(Component, nn.Module):
    """Numbers [B, outputs, H, W] that describe each pixel, of the pixels before it only (Salimans et al. 2017).

    Arguments:
        shape: (channels, height, width).
        levels: values of one subpixel.
        outputs: numbers for each pixel.
        width: features of each stream (160 in the authors' code).
        resnets: layers at each resolution, on the way down and, from the second resolution up one more, on the way up (5).
        scales: resolutions, each half the one above (3).
        dropout: inside each layer (0.5).
        vector: width of `context.vector` (0: unconditional).

    Raises:
        ConfigError: if there is no layer or no resolution.
    """

    def __init__(
        self, shape: tuple[int, ...], levels: int, outputs: int, width: int = 160, resnets: int = 5, scales: int = 3,
        dropout: float = 0.5, vector: int = 0,
    ):  # fmt: skip
        super().__init__()
        self.shape, self.levels, self.outputs, self.width = tuple(shape), levels, outputs, width
        self.resnets, self.scales, self.dropout, self.vector = resnets, scales, dropout, vector
        if resnets < 1 or scales < 1:
            raise ConfigError(f"PixelCNNPP({resnets=}, {scales=}): there must be a layer and a resolution; take 1 or more")
        seen = shape[0] + 1  # the colours, and 1 inside the picture
        self.above = _Conv(seen, width, (2, 3), right=1)
        self.beside = nn.ModuleList([_Conv(seen, width, (1, 3), right=1), _Conv(seen, width, (2, 1))])
        self.rows = _Scale(width, (2, 3), resnets, scales, False, dropout, vector)
        self.pixels = _Scale(width, (2, 2), resnets, scales, True, dropout, vector)
        self.head = nn.Conv2d(width, outputs, 1)

    def forward(self, x: Int[Tensor, "b c h w"], context: Context | None) -> Float[Tensor, "b p h w"]:
        picture, vector = self.seen(x), None if context is None else context.vector
        told = self.told(F.pad(picture, (0, 0, 1, 0))[:, :, :-1], vector)
        return self.described(F.pad(picture, (1, 0))[..., :-1], told, vector)

    def seen(self, x: Int[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        """Subpixels in [-1, 1], and ones, which tell the picture from what lies outside."""
        values = x.to(self.head.weight.dtype) * (2 / max(1, self.levels - 1)) - 1
        return torch.cat([values, torch.ones_like(values[:, :1])], 1)

    def told(self, above: Float[Tensor, "b c h w"], vector: Float[Tensor, "b e"] | None, at: Cursor | None = None) -> "_Told":
        """What the rows above have to say, layer by layer, of the picture moved down by a row."""
        _, heard = self.rows(self.above(above, at), None, vector, at)
        return _Told([self.beside[0](above, at), *heard.here], heard.below)

    def described(
        self, left: Float[Tensor, "b c h w"], told: "_Told", vector: Float[Tensor, "b e"] | None, at: Cursor | None = None
    ) -> Float[Tensor, "b p h w"]:
        """The numbers of each pixel, of the picture moved right by a pixel."""
        first, *here = told.here
        x, _ = self.pixels(first + self.beside[1](left, at), _Told(here, told.below), vector, at)
        return self.head(F.elu(x))

    def cache(self, rows: int, context: Context | None) -> "StreamMemory":
        """An empty memory for `rows` pictures."""
        return StreamMemory(self, rows, None if context is None else context.vector)


class _Conv(nn.Conv2d):
    """A kernel that ends in this row, and in this column or, where only rows above are known, `right` columns beyond."""

    def __init__(self, channels_in: int, channels_out: int, kernel: tuple[int, int], right: int = 0, stride: int = 1):
        super().__init__(channels_in, channels_out, kernel, stride)
        self.pads = (kernel[0] - 1, kernel[1] - 1 - right, right)  # above, left, right

    def forward(self, x: Tensor, at: Cursor | None) -> Tensor:  # type: ignore[override]
        above, left, right = self.pads
        return super().forward(F.pad(x, (left, right, above, 0)) if at is None else at.window(self, x, self.pads))


@dataclass(frozen=True)
class _Told:
    """What one stream tells the other: features after each layer at one resolution, and those of the resolutions below."""

    here: list[Tensor]
    below: "_Told | None"

    def column(self, x: int) -> "_Told":
        """Of one column of a row."""
        return _Told([t[..., x : x + 1] for t in self.here], None if self.below is None else self.below.column(x // 2))


class _Layer(nn.Module):
    """One gated residual layer: x + a s(b)."""

    def __init__(self, width: int, kernel: tuple[int, int], aside: int, dropout: float, vector: int):
        super().__init__()
        right = kernel[1] - 2  # of 3 columns one lies to the right, of 2 none
        self.first = _Conv(2 * width, width, kernel, right)
        self.aside = nn.Conv2d(2 * aside, width, 1) if aside else None
        self.second = _Conv(2 * width, 2 * width, kernel, right)
        self.condition = nn.Linear(vector, 2 * width, bias=False) if vector else None
        self.dropout = nn.Dropout(dropout)
        with torch.no_grad():
            self.second.weight.mul_(0.1)  # a layer begins close to doing nothing

    def forward(self, x: Tensor, aside: list[Tensor], vector: Tensor | None, at: Cursor | None) -> Tensor:
        h = self.first(_both(x), at)
        if self.aside is not None:
            h = h + self.aside(_both(torch.cat(aside, 1)))
        h = self.second(self.dropout(_both(h)), at)
        if self.condition is not None and vector is not None:
            h = h + self.condition(vector)[..., None, None]
        a, b = h.chunk(2, 1)
        return x + a * b.sigmoid()


class _Scale(nn.Module):
    """One stream from some resolution down: layers, the resolution below, and layers that look at both."""

    def __init__(self, width: int, kernel: tuple[int, int], resnets: int, scales: int, told: bool, dropout: float, vector: int):
        super().__init__()
        self.down = nn.ModuleList(_Layer(width, kernel, width * told, dropout, vector) for _ in range(resnets))
        self.up = nn.ModuleList(_Layer(width, kernel, width * (1 + told), dropout, vector) for _ in range(resnets + (scales > 1)))
        self.below: _Scale | None = None
        if scales > 1:
            self.shrink = _Conv(width, width, kernel, right=kernel[1] - 2, stride=2)
            self.below = _Scale(width, kernel, resnets, scales - 1, told, dropout, vector)
            self.grow = _Grow(width, kernel[1])

    def forward(self, x: Tensor, told: _Told | None, vector: Tensor | None, at: Cursor | None) -> tuple[Tensor, _Told]:
        """The stream at this resolution, and what it held after each layer. `told` is that of the other stream, if it listens."""
        held, here, below = [x], [], None
        others = [[] for _ in range(len(self.down) + len(self.up))] if told is None else [[other] for other in told.here]
        for layer, other in zip(self.down, others, strict=False):
            held.append(layer(held[-1], other, vector, at))
            here.append(held[-1])
        if self.below is None:
            x = held.pop()
        else:
            shrunk = self.shrink(held[-1], at)
            if at is None or at.even:  # at odd places what is below is known already
                x, below = self.below(shrunk, None if told is None else told.below, vector, at and at.halved())
            x = self.grow(x, held[-1].shape[2:], at)
        for layer, other in zip(self.up, others[len(self.down) :], strict=True):
            x = layer(x, [*other, held.pop()], vector, at)
            here.append(x)
        return x, _Told(here, below)


class _Grow(nn.ConvTranspose2d):
    """Twice the resolution: each pixel becomes 2 x 2, columns of a kernel of 3 overlapping."""

    def __init__(self, width: int, columns: int):
        super().__init__(width, width, (2, columns), stride=2)

    def forward(self, x: Tensor, size: Any, at: Cursor | None) -> Tensor:  # type: ignore[override]
        left = (self.kernel_size[1] - 1) // 2
        if at is None:
            return super().forward(x)[:, :, : size[0], left : left + size[1]]
        if at.even:
            at.halved().keep(self, x)
        kernel, kept = self.weight[:, :, at.y % 2, None], at.halved().kept(self)
        if at.x is not None:
            return F.conv_transpose2d(kept, kernel[..., at.x % 2, None], self.bias)
        return F.conv_transpose2d(kept, kernel, self.bias, stride=(1, 2))[..., left : left + size[1]]


class StreamMemory:
    """The planes of `rows` pictures so far, and from them the next pixel's numbers.

    Arguments:
        network: whose they are.
        rows: pictures drawn side by side.
        vector: `context.vector` [B, D] of these rows (None: there is none).
    """

    def __init__(self, network: PixelCNNPP, rows: int, vector: Float[Tensor, "b d"] | None):
        self.network, self.vector, self.pixel = network, vector, 0
        channels, height, width = network.shape
        self.size = height, width
        self.planes: dict[Any, Tensor] = {}
        self.picture = network.head.weight.new_zeros(rows, channels + 1, height + 1, width + 1)  # a row above and a column left of it
        self.told = _Told([], None)

    @torch.no_grad()
    def step(self, previous: Int[Tensor, "b c"] | None) -> Float[Tensor, "b p"]:
        """The subpixels of the pixel just drawn (None: there is none yet) to the numbers of the next."""
        y, x = divmod(self.pixel, self.size[1])
        if previous is not None:
            before = divmod(self.pixel - 1, self.size[1])
            self.picture[:, :, before[0] + 1, before[1] + 1] = self.network.seen(previous[..., None, None])[..., 0, 0]
        if x == 0:
            self.told = self.network.told(self.picture[:, :, y : y + 1, 1:], self.vector, Cursor(self.size, y, None, self.planes))
        left = self.picture[:, :, y + 1 : y + 2, x : x + 1]
        self.pixel += 1
        told = self.told.column(x)
        return self.network.described(left, told, self.vector, Cursor(self.size, y, x, self.planes))[..., 0, 0]


def _both(x: Tensor) -> Tensor:
    """elu([x, -x])."""
    return F.elu(torch.cat([x, -x], 1))
