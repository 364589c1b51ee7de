"""Planes as a spatial condition: the mask of an object, depth, or any other map of the size of a picture.

    Plane("mask")      1 inside, 0 outside            Plane("depth")     0 far, 1 near

Reference: Adding conditional control to text-to-image diffusion models, Zhang, Rao & Agrawala, 2023 (edges,
segmentation, depth).
"""

__all__ = ["Plane", "scaled_plane"]

import torch
from jaxtyping import Float

from morphogen.component import ConfigError
from morphogen.contract import Conditioner, Context
from morphogen.numerics.randomness import Rng


class Plane(Conditioner):
    """Maps [B, 1, H, W] with values in [0, 1] as `context.spatial`, scaled to [-1, 1] (Zhang et al. 2023).

    Arguments:
        name: of the condition in a batch: "mask", "depth".
    """

    widths = {"spatial": 1}  # noqa: RUF012

    def __init__(self, name: str):
        super().__init__()
        self.name = name

    def forward(self, condition: Float[torch.Tensor, "b ..."], rng: Rng | None = None) -> Context:
        """Errors: ConfigError for maps that do not have one channel with values in [0, 1]."""
        return Context(spatial=scaled_plane(condition, f"a {self.name}", "scale its values"))


def scaled_plane(
    condition: Float[torch.Tensor, "b ..."], what: str, remedy: str
) -> Float[torch.Tensor, "b 1 h w"]:
    """Maps in [0, 1], scaled to [-1, 1]. Errors: ConfigError for other channels and values.

    Arguments:
        condition: the maps.
        what: a map is called, for errors.
        remedy: how to make one.
    """
    if condition.ndim != 4 or condition.shape[1] != 1 or condition.min() < 0 or condition.max() > 1:
        raise ConfigError(
            f"{what} is a tensor [B, 1, H, W] with values in [0, 1], not {list(condition.shape)} "
            f"with values in [{condition.min():g}, {condition.max():g}]: {remedy}"
        )
    return 2 * condition - 1
