"""A sheet of pictures, each above the prompt that it was drawn for.

No paper: this is a visualization, not a metric.
"""

__all__ = ["prompt_sheet"]

import textwrap
from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from morphogen.component import ConfigError
from morphogen.wrong_calls import explains_calls

TILE, GAP, MARGIN = 112, 10, 12  # pixels: width of a picture, between pictures, around the sheet
FONT_SIZE, LINE, LINES = 13, 16, 3  # of prompts; lines that are shown of each
CHARACTERS = 17  # of a line
BACKGROUND, FOREGROUND = "#ffffff", "#1b1f24"


@explains_calls
def prompt_sheet(
    pictures: Sequence[Image.Image] | Any, prompts: Sequence[str], columns: int = 6
) -> Image.Image:
    """Draw pictures in a grid, each enlarged by an integer factor, with its prompt below.

    Arguments:
        pictures: PIL images, or `Samples` of pictures.
        prompts: one of each picture; more than three lines are cut.
        columns: pictures side by side.

    Errors: ConfigError for another number of prompts, and without pictures.
    """
    shown = list(pictures.decode() if hasattr(pictures, "decode") else pictures)
    if not shown or len(shown) != len(prompts):
        raise ConfigError(f"{len(prompts)} prompts for {len(shown)} pictures: give one for each")
    columns = max(1, min(columns, len(shown)))
    rows, cell = -(-len(shown) // columns), TILE + LINES * LINE + GAP
    size = 2 * MARGIN + columns * (TILE + GAP) - GAP, 2 * MARGIN + rows * cell - GAP
    canvas, font = Image.new("RGB", size, BACKGROUND), ImageFont.load_default(FONT_SIZE)
    draw = ImageDraw.Draw(canvas)
    for i, (picture, prompt) in enumerate(zip(shown, prompts, strict=True)):
        left, top = MARGIN + i % columns * (TILE + GAP), MARGIN + i // columns * cell
        tile = _enlarged(picture)
        canvas.paste(tile, (left + (TILE - tile.width) // 2, top + (TILE - tile.height) // 2))
        lines = textwrap.wrap(prompt, CHARACTERS, max_lines=LINES, placeholder=" ...")
        draw.text(
            (left, top + TILE + 2), "\n".join(lines), fill=FOREGROUND, font=font, spacing=LINE - FONT_SIZE
        )
    return canvas


def _enlarged(picture: Image.Image) -> Image.Image:
    """The picture by the largest integer factor that fits a tile; a larger one is reduced."""
    largest = max(picture.size)
    if largest > TILE:
        return picture.convert("RGB").resize(
            (picture.width * TILE // largest, picture.height * TILE // largest), Image.Resampling.LANCZOS
        )
    zoom = TILE // largest
    size = picture.width * zoom, picture.height * zoom
    return picture.convert("RGB").resize(size, Image.Resampling.NEAREST)
