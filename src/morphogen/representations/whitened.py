r"""Another representation's z with uncorrelated channels of variance 1, for a diffusion model of latents.

    x = W (z - m),   W = C^(-1/2)               for the channels at each position: m their mean, C covariance
    log p(z) = log p(x) + N log det W           for N positions

Noise of one variance hides first what varies least. In latents of an autoencoder that may be what matters:
most of the variance of its channels is whether there is an object, and little of it the object's colour.
Symmetric (ZCA) whitening changes z least (Kessy, Lewin & Strimmer 2018, "Optimal whitening and
decorrelation").
"""

__all__ = ["Whitened"]

import math
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Encoded, Representation
from morphogen.media import Medium
from morphogen.numerics.randomness import Rng

SMALLEST = 1e-6  # eigenvalue of C, as a fraction of the largest


class Whitened(Representation):
    """The x of another representation, whitened over its channels by the first batch of the training.

    Kessy, Lewin & Strimmer, 2018, section 2.

    Arguments:
        inner: a representation with continuous x [C, ...], such as `Latent(first_stage)`.

    Errors: ConfigError for a representation with discrete or several x.
    """

    mean: Float[Tensor, " c"]
    matrix: Float[Tensor, "c c"]
    inverse: Float[Tensor, "c c"]

    def __init__(self, inner: Representation):
        super().__init__()
        if inner.discrete or not isinstance(inner.shape, tuple):
            kind = type(inner).__name__
            raise ConfigError(f"Whitened takes one continuous x, which this {kind} does not have")
        self.inner: Any = inner
        self.shape, self.discrete, self.medium_discrete = inner.shape, False, inner.medium_discrete
        channels = self.shape[0]
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("matrix", torch.eye(channels))
        self.register_buffer("inverse", torch.eye(channels))

    @property
    def medium(self) -> Medium:  # type: ignore[override]
        """The medium of the representation inside."""
        return self.inner.medium

    @property
    def source(self) -> Representation:
        return self.inner.source

    def prepare(self, medium: Shaped[Tensor, "b ..."], rng: Rng) -> None:
        """Measure m and C. Errors: ConfigError if channels are constant, or linear in the others."""
        self.inner.prepare(medium, rng)
        z = self.inner.encode(medium, rng.fork("scale"), measure=False).x
        rows = z.movedim(1, -1).flatten(0, -2).double()
        variance, directions = torch.linalg.eigh(torch.cov(rows.T).reshape(self.shape[0], -1))
        if not variance[0] > SMALLEST * variance[-1]:
            raise ConfigError(
                "Whitened: channels of x are constant, or linear functions of others, on the first batch: "
                "train its first stage longer, or give it fewer channels"
            )
        self.mean.copy_(rows.mean(0))
        self.matrix.copy_((directions * variance**-0.5) @ directions.T)
        self.inverse.copy_((directions * variance**0.5) @ directions.T)

    def encode(self, medium: Shaped[Tensor, "b ..."], rng: Rng, measure: bool = True) -> Encoded:
        z = self.inner.encode(medium, rng, measure)
        positions = math.prod(self.shape[1:])
        log_weight = z.log_weight + positions * torch.linalg.slogdet(self.matrix).logabsdet
        return replace(z, x=_mapped(self.matrix, z.x - self._mean(z.x)), log_weight=log_weight)

    def decode(self, x: Float[Tensor, "b ..."]) -> Shaped[Tensor, "b ..."]:
        return self.inner.decode(_mapped(self.inverse, x) + self._mean(x))

    def present(self, medium: Shaped[Tensor, "b ..."]) -> list[Any]:
        return self.inner.present(medium)

    def _mean(self, x: Float[Tensor, "b ..."]) -> Float[Tensor, "..."]:
        return self.mean.view(-1, *(1,) * (x.ndim - 2))


def _mapped(matrix: Float[Tensor, "d c"], x: Float[Tensor, "b c *n"]) -> Float[Tensor, "b d *n"]:
    """The matrix times the channels at each position, in full precision in training too."""
    with torch.autocast(x.device.type, enabled=False):
        return torch.einsum("d c, b c ... -> b d ...", matrix, x.to(matrix.dtype))
