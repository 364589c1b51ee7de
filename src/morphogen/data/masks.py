"""Masks of pictures: white where to redraw, black or transparent where to keep."""

__all__ = ["read_mask"]

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool
from PIL import Image
from torch import Tensor

from morphogen.data.dataset import DataError
from morphogen.data.folders import SKIPPED
from morphogen.data.pictures import fit, open_picture

ASPECT = 0.02  # largest difference in shape of a mask and its pictures: sides are rounded
GREY = 64, 192  # brightness that is neither black nor white
COLOURED = 64  # difference of the channels of a pixel above which it is neither, either
REMEDY = "paint white where to redraw, and black where to keep"


def read_mask(path: Path, shape: tuple[int, int, int], pictures: Sequence[Path]) -> Bool[Tensor, "h w"]:
    """Where a picture is white; cropped and resized as the pictures that it belongs to.

    On a transparent layer, white strokes count, and what is transparent is black.

    Arguments:
        path: of the mask.
        shape: of the model's pictures.
        pictures: that the mask is for; the mask is of their shape, or of the model's.

    Errors: DataError for a mask of another shape, for one in colours, for a photograph with transparent
    parts, and for a mask that is the same everywhere.
    """
    mask, size = open_picture(path, shape, ground=""), (shape[2], shape[1])
    for picture in pictures:
        width, height = open_picture(picture, shape).size
        if mask.size != size and abs(mask.width * height / (mask.height * width) - 1) > ASPECT:
            raise DataError(
                f"{path}: {mask.width} x {mask.height} pixels, but {picture} has {width} x {height}; "
                f"paint the mask on the picture, or on one of {size[0]} x {size[1]}"
            )
    light = _lightness(path, mask)
    white = _white(fit(light, size))
    if white.all() or not white.any():
        raise DataError(f"{path}: {_why_same(light, size, is_white=bool(white.all()))}")
    return torch.from_numpy(white)


def _lightness(path: Path, mask: Image.Image) -> Image.Image:
    """A mask as grey; black where it is transparent. Errors: DataError for a photograph."""
    light, alpha = np.asarray(mask.convert("L"), dtype=np.float64), np.ones((mask.height, mask.width))
    if mask.mode.endswith("A"):
        alpha = np.asarray(mask.getchannel("A"), dtype=np.float64) / 255
    visible = alpha > 0.5
    if _is_coloured(mask)[visible].sum() > SKIPPED * visible.sum():
        raise DataError(f"{path}: a picture in colours is no mask; {REMEDY}")
    grey = (light[visible] > GREY[0]) & (light[visible] < GREY[1])
    if alpha.min() < 1 and grey.sum() > SKIPPED * visible.sum():
        raise DataError(f"{path}: a picture with transparent parts is no mask; {REMEDY}")
    return Image.fromarray((light * alpha).round().astype(np.uint8))


def _is_coloured(mask: Image.Image) -> Bool[np.ndarray, "h w"]:
    return np.ptp(np.asarray(mask.convert("RGB")), axis=2) > COLOURED


def _white(light: Image.Image) -> Bool[np.ndarray, "h w"]:
    return np.asarray(light) >= 128


def _why_same(light: Image.Image, size: tuple[int, int], is_white: bool) -> str:
    """Why the mask is white, or black, everywhere in the size of the model, and the remedy."""
    missing, effect, remedy = (
        ("black", "nothing would be kept", "paint black what is to stay")
        if is_white
        else ("white", "nothing would be redrawn", "paint white what is to change")
    )
    if (_white(light) == is_white).all():
        found = "contains nothing but white" if is_white else "contains no white"
        return f"{found}, so {effect}; {remedy}"
    scale = min(light.width / size[0], light.height / size[1])
    centre = round(size[0] * scale), round(size[1] * scale)
    if (_white(fit(light, centre)) == is_white).all():
        return (
            f"its {missing} lies outside the central {centre[0]} x {centre[1]} pixels, to which pictures are "
            f"cropped as for training, so {effect}; {remedy} within these"
        )
    return (
        f"its {missing} is too thin to be seen at {size[0]} x {size[1]} pixels, so {effect}; paint it broader"
    )
