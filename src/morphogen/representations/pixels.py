"""Pictures, float [B, C, H, W] in [-1, 1] on a grid of `levels` values, and their transforms.

Pixels(256, (3, 32, 32))                      the grid: for discretised-logistic decoders and diffusion
Quantised(Pixels(...))                        categories 0 .. levels-1: for autoregressive models
Dequantised(Pixels(...))                      with uniform noise added: for densities (Uria et al. 2013)
VariationallyDequantised(Pixels(...), noise)  with noise of a learned flow added (Ho et al. 2019)
Logit(Dequantised(...), alpha=0.05)           mapped to the real line (Dinh et al. 2017, section 4.1)
"""

__all__ = ["Dequantisation", "Dequantised", "Logit", "Pixels", "Quantised", "VariationallyDequantised"]

import math
from abc import abstractmethod
from typing import Any

import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image
from torch import Tensor, nn

from morphogen.caller import option
from morphogen.component import ConfigError
from morphogen.contract import ConditionSpec, Context, Encoded, Representation
from morphogen.media.pictures import PICTURES
from morphogen.numerics.distributions import gaussian_cdf, gaussian_log_prob
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import sum_except_batch
from morphogen.numerics.trees import Tree
from morphogen.representations.given import FEW, TOLERANCE, check_finite, check_range, check_shape, tensor_of

BFLOAT16 = 2**-8  # error of numbers up to 1 of that type, when they are scaled


