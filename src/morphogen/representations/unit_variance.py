r"""Another representation's z, shifted and scaled, as a diffusion model of it requires.

x = scale (z - shift),   log p(z) = log p(x) + D log scale                       for the D entries of z
"""

__all__ = ["UnitVariance"]

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Encoded, Representation
from morphogen.media import Medium
from morphogen.numerics.randomness import Rng


class UnitVariance(Representation):
    """The x of another representation, scaled to variance 1 on the first batch of the training.

    One scale for all entries, as for the latents of a first stage (Rombach et al. 2022, section 4.3.2 and
    appendix G): a noise schedule assumes data of variance 1. The shift is 0 unless it is set, as for the
    first stages that are published with one (interop.autoencoder_kl).

    Arguments:
        inner: a representation with continuous x, such as `Latent(first_stage)`.

    Errors: ConfigError for a representation with discrete or several x.
    """

    scale: Float[Tensor, ""]
    shift: Float[Tensor, ""]

    def __init__(self, inner: Representation):
        super().__init__()
        if inner.discrete or not isinstance(inner.shape, tuple):
            kind = type(inner).__name__
            raise ConfigError(f"UnitVariance scales one continuous x, which this {kind} does not have")
        self.inner: Any = inner
        self.shape, self.discrete, self.medium_discrete = inner.shape, False, inner.medium_discrete
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("shift", torch.zeros(()))

    @property
    def medium(self) -> Medium:  # type: ignore[override]
        """The medium of the representation inside."""
        return self.inner.medium

    @property
    def source(self) -> Representation:
        return self.inner.source

    def prepare(self, medium: Shaped[Tensor, "b ..."], rng: Rng) -> None:
        """Measure the scale. Errors: ConfigError if x is the same in all rows and entries."""
        self.inner.prepare(medium, rng)
        deviation = self.inner.encode(medium, rng.fork("scale"), measure=False).x.std()
        if not deviation > 0:
            raise ConfigError("UnitVariance: x is constant on the first batch: train its first stage longer")
        self.scale.copy_(1 / deviation)

    def encode(self, medium: Shaped[Tensor, "b ..."], rng: Rng, measure: bool = True) -> Encoded:
        z = self.inner.encode(medium, rng, measure)
        log_weight = z.log_weight + z.x[0].numel() * self.scale.log()
        return replace(z, x=self.scale * (z.x - self.shift), log_weight=log_weight)

    def decode(self, x: Float[Tensor, "b ..."]) -> Shaped[Tensor, "b ..."]:
        return self.inner.decode(x / self.scale + self.shift)

    def present(self, medium: Shaped[Tensor, "b ..."]) -> list[Any]:
        return self.inner.present(medium)
