"""The picture people look at: a labelled row of samples for each model, under a row of real data. No paper: a picture, not a measure."""

__all__ = ["sheet"]

from collections.abc import Mapping, Sequence

from jaxtyping import Shaped
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from morphogen.representations.pixels import Pixels
from morphogen.representations.text import Bytes

PAPER, INK, FAINT = "#ffffff", "#1b1f24", "#d9dde2"
TILE, GAP, MARGIN, BAND = 64, 4, 24, 14  # least side of a picture, between pictures, around the sheet, between rows
SIZE = 18  # of the labels' letters
PITCH, LINE, WIDTH = 6, 12, 80  # of text samples: width of a letter, height of a line, letters a line


def sheet(rows: Mapping[str, Shaped[Tensor, "_ ..."] | Sequence[Image.Image | str]], columns: int = 20) -> Image.Image:
    """One row a label, in the order given; a line sets the first (real data) apart from the rest.

    Arguments:
        rows: label -> samples: pictures (PIL, or the medium [N, C, H, W] in [-1, 1]) or texts (str, or bytes int64 [N, T]).
            The label "" leaves no room for labels if it stands alone.
        columns: pictures side by side; more of them go on the next line.
    """
    font = ImageFont.load_default(SIZE)
    strips = {label: _strip(_present(samples), columns) for label, samples in rows.items()}
    if not strips:
        raise ValueError("nothing to show: rows is empty")
    named = max(font.getlength(label) for label in strips)
    left = MARGIN + (round(named) + MARGIN if named else 0)
    width = left + max(strip.width for strip in strips.values()) + MARGIN
    height = 2 * MARGIN + sum(max(strip.height, SIZE) + BAND for strip in strips.values()) - BAND + (BAND if len(strips) > 1 else 0)
    page = Image.new("RGB", (width, height), PAPER)
    pen, y = ImageDraw.Draw(page), MARGIN
    for i, (label, strip) in enumerate(strips.items()):
        if i == 1:
            pen.line([(MARGIN, y), (width - MARGIN - 1, y)], fill=FAINT, width=2)
            y += BAND
        tall = max(strip.height, SIZE)
        pen.text((MARGIN, y + tall // 2), label, fill=INK, font=font, anchor="lm")
        page.paste(strip, (left, y + (tall - strip.height) // 2))
        y += tall + BAND
    return page


def _present(samples: Tensor | Sequence[Image.Image | str]) -> list[Image.Image | str]:
    if not isinstance(samples, Tensor):
        return list(samples)
    if samples.is_floating_point():
        return Pixels(256, (samples.shape[1], samples.shape[2], samples.shape[3])).present(samples)
    return Bytes(samples.shape[1]).present(samples)


def _strip(samples: list[Image.Image | str], columns: int) -> Image.Image:
    texts = [sample for sample in samples if isinstance(sample, str)]
    return _written(texts) if texts else _tiled([s for s in samples if isinstance(s, Image.Image)], columns)


def _tiled(pictures: list[Image.Image], columns: int) -> Image.Image:
    """Pictures side by side, each pixel a whole number of the sheet's, so that nothing is smoothed that the model drew."""
    if not pictures:
        return Image.new("RGB", (1, TILE), PAPER)
    wide, high = max(p.width for p in pictures), max(p.height for p in pictures)
    zoom = max(1, -(-TILE // max(wide, high)))
    columns = min(columns, len(pictures))
    lines = -(-len(pictures) // columns)
    strip = Image.new("RGB", (columns * (wide * zoom + GAP) - GAP, lines * (high * zoom + GAP) - GAP), PAPER)
    for i, picture in enumerate(pictures):
        tile = picture.convert("RGB").resize((picture.width * zoom, picture.height * zoom), Image.Resampling.NEAREST)
        strip.paste(tile, (i % columns * (wide * zoom + GAP), i // columns * (high * zoom + GAP)))
    return strip


def _written(texts: list[str]) -> Image.Image:
    """Texts in Pillow's fixed-width bitmap letters, doubled; a rule marks where each begins, line ends show as a pilcrow."""
    lines = [(i == 0, shown[i : i + WIDTH]) for shown in map(_shown, texts) for i in range(0, max(1, len(shown)), WIDTH)]
    font, indent = ImageFont.load_default_imagefont(), 6
    strip = Image.new("RGB", (indent + max(len(line) for _, line in lines) * PITCH, len(lines) * LINE), PAPER)
    pen = ImageDraw.Draw(strip)
    for row, (begins, line) in enumerate(lines):
        pen.text((indent, row * LINE), line, fill=INK, font=font)
        if begins:
            pen.line([(0, row * LINE + 1), (0, (row + 1) * LINE - 2)], fill=INK)
    return strip.resize((strip.width * 2, strip.height * 2), Image.Resampling.NEAREST)


def _shown(text: str) -> str:
    """What the letters of the font (Latin-1) can show of a text."""
    return "".join("\xb6" if c == "\n" else c if c.isprintable() and ord(c) < 256 else "\xb7" for c in text)
