r"""Scenes of one to three objects: their attributes, positions and relations, as a keyed stream.

A scene has n = 1, 2 or 3 objects, each a pair (shape, colour), which differ, and a size, on a canvas of 32 x
32 pixels. The objects do not touch. The first object stands in one relation to each of the others:

    n = 1    anywhere
    n = 2    in the two halves of the canvas, beside or above each other
    n = 3    in three of its four quarters: one of the others beside the first object, one above or below it

so the vector between two related centres is always longer along the axis of their relation. Six of the 24
pairs are held out (`HELD_OUT`): every shape and every colour is seen in training, but no red triangle. A
scene with a novelty has exactly one object of these pairs. No paper: in the manner of CLEVR (Johnson et al.
2017) and of its compositional split.
"""

__all__ = [
    "COLOURS",
    "HELD_OUT",
    "OBJECTS",
    "RADII",
    "RELATIONS",
    "SHAPES",
    "SIDE",
    "SIZES",
    "Scenes",
    "draw_scenes",
    "is_novel",
    "relation_of",
]

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from morphogen.numerics.randomness import Rng

SIDE, OBJECTS = 32, 3  # pixels of the canvas; objects at most
SHAPES = ("circle", "square", "triangle", "cross")
COLOURS = {  # bytes; any two are at least 0.73 apart in [-1, 1]
    "red": (215, 30, 40),
    "orange": (250, 130, 0),
    "yellow": (245, 220, 30),
    "green": (40, 160, 60),
    "blue": (50, 80, 220),
    "purple": (150, 60, 190),
}
SIZES = ("small", "large")
RADII = (3.5, 6.0)  # half the height of an object in pixels, by size
RELATIONS = ("above", "below", "left of", "right of")
HELD_OUT = (
    ("triangle", "red"),
    ("square", "orange"),
    ("circle", "yellow"),
    ("cross", "green"),
    ("square", "blue"),
    ("triangle", "purple"),
)
MARGIN = 1.0  # pixels between an object and the edge of its part of the canvas
SWAY = 2.0  # largest deviation, in pixels, across the axis of a relation


@dataclass(frozen=True)
class Scenes:
    """Objects of B scenes, or what captions say of them; -1: no object, no relation, or not said.

    Arguments:
        shape, colour, size: of each object, int64 [B, M], as indices of SHAPES, COLOURS and SIZES.
        relation: of the first object to each of the others, int64 [B, K], K = M - 1.
        centre: (y, x) of each object in pixels, the middle of its height and width, float [B, M, 2].
    """

    shape: Int[Tensor, "b m"]
    colour: Int[Tensor, "b m"]
    size: Int[Tensor, "b m"]
    relation: Int[Tensor, "b k"]
    centre: Float[Tensor, "b m 2"]

    def __len__(self) -> int:
        return len(self.shape)

    @property
    def present(self) -> Bool[Tensor, "b m"]:
        """Which objects exist."""
        return self.shape >= 0


def draw_scenes(rng: Rng, novel: Bool[Tensor, " b"]) -> Scenes:
    """Draw a scene for each row of `rng`.

    Arguments:
        rng: of B rows.
        novel: whether one object of the scene is of a held-out pair; the others never are.
    """
    count = 1 + rng.fork("count").integers(OBJECTS)
    present = torch.arange(OBJECTS) < count[:, None]
    pair = _draw_pairs(rng.fork("pairs"), count, novel)
    size = rng.fork("size").integers(len(SIZES), OBJECTS)
    centre, relation = _place(rng.fork("place"), count, size)
    shape, colour = pair // len(COLOURS), pair % len(COLOURS)
    shape, colour, size = (torch.where(present, value, -1) for value in (shape, colour, size))
    return Scenes(shape, colour, size, relation, centre)


def is_novel(scenes: Scenes) -> Bool[Tensor, " b"]:
    """Whether a scene, or a caption, has an object of a held-out pair of shape and colour."""
    known = (scenes.shape >= 0) & (scenes.colour >= 0)
    return (_held_out()[scenes.shape * len(COLOURS) + scenes.colour] & known).any(1)


def relation_of(first: Float[Tensor, "*#b 2"], other: Float[Tensor, "*#b 2"]) -> Int[Tensor, "*#b"]:
    """The relation of one centre (y, x) to another, along the longer axis of the vector between them."""
    y, x = (other - first).unbind(-1)
    vertical, horizontal = torch.where(y > 0, 0, 1), torch.where(x > 0, 2, 3)
    return torch.where(y.abs() >= x.abs(), vertical, horizontal)


def _held_out() -> Bool[Tensor, " p"]:
    """Which pairs are held out; pair p is shape p // 6 in colour p % 6."""
    return torch.tensor([(shape, colour) in HELD_OUT for shape in SHAPES for colour in COLOURS])


def _draw_pairs(rng: Rng, count: Int[Tensor, " b"], novel: Bool[Tensor, " b"]) -> Int[Tensor, "b m"]:
    """Different pairs that are not held out; of a novel scene, one of the objects has one that is."""
    held_out = _held_out()
    keys = rng.uniform(len(held_out))
    seen = torch.where(held_out, -1.0, keys).topk(OBJECTS).indices
    one = torch.where(held_out, keys, -1.0).argmax(1)
    which = (rng.uniform() * count).long()
    is_it = novel[:, None] & (torch.arange(OBJECTS) == which[:, None])
    return torch.where(is_it, one[:, None], seen)


def _place(
    rng: Rng, count: Int[Tensor, " b"], size: Int[Tensor, "b m"]
) -> tuple[Float[Tensor, "b m 2"], Int[Tensor, "b k"]]:
    """Centres of the objects, and the relation of the first to each of the others."""
    radius = torch.tensor(RADII)[size] + MARGIN
    unit = rng.uniform(OBJECTS, 2).float()
    axis, low, corner = rng.integers(2), rng.integers(2), rng.integers(2, 2)
    anywhere = radius[..., None] + unit * (SIDE - 2 * radius)[..., None]
    # in halves: along the axis in one's half, across it near a common line
    half = torch.stack([low, 1 - low, low], 1) * (SIDE / 2)
    along = half + radius + unit[..., 0] * (SIDE / 2 - 2 * radius)
    widest = radius[:, :2].amax(1) + SWAY
    line = widest + rng.uniform().float() * (SIDE - 2 * widest)
    across = line[:, None] + SWAY * (2 * unit[..., 1] - 1)
    in_halves = torch.stack([along, across], 2)
    in_halves = torch.where(axis[:, None, None] == 0, in_halves, in_halves.flip(2))
    # in quarters: the second object differs from the first along the axis, the third along the other one
    step = torch.stack([torch.zeros_like(axis), axis + 1, 2 - axis], 1)[..., None]  # 0: none, 1: y, 2: x
    quarter = (corner[:, None] + (step == torch.tensor([1, 2]))) % 2
    sway = (SIDE / 4 - radius).clamp_max(SWAY)[..., None]
    in_quarters = (quarter + 0.5) * (SIDE / 2) + sway * (2 * unit - 1)
    centre = torch.where(count[:, None, None] == 1, anywhere, in_halves)
    centre = torch.where(count[:, None, None] == 3, in_quarters, centre)
    relation = relation_of(centre[:, :1], centre[:, 1:])
    return centre, torch.where(torch.arange(1, OBJECTS) < count[:, None], relation, -1)
