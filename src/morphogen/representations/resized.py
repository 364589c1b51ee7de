"""Smaller pictures as a representation, for the first stages of a `Cascade` of resolutions."""

__all__ = ["Resized", "reduced"]

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from morphogen.component import ConfigError
from morphogen.contract import Encoded, Representation, Unsupported
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Pixels


class Resized(Pixels):
    """Pictures reduced by averaging areas of pixels, rounded to the grid of their values.

    It is a `Pixels` of the smaller pictures, so that it can be wrapped, as in `Quantised(Resized(...))`.

    Arguments:
        pixels: the pictures.
        shape: (channels, height, width) of the smaller pictures; the sides divide those of `pixels`.

    Errors: ConfigError for another shape; in `encode`, Unsupported for the change of measure, since many
    pictures have the same x.
    """

    def __init__(self, pixels: Pixels, shape: tuple[int, int, int]):
        super().__init__(pixels.levels, shape)
        self.pixels: Any = pixels
        full = pixels.shape
        if full[0] != self.shape[0] or any(a % b for a, b in zip(full[1:], self.shape[1:], strict=True)):
            raise ConfigError(
                f"Resized: shape {self.shape} must have {full[0]} channels and sides that divide {full[1:]}"
            )

    @property
    def source(self) -> Representation:
        return self.pixels.source

    def check(self, medium: Any) -> Float[Tensor, "b c h w"]:
        return self.source.check(medium)

    def encode(self, medium: Float[Tensor, "b c h w"], rng: Rng, measure: bool = True) -> Encoded:
        if measure:
            raise Unsupported(
                "a resized picture does not determine the picture: for a likelihood, use a model of the "
                "whole picture"
            )
        encoded = self.pixels.encode(medium, rng, measure)
        _, height, width = self.shape
        x = self.to_grid(F.adaptive_avg_pool2d(encoded.x, (height, width)))
        return replace(encoded, x=x, log_weight=torch.full_like(encoded.log_weight, torch.nan), exact=False)


def reduced(pixels: Pixels, factor: int) -> Pixels:
    """Pictures of sides divided by this factor, or by the largest smaller one that divides both."""
    channels, height, width = pixels.shape
    factor = next(by for by in range(factor, 0, -1) if height % by == width % by == 0)
    return pixels if factor == 1 else Resized(pixels, (channels, height // factor, width // factor))
