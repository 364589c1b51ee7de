r"""Linear operators A that take a picture x to what is measured of it, with their adjoints.

    y = A x + sigma n,     n ~ N(0, I)               the inverse problem: given y, what was x?

    Downsampling      means of blocks of k x k pixels                  super-resolution
    GaussianBlur      weighted means of neighbours                     deblurring
    Masking           some of the pixels; 0 elsewhere                  inpainting
    RandomProjection  m random weighted sums of all pixels             compressed sensing
    Greyscale         the mean of the channels                         colourisation
    Composition       one operator after another

The adjoint A^T is defined by <A x, y> = <x, A^T y>: `posterior_sampling.py` needs both. These are the
operators of Denoising diffusion restoration models, Kawar, Elad, Ermon & Song, 2022.
"""

__all__ = [
    "Composition",
    "Downsampling",
    "GaussianBlur",
    "Greyscale",
    "LinearOperator",
    "Masking",
    "RandomProjection",
    "parse_operator",
]

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import reduce
from itertools import pairwise

import torch
from einops import einsum, rearrange, repeat
from jaxtyping import Bool, Float
from torch import Tensor

from morphogen.component import Component, ConfigError
from morphogen.numerics.randomness import Rng

Shape = tuple[int, int, int]


class LinearOperator(Component, ABC):
    """A linear map A from pictures to measurements.

    No paper: an interface.

    Attributes:
        shape: (channels, height, width) of x.
        measured_shape: shape of A x, without the batch axis.
        known: which elements of x are elements of A x, unchanged [C, H, W]; None: not a selection.
    """

    shape: Shape
    measured_shape: tuple[int, ...]
    known: Bool[Tensor, "c h w"] | None = None

    @abstractmethod
    def __call__(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b ..."]:
        """A x."""

    @abstractmethod
    def adjoint(self, y: Float[Tensor, "b ..."]) -> Float[Tensor, "b c h w"]:
        """A^T y."""

    def keep(self, x: Float[Tensor, "b c h w"], y: Float[Tensor, "b ..."]) -> Float[Tensor, "b c h w"]:
        """x with the elements that an exact y determines bit for bit; x itself unless A is a selection."""
        return x if self.known is None else torch.where(self.known.to(x.device), self.adjoint(y), x)


class _Separable(LinearOperator):
    """A x = L x R^T in each channel: a weighted mean of rows after one of columns."""

    rows: Float[Tensor, "p h"]
    columns: Float[Tensor, "q w"]

    def __call__(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c p q"]:
        return einsum(x, self.rows.to(x), self.columns.to(x), "b c h w, p h, q w -> b c p q")

    def adjoint(self, y: Float[Tensor, "b c p q"]) -> Float[Tensor, "b c h w"]:
        return einsum(y, self.rows.to(y), self.columns.to(y), "b c p q, p h, q w -> b c h w")


class Downsampling(_Separable):
    """Means of blocks of factor x factor pixels: its inverse problem is super-resolution.

    Arguments:
        shape: (channels, height, width) of x.
        factor: side of a block, at least 2; it divides height and width.

    Errors: ConfigError for a factor that does not divide both sides.
    """

    def __init__(self, shape: Shape, factor: int):
        channels, height, width = self.shape = shape
        self.factor = factor
        if factor < 2 or height % factor or width % factor:
            fitting = [k for k in range(2, min(height, width) + 1) if height % k == width % k == 0]
            remedy = f"give one of {', '.join(map(str, fitting))}" if fitting else "no factor does"
            raise ConfigError(f"downsample:{factor} does not divide pictures of {height} x {width}: {remedy}")
        self.rows, self.columns = (_block_means(side, factor) for side in (height, width))
        self.measured_shape = (channels, height // factor, width // factor)


class GaussianBlur(_Separable):
    """Means of neighbours with the weights of a Gaussian, normalized at the edges: deblurring.

    Arguments:
        shape: (channels, height, width) of x.
        std: standard deviation of the weights, in pixels, above 0.

    Errors: ConfigError for a std that is not above 0.
    """

    def __init__(self, shape: Shape, std: float):
        self.shape = self.measured_shape = shape
        self.std = std
        if not 0 < std < math.inf:
            raise ConfigError(
                f"blur:{std:g}: the standard deviation is in pixels: give one above 0, as blur:1.5"
            )
        self.rows, self.columns = (_gaussian_means(side, std) for side in shape[1:])


class Masking(LinearOperator):
    """The known pixels, and 0 elsewhere: inpainting.

    Arguments:
        shape: (channels, height, width) of x.
        mask: True where a pixel is known, [H, W].

    Errors: ConfigError for a mask of another size, or with no known pixel.
    """

    def __init__(self, shape: Shape, mask: Bool[Tensor, "h w"]):
        self.shape = self.measured_shape = shape
        self.mask = mask
        if mask.shape != shape[1:]:
            raise ConfigError(
                f"the mask is {list(mask.shape)}, and pictures are {list(shape[1:])}: give one of their size"
            )
        if not mask.any():
            raise ConfigError("the mask has no known pixel: nothing is measured; sample instead")
        self.known = mask.expand(shape)

    def __repr__(self) -> str:
        return f"Masking({self.shape}, {self.mask.float().mean():.0%} known)"

    def __call__(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return torch.where(self.mask.to(x.device), x, 0.0)

    def adjoint(self, y: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return self(y)


class RandomProjection(LinearOperator):
    """m random weighted sums of all pixels, with weights from N(0, 1 / number of pixels).

    A measurement then has about the size of a pixel. Compressed sensing, Donoho, 2006.

    Arguments:
        shape: (channels, height, width) of x.
        measurements: m, from 1 to the number of elements of x.
        seed: of the weights.

    Errors: ConfigError for a number of measurements outside that range.
    """

    def __init__(self, shape: Shape, measurements: int, seed: int = 0):
        self.shape, self.measurements, self.seed = shape, measurements, seed
        d = math.prod(shape)
        if not 1 <= measurements <= d:
            raise ConfigError(f"projection:{measurements}: give 1 .. {d} measurements of the {d} pixels")
        self.measured_shape = (measurements,)
        self.matrix = Rng(seed, measurements, ("projection",)).normal(d) / math.sqrt(d)

    def __call__(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b m"]:
        return x.flatten(1) @ self.matrix.to(x).T

    def adjoint(self, y: Float[Tensor, "b m"]) -> Float[Tensor, "b c h w"]:
        return (y @ self.matrix.to(y)).unflatten(1, self.shape)


class Greyscale(LinearOperator):
    """The mean of the channels: colourisation.

    Arguments:
        shape: (channels, height, width) of x, of at least two channels.

    Errors: ConfigError for pictures of one channel.
    """

    def __init__(self, shape: Shape):
        self.shape, self.measured_shape = shape, (1, *shape[1:])
        if shape[0] < 2:
            raise ConfigError("grey: the model's pictures are grey already; use a model of coloured ones")

    def __call__(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 h w"]:
        return x.mean(1, keepdim=True)

    def adjoint(self, y: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b c h w"]:
        return repeat(y / self.shape[0], "b 1 h w -> b c h w", c=self.shape[0])


class Composition(LinearOperator):
    """A = A_n ... A_2 A_1, with the adjoint A_1^T A_2^T ... A_n^T.

    Arguments:
        operators: A_1, A_2, ..., in the order in which they are applied.

    Errors: ConfigError without operators, and for one that does not take what the one before it gives.
    """

    def __init__(self, operators: tuple[LinearOperator, ...]):
        self.operators = operators
        if not operators:
            raise ConfigError("Composition: give at least one operator")
        for first, second in pairwise(operators):
            if first.measured_shape != second.shape:
                raise ConfigError(
                    f"Composition: {second!r} takes {list(second.shape)}, and {first!r} before it gives "
                    f"{list(first.measured_shape)}"
                )
        self.shape, self.measured_shape = operators[0].shape, operators[-1].measured_shape

    def __call__(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b ..."]:
        return reduce(lambda y, operator: operator(y), self.operators, x)

    def adjoint(self, y: Float[Tensor, "b ..."]) -> Float[Tensor, "b c h w"]:
        return reduce(lambda x, operator: operator.adjoint(x), reversed(self.operators), y)


def parse_operator(
    text: str, shape: Shape, read_mask: Callable[[str], Bool[Tensor, "h w"]] | None = None
) -> LinearOperator:
    """The operator that a text names, such as "downsample:4" or "blur:1.5+downsample:2", applied in order.

    Arguments:
        text: operators joined by "+".
        shape: (channels, height, width) of x.
        read_mask: of the name after "mask:", the known pixels; None: a mask cannot be named.

    Errors: ConfigError for an unknown operator, and for a missing or invalid value.
    """
    parts: list[LinearOperator] = []
    for part in text.split("+"):
        measured = parts[-1].measured_shape if parts else shape
        if len(measured) != 3:
            raise ConfigError(f"operator {text}: {part} after a projection: put the projection last")
        parts.append(_parse_one(part.strip(), measured, read_mask))
    return parts[0] if len(parts) == 1 else Composition(tuple(parts))


def _parse_one(
    text: str, shape: Shape, read_mask: Callable[[str], Bool[Tensor, "h w"]] | None
) -> LinearOperator:
    name, _, value = text.partition(":")
    if name == "mask":
        if read_mask is None or not value:
            raise ConfigError(
                f"operator {text}: give mask:FILE in the command line, Masking(shape, mask) in Python"
            )
        return Masking(shape, read_mask(value))
    if name == "grey" and not value:
        return Greyscale(shape)
    try:
        if name == "downsample":
            return Downsampling(shape, int(value))
        if name == "projection":
            return RandomProjection(shape, int(value))
        if name == "blur":
            return GaussianBlur(shape, float(value))
    except ConfigError:
        raise
    except ValueError:
        pass
    raise ConfigError(
        f"operator {text}: give downsample:4, blur:1.5, mask:FILE, projection:100 or grey, or several of "
        "them joined by +, as blur:1.5+downsample:2"
    )


def _block_means(side: int, factor: int) -> Float[Tensor, "p n"]:
    """The matrix that takes `side` values to the means of blocks of `factor`."""
    block = torch.full((factor,), 1 / factor)
    return rearrange(einsum(torch.eye(side // factor), block, "p q, k -> p q k"), "p q k -> p (q k)")


def _gaussian_means(side: int, std: float) -> Float[Tensor, "n n"]:
    """The matrix that takes `side` values to weighted means of their neighbours."""
    place = torch.arange(side, dtype=torch.float64)
    weights = (-0.5 * ((place[:, None] - place) / std).square()).exp()
    return (weights / weights.sum(1, keepdim=True)).float()
