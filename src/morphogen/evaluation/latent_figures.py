"""Pictures of a latent space: reconstructions, paths between examples, single entries, attributes and a map.

    reconstructions     examples, and the medians of p(x | z) under them
    interpolations      a row per pair of examples, along the arc between their latents
    traversals          a row per entry of z, from -3 to 3, those that vary most over the data first
    attributes          examples, moved along the direction from one class to another
    latent_map          every example at its place in the plane of the first two principal components

No paper: these are visualizations; the methods are cited in `inference.latent_space`.
"""

__all__ = ["attributes", "interpolations", "latent_map", "reconstructions", "traversals"]

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Bool, Float, Shaped
from PIL import Image
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.evaluation.sheet import sheet
from morphogen.inference.latent_space import LatentSpace, attribute, slerp, traversal
from morphogen.media import is_text
from morphogen.numerics.trees import Tree, index, leaves, length
from morphogen.samples import Samples

COLUMNS = 9  # pictures in a row
REACH = 3.0  # of a traversal, in standard deviations of the prior
MAP, TILE, DOT = 1000, 36, 8  # sides of the map, and of a picture and a dot in it, in pixels
COLOURS = (
    "#4e79a7", "#f28e2b", "#e15759", "#76b7b2", "#59a14f", "#edc948", "#b07aa1", "#ff9da7", "#9c755f",
    "#bab0ac",
)  # fmt: skip


def reconstructions(
    space: LatentSpace, medium: Shaped[Tensor, "n ..."], condition: Mapping[str, Tree] | None = None
) -> Image.Image:
    """Examples above their reconstructions."""
    again = space.decode(space.encode(medium, condition), condition)
    return sheet({"example": _shown(space, medium), "reconstruction": again}, columns=len(medium))


def interpolations(
    space: LatentSpace, medium: Shaped[Tensor, "n ..."], condition: Mapping[str, Tree] | None = None
) -> Image.Image:
    """A row for every two successive examples; a condition changes halfway.

    Errors: ConfigError for fewer than two examples, or for several latents.
    """
    if len(medium) < 2:
        raise ConfigError(f"interpolations: {len(medium)} examples: give at least 2")
    z, rows = _single(space.encode(medium, condition)), {}
    for i in range(0, len(medium) - 1, 2):
        path, half = slerp(z[i], z[i + 1], COLUMNS), COLUMNS // 2
        ends = torch.tensor([i] * (COLUMNS - half) + [i + 1] * half)
        rows[f"{i} to {i + 1}"] = space.decode(path, index(dict(condition or {}), ends) or None)
    return sheet(rows, columns=COLUMNS)


def traversals(
    space: LatentSpace,
    medium: Shaped[Tensor, "n ..."],
    condition: Mapping[str, Tree] | None = None,
    rows: int = 8,
) -> Image.Image:
    """The first example with single entries of z changed, those that vary most over the examples first.

    Errors: ConfigError for several latents.
    """
    z = _single(space.encode(medium, condition))
    entries = z.flatten(1).var(0).argsort(descending=True)[:rows].tolist()
    values = torch.linspace(-REACH, REACH, COLUMNS, device=z.device)
    same = index(dict(condition or {}), torch.zeros(COLUMNS, dtype=torch.long)) or None
    moved = {f"z {entry}": space.decode(traversal(z[0], entry, values), same) for entry in entries}
    return sheet(moved, columns=COLUMNS)


def attributes(
    space: LatentSpace,
    medium: Shaped[Tensor, "n ..."],
    has: Bool[Tensor, " n"],
    condition: Mapping[str, Tree] | None = None,
    rows: int = 6,
) -> Image.Image:
    """Examples without an attribute, moved towards those with it: 0 to 1.5 times their difference.

    Arguments:
        space: the latent space.
        medium: the examples.
        has: whether each example has it.
        condition: of the examples, which is kept.
        rows: number of examples to move.

    Errors: ConfigError if all have it or none, and for several latents.
    """
    z = _single(space.encode(medium, condition))
    direction, amounts = attribute(z, has.to(z.device)), torch.linspace(0, 1.5, COLUMNS, device=z.device)
    amounts = amounts.reshape(-1, *[1] * direction.ndim)
    moved = {}
    for i in (~has).nonzero().flatten()[:rows].tolist():
        same = index(dict(condition or {}), torch.full((COLUMNS,), i)) or None
        moved[f"example {i}"] = space.decode(z[i] + amounts * direction, same)
    return sheet(moved, columns=COLUMNS)


def latent_map(
    space: LatentSpace,
    medium: Shaped[Tensor, "n ..."],
    condition: Mapping[str, Tree] | None = None,
    label: Shaped[Tensor, " n"] | None = None,
) -> tuple[Image.Image, float]:
    """Every example at its place, in the colour of its class; and the share of the variance shown.

    Pictures are framed in the colour; a text or a row of a table is a dot.
    Latents of more than two entries are projected on their first two principal components, whose share of the
    variance is returned.
    """
    z = space.encode(medium, condition)
    flat = torch.cat([leaf.flatten(1) for leaf in leaves(z)], 1).cpu().double()
    centred = flat - flat.mean(0)
    _, singular, axes = torch.linalg.svd(centred, full_matrices=False)
    plane = centred @ axes[:2].T if flat.shape[1] > 2 else flat
    share = (singular[:2].square().sum() / singular.square().sum().clamp_min(1e-300)).item()
    place = _placed(plane)
    canvas = Image.new("RGB", (MAP, MAP), "#ffffff")
    for i, picture in enumerate(_pictures(space, medium)):
        colour = "#1b1f24" if label is None else COLOURS[int(label[i]) % len(COLOURS)]
        side = DOT if picture is None else TILE + 4
        tile = Image.new("RGB", (side, side), colour)
        if picture is not None:
            tile.paste(picture.convert("RGB").resize((TILE, TILE)), (2, 2))
        canvas.paste(tile, (int(place[i, 0]), int(place[i, 1])))
    return canvas, share


def _pictures(space: LatentSpace, medium: Tree) -> list[Any]:
    """A picture of each example; None, if it is no picture."""
    shown = _shown(space, medium).to_displayable()
    none = is_text(shown) or len(shown) != length(medium)
    return [None] * length(medium) if none else shown


def _placed(plane: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
    """Corners of the tiles, between the 1st and 99th percentiles of each axis; the second axis points up."""
    low, high = plane.quantile(0.01, 0), plane.quantile(0.99, 0)
    unit = ((plane - low) / (high - low).clamp_min(1e-12)).clamp(0, 1)
    unit[:, 1] = 1 - unit[:, 1]
    return unit * (MAP - TILE - 4)


def _shown(space: LatentSpace, medium: Tensor) -> Samples:
    return Samples(medium, {}, space.model.representation)


def _single(z: Tree) -> Any:
    """The latent. Errors: ConfigError for several of them."""
    if isinstance(z, Mapping):
        raise ConfigError(
            f"the model has several latents ({', '.join(z)}): a path between them is not one line"
        )
    return z
