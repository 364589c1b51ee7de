"""Sample sheet: a labelled row of samples per model, below a row of real data.

No paper: this is a visualization, not a metric.
"""

__all__ = ["sheet"]

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Shaped
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.media import is_text
from morphogen.representations.given import as_tensor, check_shape
from morphogen.representations.pixels import Pixels
from morphogen.representations.text import Bytes
from morphogen.samples import Samples
from morphogen.wrong_calls import explains_calls

BACKGROUND, FOREGROUND, RULE = "#ffffff", "#1b1f24", "#d9dde2"
CHANNELS = (1, 3)  # of pictures, grey or RGB
TILE = 64  # smallest side of a picture, in pixels
GAP, MARGIN, ROW_GAP = 4, 24, 14  # between pictures, around the sheet and between rows, in pixels
FONT_SIZE = 18  # of the labels
CHAR_WIDTH, LINE_HEIGHT, LINE_CHARS = 6, 12, 80  # of text samples: pixels, pixels, characters per line
MOST_PICTURES, MOST_TEXTS, MOST_LINES = 1000, 100, 500  # in a strip; it says how many more there are


@explains_calls
def sheet(
    rows: Mapping[str, Shaped[Tensor, "_ ..."] | Sequence[Image.Image | str] | Samples], columns: int = 20
) -> Image.Image:
    """Draw one row per label, in the given order; a line separates the first (real data) from the others.

    At most 1000 pictures or 100 texts are drawn per row.

    Arguments:
        rows: label -> samples: `Samples`, pictures (PIL images, or uint8 or floats in [-1, 1] of shape
            [N, C, H, W], [N, H, W] or [N, H, W, C]) or texts (strings, or bytes int64 [N, T]). No room is
            left for labels if "" is the only one.
        columns: largest number of pictures side by side; more are wrapped.

    Errors: ConfigError for samples without a label, or of another shape.
    """
    if not isinstance(rows, Mapping):
        raise ConfigError(
            f'rows are of type {type(rows).__name__}: give them by label, {{"samples": samples}}'
        )
    font = ImageFont.load_default(FONT_SIZE)
    strips = {label: _strip(samples, columns) for label, samples in rows.items()}
    if not strips:
        raise ValueError("cannot draw a sheet: rows is empty")
    label_width = max(font.getlength(label) for label in strips)
    left = MARGIN + (round(label_width) + MARGIN if label_width else 0)
    width = left + max(strip.width for strip in strips.values()) + MARGIN
    row_heights = [max(strip.height, FONT_SIZE) for strip in strips.values()]
    gaps = (len(strips) - 1) * ROW_GAP + (ROW_GAP if len(strips) > 1 else 0)
    canvas = Image.new("RGB", (width, 2 * MARGIN + sum(row_heights) + gaps), BACKGROUND)
    draw, y = ImageDraw.Draw(canvas), MARGIN
    for i, (label, strip) in enumerate(strips.items()):
        if i == 1:
            draw.line([(MARGIN, y), (width - MARGIN - 1, y)], fill=RULE, width=2)
            y += ROW_GAP
        draw.text((MARGIN, y + row_heights[i] // 2), label, fill=FOREGROUND, font=font, anchor="lm")
        canvas.paste(strip, (left, y + (row_heights[i] - strip.height) // 2))
        y += row_heights[i] + ROW_GAP
    return canvas


def _present(samples: Any) -> list[Any]:
    """Pictures or texts of the medium, an array or a tensor of it; others are these already."""
    if not hasattr(samples, "ndim"):
        if wrong := [one for one in samples if not (is_text([one]) or hasattr(one, "convert"))]:
            kind = type(wrong[0]).__name__
            raise ConfigError(f"samples of type {kind}: give pictures [N, C, H, W] in [-1, 1] or texts")
        return list(samples)
    values = as_tensor(samples, "samples")
    if values.is_floating_point() or values.ndim > 2:
        return _pictures(values)
    check_shape(values, (None,), "texts")
    return Bytes(values.shape[1]).present(values)


def _pictures(values: Shaped[Tensor, "n ..."]) -> list[Any]:
    """Pictures [N, H, W], [N, C, H, W] or [N, H, W, C], of bytes or of floats. Errors: ConfigError."""
    if values.ndim == 3:
        values = values[:, None]
    elif values.ndim == 4 and values.shape[1] not in CHANNELS and values.shape[3] in CHANNELS:
        values = values.permute(0, 3, 1, 2)
    if values.ndim != 4 or values.shape[1] not in CHANNELS:
        raise ConfigError(f"pictures have shape {list(values.shape)}: give [N, C, H, W] in [-1, 1]")
    values = values * (2 / 255) - 1 if values.dtype == torch.uint8 else values
    shape = values.shape[1], values.shape[2], values.shape[3]
    return Pixels(256, shape).present(Pixels(256, shape).check(values))


def _strip(samples: Any, columns: int) -> Image.Image:
    """The first samples, and a line that says of how many."""
    samples = samples.to_displayable() if hasattr(samples, "to_displayable") else samples
    if not hasattr(samples, "__len__") or hasattr(samples, "keys") or type(samples) is str:
        kind = type(samples).__name__
        raise ConfigError(f"samples are of type {kind}: give samples, pictures or a list of texts")
    shown: list[Any] = _present(samples[:MOST_PICTURES])
    shown = shown[:MOST_TEXTS] if is_text(shown) else shown
    strip = _text_strip(shown) if is_text(shown) else _picture_strip(shown, columns)
    if len(shown) == len(samples):
        return strip
    line = _text_strip([f"the first {len(shown):,} of {len(samples):,}"])
    whole = Image.new("RGB", (max(strip.width, line.width), strip.height + line.height), BACKGROUND)
    whole.paste(strip)
    whole.paste(line, (0, strip.height))
    return whole


def _picture_strip(pictures: list[Image.Image], columns: int) -> Image.Image:
    """Pictures side by side, each enlarged by an integer factor without smoothing."""
    if not pictures:
        return Image.new("RGB", (1, TILE), BACKGROUND)
    width, height = max(p.width for p in pictures), max(p.height for p in pictures)
    zoom = max(1, -(-TILE // max(width, height)))
    columns = min(columns, len(pictures))
    lines = -(-len(pictures) // columns)
    size = columns * (width * zoom + GAP) - GAP, lines * (height * zoom + GAP) - GAP
    strip = Image.new("RGB", size, BACKGROUND)
    for i, picture in enumerate(pictures):
        tile = picture.convert("RGB").resize(
            (picture.width * zoom, picture.height * zoom), Image.Resampling.NEAREST
        )
        strip.paste(tile, (i % columns * (width * zoom + GAP), i // columns * (height * zoom + GAP)))
    return strip


def _text_strip(texts: list[str]) -> Image.Image:
    """Texts in Pillow's fixed-width bitmap font at double size; a bar marks the start of each text."""
    lines = [
        (i == 0, text[i : i + LINE_CHARS])
        for text in map(_printable, texts)
        for i in range(0, max(1, len(text)), LINE_CHARS)
    ]
    if len(lines) > MOST_LINES:
        lines[MOST_LINES:] = [(True, f"and {len(lines) - MOST_LINES:,} more lines")]
    font, indent = ImageFont.load_default_imagefont(), 6
    size = indent + max(len(line) for _, line in lines) * CHAR_WIDTH, len(lines) * LINE_HEIGHT
    strip = Image.new("RGB", size, BACKGROUND)
    draw = ImageDraw.Draw(strip)
    for row, (first, line) in enumerate(lines):
        draw.text((indent, row * LINE_HEIGHT), line, fill=FOREGROUND, font=font)
        if first:
            draw.line([(0, row * LINE_HEIGHT + 1), (0, (row + 1) * LINE_HEIGHT - 2)], fill=FOREGROUND)
    return strip.resize((strip.width * 2, strip.height * 2), Image.Resampling.NEAREST)


def _printable(text: str) -> str:
    """The text in the font's Latin-1 characters: newlines become pilcrows, other characters middle dots."""
    return "".join("\xb6" if c == "\n" else c if c.isprintable() and ord(c) < 256 else "\xb7" for c in text)
