r"""Reader of scenes: the objects, colours, sizes and relations that a picture shows, from its pixels alone.

    1. foreground     pixels farther than half of the palest colour from white
    2. objects        its connected components (four neighbours) of at least 8 pixels
    3. each object    the template a of shape, size and blur, put at the centroid of x - white, that leaves
                      least of it, with the colour c that fits it best:

            E(a) = min_c sum_p |x_p - white - a_p (c - white)|^2,     c - white = sum a (x - white) / sum a^2

which is maximum likelihood under Gaussian noise. The colour is the nearest one of the palette. An object that
no template explains (E above 0.3 of its energy) or whose colour is far from the palette is not read, as in
pictures of noise. No learned part, no randomness. Reference: template matching by least squares.
"""

__all__ = ["SceneReader"]

from collections.abc import Sequence
from itertools import permutations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from morphogen.data.shapes.scene_captions import read_captions
from morphogen.data.shapes.scene_pictures import coverage, palette
from morphogen.data.shapes.scenes import OBJECTS, RADII, SHAPES, SIDE, SIZES, Scenes, is_novel, relation_of

FOREGROUND = 0.85  # distance from white: half of that of yellow, the palest colour
REACH = 8  # pixels around a centroid that are compared with templates
SPECK = 8  # pixels, below which a component is no object
READ = OBJECTS + 2  # objects of a picture that are read, the largest first
BLURS = (0.0, 0.9)  # standard deviations in pixels of the templates
MISFIT, OFF_COLOUR = (
    0.3,
    0.5,
)  # largest fraction of the energy that is not explained; distance from the palette
MEASURED = ("shape", "colour", "size", "attributes", "relation", "count", "scene")
AT_ONCE = 256
TINY = 1e-6  # pictures


class SceneReader:
    """Reads which objects pictures show, and whether they are those that captions ask for."""

    def read(self, pictures: Float[Tensor, "n 3 h w"]) -> Scenes:
        """The objects of pictures in [-1, 1], [N, 3, 32, 32], the largest first; READ at most, -1: no more.

        `relation` is that of the first object to the others.
        """
        read = [_read(rows) for rows in pictures.float().cpu().split(AT_ONCE)]
        return Scenes(*(torch.cat(fields) for fields in zip(*read, strict=True)))

    def groups(self, captions: Sequence[str]) -> dict[str, Bool[Tensor, " n"]]:
        """Which captions are of which kind: of pairs that training has, and of held-out ones."""
        novel = is_novel(read_captions(captions))
        return {"seen": ~novel, "held_out": novel}

    def score(
        self, shown: Scenes, captions: Sequence[str]
    ) -> dict[str, tuple[Int[Tensor, " n"], Int[Tensor, " n"]]]:
        """How much of what captions ask for is shown: how many are right, and asked for, by row and measure.

            shape, colour, size    of the objects that are asked for; a missing object is wrong
            attributes             all of these
            relation               between two objects that have the right shape and colour
            count                  1 for as many objects as asked for
            scene                  1 if all of this is right

        Each object that is asked for is compared with another object of the picture, such that most
        attributes agree, and then most relations. A relation whose objects are not drawn is wrong, as in the
        unconditional score of VISOR (Gokhale et al. 2022). Errors: ConfigError for other captions.
        """
        asked = read_captions(captions)
        right = _agreement(asked, shown)
        found = {name: value.sum(1) for name, value in right.items()}
        wanted = {name: (getattr(asked, name) >= 0).sum(1) for name in right}
        for totals in (found, wanted):
            totals["attributes"] = totals["shape"] + totals["colour"] + totals["size"]
        count = shown.present.sum(1) == asked.present.sum(1)
        whole = count & torch.stack([found[name] == wanted[name] for name in right]).all(0)
        found |= {"count": count.long(), "scene": whole.long()}
        return {name: (found[name], wanted.get(name, torch.ones_like(found["count"]))) for name in MEASURED}


def _read(pictures: Float[Tensor, "b 3 h w"]) -> tuple[Tensor, ...]:
    """The fields of the scenes of pictures."""
    x = pictures.clamp(-1.5, 1.5) - 1
    regions, rows = _components(x.square().sum(1).sqrt() > FOREGROUND)
    own = x[rows] * regions[:, None]
    direction = F.normalize(own.sum((2, 3)), dim=1)
    weight = (own * direction[..., None, None]).sum(1)
    mass = weight.sum((1, 2)).clamp_min(TINY)
    middle = torch.arange(SIDE) + 0.5
    centroid = torch.stack([(weight.sum(axis) * middle).sum(1) for axis in (2, 1)], 1) / mass[:, None]
    *fields, is_read = _match(own, centroid.clamp(0, SIDE - 1))
    return _gather(len(pictures), rows[is_read], *(field[is_read] for field in (*fields, mass)))


def _components(foreground: Bool[Tensor, "b h w"]) -> tuple[Bool[Tensor, "m h w"], Int[Tensor, " m"]]:
    """The pixels of each component, with those next to it; and its picture."""
    from scipy.ndimage import label as connected

    beside = np.zeros((3, 3, 3), dtype=bool)
    beside[1] = [[0, 1, 0], [1, 1, 1], [0, 1, 0]]  # neighbours in the same picture
    labels = torch.from_numpy(connected(foreground.numpy(), beside)[0].astype(np.int64))
    sizes = labels.flatten().bincount()
    picture = torch.arange(len(labels))[:, None, None].expand_as(labels)
    picture_of = torch.zeros_like(sizes).scatter(0, labels.flatten(), picture.flatten())
    names = 1 + (sizes[1:] >= SPECK).nonzero()[:, 0]
    around = F.max_pool2d(labels[:, None].float(), 3, 1, 1)[:, 0].long()
    regions = torch.where(labels > 0, labels, around)
    return regions[picture_of[names]] == names[:, None, None], picture_of[names]


