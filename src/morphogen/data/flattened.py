"""Tables whose columns are the pixels of pictures: label, pixel0, ..., pixel783."""

__all__ = ["WIDE", "flattened_notes"]

import math
import re
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pandas import DataFrame

WIDE = 64  # columns of numbers that may as well be flattened pictures, or sounds
SAMPLE = 200  # rows by which they are recognised
LEVELS = 256
NAMELESS = "column#"  # names of the columns of a file or an array without names, but for their numbers


def flattened_notes(frame: "DataFrame", expression: str, condition: str | None) -> list[str]:
    """A note on columns of one name and a number each that hold bytes, with the expression for pictures.

    Arguments:
        frame: the table.
        expression: that reads it; "df" for one in memory.
        condition: the column of the classes; None: a column beside the pixels, if it is the only one.
    """
    shapes = {name: re.sub(r"\d+", "#", str(name)) for name in frame}
    shape, count = Counter(shapes.values()).most_common(1)[0]
    pixels = [name for name in frame if shapes[name] == shape]
    others = [name for name in frame if shapes[name] != shape]
    if not others and _side(count) is None and _side(count - 1) is not None:
        pixels, others = pixels[1:], pixels[:1]  # the class stands before the pixels
    is_array = shape == NAMELESS and expression == "df"
    if len(pixels) < WIDE or is_array or not _are_bytes(frame[pixels]):
        return []
    side = _side(len(pixels))
    size = "height, width" if side is None else f"{side}, {side}"
    label = condition if condition in others else others[0] if len(others) == 1 else None
    if shape == NAMELESS:
        expression = f"{expression[:-1]}, header=None)"
        others, label = ([list(frame).index(name) for name in others], label and list(frame).index(label))
    values = f"df.drop(columns={others!r})" if others else "df"
    classes = "" if label is None else f", df[{label!r}]"
    given = "" if expression == "df" else f"df = {expression}; "
    pictures = f"{given}mg.load_data({values}.to_numpy().reshape(-1, {size}){classes})"
    named = shape.replace("#", "1, 2, ...", 1)
    return [f"{len(pixels)} columns {named} are read as a table; if they are pixels: {pictures}"]


def _side(count: int) -> int | None:
    """The side of a square of so many pixels; None: they are none."""
    side = math.isqrt(max(count, 0))
    return side if side * side == count else None


def _are_bytes(frame: "DataFrame") -> bool:
    """Whether the first rows have whole numbers from 0 to 255."""
    from pandas import to_numeric

    cells = frame.head(SAMPLE).apply(to_numeric, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    return bool(((cells >= 0) & (cells < LEVELS) & (cells % 1 == 0)).all())
