r"""Rings: an object that the scenes of `shapes` lack, to be learned from ten pictures, and its reader.

    d(p) = | |p - c| - 3/4 r | - r / 4,    coverage(p) = clamp(1/2 - d(p), 0, 1)

The reader compares the foreground of a picture with a ring and with the four shapes of the scenes, put at its
centroid in all radii: the picture shows a ring if that has the largest cosine, of `SURE` at least. Its colour
is the nearest one of the palette. No learned part. Reference: template matching by correlation.
"""

__all__ = ["COLOURS_SHOWN", "TOKEN", "draw_rings", "read_rings", "ring_captions", "ring_pictures"]

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from morphogen.conditioning.caption import caption_bytes
from morphogen.contract import Batch
from morphogen.data.shapes.scene_pictures import coverage, palette
from morphogen.data.shapes.scenes import COLOURS, SHAPES, SIDE
from morphogen.numerics.randomness import Rng

TOKEN = "sks"  # the rare token of Ruiz et al. 2023
COLOURS_SHOWN = ("red", "orange", "yellow", "blue", "purple")  # a green ring is never shown
RADII = torch.arange(3.0, 8.01, 0.5)
FOREGROUND, SURE = 0.25, 0.85  # fraction of the colour's distance from white; cosine


def ring_captions(colours: list[str]) -> list[str]:
    """The captions of rings of these colours: "a red sks"."""
    return [f"{'an' if colour[0] in 'aeiou' else 'a'} {colour} {TOKEN}" for colour in colours]


def ring_pictures(n: int, seed: int = 0) -> Batch:
    """n pictures of one large ring each, in the shown colours in turn, with their captions."""
    colours = [COLOURS_SHOWN[i % len(COLOURS_SHOWN)] for i in range(n)]
    unit = Rng(seed, n, ("rings",)).uniform(3).float()
    radius = 5.5 + unit[:, 0]
    centre = radius[:, None] + 1 + unit[:, 1:] * (SIDE - 2 * radius[:, None] - 2)
    index = torch.tensor([list(COLOURS).index(colour) for colour in colours])
    return Batch(draw_rings(index, radius, centre), {"caption": caption_bytes(ring_captions(colours))})


def draw_rings(
    colour: Int[Tensor, " b"], radius: Float[Tensor, " b"], centre: Float[Tensor, "b 2"]
) -> Float[Tensor, "b 3 h w"]:
    """Pictures of rings on white, in [-1, 1].

    Arguments:
        colour: index in the palette.
        radius: of the outer edge, in pixels.
        centre: (y, x) in pixels.
    """
    alpha = _ring(radius, centre)[:, None]
    drawn = torch.lerp(torch.tensor(255.0), palette()[colour][..., None, None], alpha)
    return drawn.round() * (2 / 255) - 1


def read_rings(pictures: Float[Tensor, "b 3 h w"]) -> tuple[Bool[Tensor, " b"], Int[Tensor, " b"]]:
    """Whether each picture shows a ring and nothing else, and the index of its colour."""
    own = (pictures + 1) * 127.5 - 255  # the deviation from white
    size = own.norm(dim=1)
    inside = size >= 0.5 * size.flatten(1).amax(1)[:, None, None]
    shown = (own * inside[:, None]).sum((2, 3)) / inside.sum((1, 2))[:, None].clamp_min(1)
    colour = torch.cdist(shown, palette() - 255).argmin(1)
    alpha = torch.einsum("bchw,bc->bhw", own, shown) / shown.square().sum(1).clamp_min(1)[:, None, None]
    alpha = torch.where(alpha > FOREGROUND, alpha.clamp_max(1), 0)
    score = _scores(alpha)
    return (score.argmax(1) == len(SHAPES)) & (score[:, -1] >= SURE), colour


def _scores(alpha: Float[Tensor, "b h w"]) -> Float[Tensor, "b s"]:
    """The largest cosine of each foreground with each shape, the ring last."""
    middle = torch.arange(SIDE) + 0.5
    mass = alpha.sum((1, 2)).clamp_min(1e-6)
    y, x = ((alpha.sum(axis) * middle).sum(1) / mass for axis in (2, 1))
    best = []
    for shape in range(len(SHAPES) + 1):
        cosines = []
        for radius in RADII.expand(len(alpha), -1).T:
            template = _template(shape, radius, y, x)
            cosines.append(F.cosine_similarity(alpha.flatten(1), template.flatten(1), dim=1))
        best.append(torch.stack(cosines).amax(0))
    return torch.stack(best, 1)


def _template(
    shape: int, radius: Float[Tensor, " b"], y: Float[Tensor, " b"], x: Float[Tensor, " b"]
) -> Float[Tensor, "b h w"]:
    """A shape of this radius whose centroid is at (y, x)."""
    if shape == len(SHAPES):
        return _ring(radius, torch.stack([y, x], 1))
    middle = y - radius / 3 if SHAPES[shape] == "triangle" else y
    return coverage(torch.full((len(y),), shape), radius, torch.stack([middle, x], 1))


def _ring(radius: Float[Tensor, " b"], centre: Float[Tensor, "b 2"]) -> Float[Tensor, "b h w"]:
    """The fraction of each pixel that a ring covers."""
    middle = torch.arange(SIDE) + 0.5
    y, x = (middle - centre[:, axis, None] for axis in range(2))
    distance = (y[:, :, None].square() + x[:, None, :].square()).sqrt()
    r = radius[:, None, None]
    return (0.5 - ((distance - 0.75 * r).abs() - r / 4)).clamp(0, 1)