def _match(
    own: Float[Tensor, "m 3 h w"], centroid: Float[Tensor, "m 2"]
) -> tuple[Int[Tensor, " m"], Int[Tensor, " m"], Int[Tensor, " m"], Float[Tensor, "m 2"], Bool[Tensor, " m"]]:
    """Shape, colour, size and centre of each object, and whether a template explains it."""
    m, kinds = len(own), len(SHAPES) * len(SIZES)
    corner = centroid.floor() - REACH
    shape = torch.arange(kinds) // len(SIZES)
    radius = torch.tensor(RADII)[torch.arange(kinds) % len(SIZES)]
    drop = torch.where(shape == SHAPES.index("triangle"), radius / 3, 0.0)  # of the centroid below the centre
    centre = centroid[:, None] - torch.stack([drop, torch.zeros(kinds)], 1)
    near = (centre - corner[:, None]).flatten(0, 1)
    sharp = coverage(shape.repeat(m), radius.repeat(m), near, 2 * REACH + 1).unflatten(0, (m, kinds))
    templates = torch.stack([_blurred(sharp, blur) for blur in BLURS], 2)  # [M, kinds, blurs, H, W]
    mass = templates.square().sum((3, 4)).clamp_min(TINY)
    fit = torch.einsum("mkbhw,mchw->mkbc", templates, _cut(own, corner)) / mass[..., None]
    energy = own.square().sum((1, 2, 3)).clamp_min(TINY)
    left = 1 - (fit.square().sum(3) * mass).div(energy[:, None, None])
    least, blur = left.min(2)
    least, best = least.min(1)
    rows = torch.arange(m)
    distance = torch.cdist(fit[rows, best, blur[rows, best]], palette() * (2 / 255) - 2)
    off, colour = distance.min(1)
    is_read = (least < MISFIT) & (off < OFF_COLOUR)
    return shape[best], colour, best % len(SIZES), centre[rows, best], is_read


def _cut(own: Float[Tensor, "m 3 h w"], corner: Float[Tensor, "m 2"]) -> Float[Tensor, "m 3 s s"]:
    """The pixels around each object, 2 REACH + 1 a side, from a corner that may lie outside of the canvas."""
    side = torch.arange(2 * REACH + 1)
    y, x = ((corner[:, axis, None].long() + REACH + side) for axis in range(2))
    padded = F.pad(own, (REACH, REACH + 1, REACH, REACH + 1))
    rows = torch.arange(len(own))[:, None, None]
    return padded.permute(0, 2, 3, 1)[rows, y[:, :, None], x[:, None, :]].permute(0, 3, 1, 2)


def _blurred(alpha: Float[Tensor, "m k h w"], deviation: float) -> Float[Tensor, "m k h w"]:
    """Convolved with a Gaussian of this standard deviation in pixels."""
    if not deviation:
        return alpha
    kernel = torch.exp(-torch.arange(-3, 4).square() / (2 * deviation**2))
    kernel = (kernel / kernel.sum()).view(1, 1, 1, 7)
    rows = F.conv2d(alpha.flatten(0, 1)[:, None], kernel, padding=(0, 3))
    return F.conv2d(rows, kernel.mT, padding=(3, 0)).view_as(alpha)


def _gather(
    n: int, rows: Int[Tensor, " m"], shape: Tensor, colour: Tensor, size: Tensor, centre: Tensor, mass: Tensor
) -> tuple[Tensor, ...]:
    """The fields of `Scenes`: the objects of each picture, the largest first."""
    order = mass.argsort(descending=True, stable=True)
    order = order[rows[order].argsort(stable=True)]
    rows = rows[order]
    place = torch.arange(len(rows)) - torch.searchsorted(rows, rows)
    kept = place < READ
    at, order = (rows[kept], place[kept]), order[kept]
    fields = []
    for values in (shape, colour, size):
        field = torch.full((n, READ), -1)
        field[at] = values[order]
        fields.append(field)
    middle = torch.full((n, READ, 2), torch.nan)
    middle[at] = centre[order]
    relation = relation_of(middle[:, :1], middle[:, 1:])
    return *fields, torch.where(fields[0][:, 1:] >= 0, relation, -1), middle


def _agreement(asked: Scenes, shown: Scenes) -> dict[str, Bool[Tensor, "n _"]]:
    """Which attributes of the asked objects, and which relations, are right, in the best assignment."""
    places = torch.tensor(list(permutations(range(READ), OBJECTS)))  # [P, OBJECTS], P assignments
    right = {}
    for name in ("shape", "colour", "size"):
        wanted = getattr(asked, name)[:, None]
        right[name] = (getattr(shown, name)[:, places] == wanted) & (wanted >= 0)
    drawn = right["shape"] & right["colour"]
    holds = relation_of(shown.centre[:, places[:, :1]], shown.centre[:, places[:, 1:]])
    wanted = asked.relation[:, None]
    right["relation"] = (holds == wanted) & (wanted >= 0) & drawn[..., :1] & drawn[..., 1:]
    attributes = sum(right[name].sum(2) for name in ("shape", "colour", "size"))
    best = (attributes * OBJECTS + right["relation"].sum(2)).argmax(1)
    rows = torch.arange(len(best))
    return {name: value[rows, best] for name, value in right.items()}
