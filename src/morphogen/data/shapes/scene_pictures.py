r"""Pictures of scenes: flat shapes on white, with smooth edges.

    coverage(p) = clamp(1/2 - d(p), 0, 1),    d the signed distance of a pixel's middle to the shape's edge

The shapes of radius r have similar areas: a circle, a square of half-side sqrt(pi) r / 2, a triangle that
points up, of height and base 2 r, and a cross with arms of width 2 r / 3. No paper.
"""

__all__ = ["coverage", "draw_pictures", "palette"]

import math

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from morphogen.data.shapes.scenes import COLOURS, RADII, SHAPES, SIDE, Scenes

WHITE = 255.0


def draw_pictures(scenes: Scenes) -> UInt8[Tensor, "b 3 h w"]:
    """The pictures of scenes in bytes, [B, 3, 32, 32]."""
    pictures = torch.full((len(scenes), 3, SIDE, SIDE), WHITE)
    for place in range(scenes.shape.shape[1]):
        rows = scenes.present[:, place].nonzero()[:, 0]
        shape, colour, size = (values[rows, place] for values in (scenes.shape, scenes.colour, scenes.size))
        alpha = coverage(shape, torch.tensor(RADII)[size], scenes.centre[rows, place])[:, None]
        pictures[rows] = torch.lerp(pictures[rows], palette()[colour][..., None, None], alpha)
    return pictures.round().byte()


def palette() -> Float[Tensor, "k 3"]:
    """The colours in bytes, [6, 3]."""
    return torch.tensor(list(COLOURS.values()), dtype=torch.float32)


def coverage(
    shape: Int[Tensor, " m"], radius: Float[Tensor, " m"], centre: Float[Tensor, "m 2"], side: int = SIDE
) -> Float[Tensor, "m h w"]:
    """The fraction of each pixel that an object covers, [M, side, side]; `centre` is in pixels of these."""
    distance = torch.empty(len(shape), side, side)
    middle = torch.arange(side) + 0.5
    for index in range(len(SHAPES)):
        rows = (shape == index).nonzero()[:, 0]
        y, x = (middle - centre[rows, axis, None] for axis in range(2))
        distance[rows] = DISTANCES[index](y[:, :, None], x[:, None, :], radius[rows, None, None])
    return (0.5 - distance).clamp_(0, 1)


def _circle(y: Tensor, x: Tensor, r: Tensor) -> Tensor:
    return (y.square() + x.square()).sqrt() - r


def _square(y: Tensor, x: Tensor, r: Tensor) -> Tensor:
    return torch.maximum(y.abs(), x.abs()) - math.sqrt(math.pi) / 2 * r


def _triangle(y: Tensor, x: Tensor, r: Tensor) -> Tensor:
    return torch.maximum(y - r, (2 * x.abs() - y - r) / math.sqrt(5))


def _cross(y: Tensor, x: Tensor, r: Tensor) -> Tensor:
    y, x = y.abs(), x.abs()
    upright, level = (torch.maximum(a - r, b - r / 3) for a, b in ((y, x), (x, y)))
    return torch.minimum(upright, level)


DISTANCES = (_circle, _square, _triangle, _cross)  # in the order of SHAPES