class Pixels(Representation, ConditionSpec):
    """Pictures as real numbers on a grid of `levels` values; as a condition, pictures to translate.

    Arguments:
        levels: number of values of a subpixel (256; 17 for scikit-learn's digits).
        shape: (channels, height, width).
    """

    medium = PICTURES
    discrete = True
    medium_discrete = True
    plural, wanted = "pictures to translate", ("source", "DATA")

    def __init__(self, levels: int, shape: tuple[int, int, int]):
        super().__init__()
        self.levels, self.shape = levels, tuple(shape)

    def parse(self, text: str) -> Tree:
        """Errors: ConfigError, because the condition is a picture."""
        raise ConfigError(f"{text!r} is not a picture: give its file, {option('source', 'FILE')}")

    @property
    def channels(self) -> int:
        """Number of channels of a picture."""
        return self.shape[0]

    def of_bytes(self, values: UInt8[Tensor, "c h w"]) -> Float[Tensor, "c h w"]:
        """A picture from the values 0 .. 255 of a file."""
        return values / 127.5 - 1

    def check(self, medium: Any) -> Float[Tensor, "b c h w"]:
        """Pictures in [-1, 1]; the axis of the only channel may be missing. Errors: ConfigError."""
        values = tensor_of(medium, "pictures")
        if self.shape[0] == 1 and values.ndim == 3:
            values = values[:, None]
        channels, height, width = self.shape
        is_resized = values.ndim == 4 and values.shape[1] == channels and values.shape[2:] != (height, width)
        if is_resized and height == width:
            shapes = f"{list(values.shape)}, the model takes [N, {channels}, {height}, {width}]"
            raise ConfigError(
                f"pictures have shape {shapes}: resize them as its data were, mg.data.resized(x, {height})"
                + (", with levels=256 if they are 0 to 255" if 1 < values.max() < FEW else "")
            )
        check_shape(values, self.shape, "pictures", medium)
        check_finite(values, "pictures")
        check_range(values, "pictures", self.levels - 1)
        if getattr(medium, "dtype", None) == torch.bfloat16 and values.min() < 0:
            values = self.to_grid(values) if self._on_grid(values, BFLOAT16) else values
        varied = values.max() > values.min() >= 0
        if varied and not self._on_grid(values) and self._on_grid(2 * values - 1):
            raise ConfigError("pictures are from 0 to 1, the model takes -1 to 1: write x * 2 - 1")
        return values

    def check_measured(self, medium: Float[Tensor, "b c h w"]) -> None:
        """Errors: ConfigError for pictures between the values of the grid, which have no probability."""
        if self.medium_discrete and not self._on_grid(medium, TOLERANCE):
            half, is_unit = 0.5 * (self.levels - 1), bool(medium.min() >= 0)
            found = "from 0 to 1" if is_unit else "between the values of its grid"
            scaled = f"(x * {2 * half:g})" if is_unit else f"((x + 1) * {half:g})"
            raise ConfigError(
                f"pictures are {found}, and the model gives a probability to {self.levels} values "
                f"from -1 to 1 only: write {scaled}.round() / {half:g} - 1"
            )

    def encode(self, medium: Float[Tensor, "b c h w"], rng: Rng, measure: bool = True) -> Encoded:
        dims = medium.new_full((len(medium),), math.prod(self.shape))
        return Encoded(medium, torch.zeros_like(dims), dims)

    def decode(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return self.to_grid(x)

    def to_index(self, x: Float[Tensor, "b c h w"]) -> Int[Tensor, "b c h w"]:
        """Map [-1, 1] to the nearest of the indices 0 .. levels-1."""
        return ((x.clamp(-1, 1) + 1) * (0.5 * (self.levels - 1))).round().long()

    def to_grid(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Round to the nearest value of the grid."""
        return self.to_index(x) * (2 / (self.levels - 1)) - 1

    def _on_grid(self, x: Float[Tensor, "b c h w"], atol: float = 1e-4) -> bool:
        return torch.allclose(self.to_grid(x), x, rtol=0, atol=atol)

    def present(self, medium: Float[Tensor, "b c h w"]) -> list[Any]:
        """A PIL image per row, grey or RGB."""
        bytes_ = ((medium.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        return [Image.fromarray(b[:, :, 0] if b.shape[2] == 1 else b) for b in bytes_]


class _Wrapped(Representation):
    """Base class of the transforms of another representation of pictures."""

    def __init__(self, inner: Representation):
        super().__init__()
        self.inner: Any = inner
        self.shape, self.medium = inner.shape, inner.medium
        self.medium_discrete, self.discrete = inner.medium_discrete, inner.discrete

    @property
    def source(self) -> Representation:
        return self.inner.source

    def prepare(self, medium: Float[Tensor, "b c h w"], rng: Rng) -> None:
        self.inner.prepare(medium, rng)

    def present(self, medium: Float[Tensor, "b c h w"]) -> list[Any]:
        return self.inner.present(medium)


class Quantised(_Wrapped):
    """Pictures as categories: int64 in 0 .. vocabulary-1, with the shape and probability mass of the pixels.

    Arguments:
        inner: the `Pixels`.
    """

    def __init__(self, inner: Pixels):
        super().__init__(inner)
        self.vocabulary = inner.levels

    def encode(self, medium: Float[Tensor, "b c h w"], rng: Rng, measure: bool = True) -> Encoded:
        grid = self.inner.encode(medium, rng, measure)
        return Encoded(self.inner.to_index(grid.x), grid.log_weight, grid.dims, grid.exact)

    def decode(self, x: Int[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return x * (2 / (self.vocabulary - 1)) - 1


class Dequantisation(_Wrapped):
    """Base class of dequantisations: y = (k + u) / levels scaled to [-1, 1], u ~ q(u | k) in [0, 1]."""

    def __init__(self, inner: Pixels):
        super().__init__(inner)
        self.discrete = False

    @abstractmethod
    def noise_of(
        self, grid: Float[Tensor, "b c h w"], rng: Rng
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, " b"]]:
        """Draw u, and return it with log q(u | k)."""

    def encode(self, medium: Float[Tensor, "b c h w"], rng: Rng, measure: bool = True) -> Encoded:
        grid, levels = self.inner.encode(medium, rng, measure), self.inner.levels
        u, log_q = self.noise_of(grid.x, rng.fork("dequantise"))
        y = (self.inner.to_index(grid.x) + u) * (2 / levels) - 1
        log_weight = grid.log_weight + grid.dims * math.log(2 / levels) - log_q
        return Encoded(y, log_weight, grid.dims, exact=False)

    def decode(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        levels = self.inner.levels
        k = ((x + 1) * (levels / 2)).floor().clamp(0, levels - 1)
        return k * (2 / (levels - 1)) - 1


class Dequantised(Dequantisation):
    r"""Uniform dequantisation: y = (k + u) / levels scaled to [-1, 1], u ~ U(0, 1).

        log P(k) >= E_u log p(y) + dims log(2 / levels)                              Theis et al. 2016

    Arguments:
        inner: the `Pixels`.
    """

    def noise_of(
        self, grid: Float[Tensor, "b c h w"], rng: Rng
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, " b"]]:
        return rng.uniform(*self.shape), grid.new_zeros(len(grid))


class VariationallyDequantised(Dequantisation):
    r"""Dequantisation by noise whose distribution given the picture is learned with the model's density.

        log P(k) >= E_q[log p(y) - log q(u | k)] + dims log(2 / levels),   u ~ q(u | k)
        u = Phi(v),   v = f(eps; k),   eps ~ N(0, I)

    The gap is KL(q(u | k) || p(u | k)), so that p need not be flat within the bins (Flow++, Ho, Chen,
    Srinivas, Duan & Abbeel 2019, section 3.1). With the normal distribution function Phi in place of their
    logistic one, q is uniform where f is the identity.

    Arguments:
        inner: the `Pixels`.
        noise: f, a bijection of the family of flows, `(eps [B, C, H, W], context) -> (v, log|det dv/deps|)`,
            which receives the picture in [-1, 1] as `context.spatial`; such as `NoiseFlow(inner.shape)`.
    """

    def __init__(self, inner: Pixels, noise: nn.Module):
        super().__init__(inner)
        self.noise = noise

    def noise_of(
        self, grid: Float[Tensor, "b c h w"], rng: Rng
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, " b"]]:
        eps = rng.normal(*self.shape).to(grid)
        v, log_det = self.noise(eps, Context(spatial=grid))
        margin = self.inner.levels * torch.finfo(grid.dtype).eps  # so that k + u is not rounded to k + 1
        log_q = gaussian_log_prob(eps) - gaussian_log_prob(v) - math.log1p(-2 * margin)
        return margin + (1 - 2 * margin) * gaussian_cdf(v), sum_except_batch(log_q) - log_det


class Logit(_Wrapped):
    r"""Logit transform from [-1, 1] to the real line, with its log-determinant (Dinh et al. 2017).

        x = logit(s),     s = alpha + (1 - 2 alpha) (y + 1) / 2

    Arguments:
        inner: a representation with continuous x in [-1, 1].
        alpha: distance of s from 0 and 1 (0.05 in the paper).
    """

    def __init__(self, inner: Representation, alpha: float = 0.05):
        super().__init__(inner)
        self.alpha = alpha

    def encode(self, medium: Float[Tensor, "b c h w"], rng: Rng, measure: bool = True) -> Encoded:
        y = self.inner.encode(medium, rng, measure)
        s = self.alpha + (1 - 2 * self.alpha) * (y.x + 1) / 2
        log_det = sum_except_batch(math.log((1 - 2 * self.alpha) / 2) - s.log() - (1 - s).log())
        return Encoded(s.log() - (1 - s).log(), y.log_weight + log_det, y.dims, y.exact)

    def decode(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        s = (x.sigmoid() - self.alpha) / (1 - 2 * self.alpha)
        return self.inner.decode((2 * s - 1).clamp(-1, 1))
