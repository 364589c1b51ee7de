"""The first rows of a table as a picture or as text: a header, and columns that are aligned.

No paper: this is a visualization, not a metric.
"""

__all__ = ["aligned", "picture"]

from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from pandas import DataFrame, Series

LONGEST = 18  # characters of a cell
MOST_COLUMNS, WIDTH = 24, 100  # columns of a picture, and characters of a line of text
FONT_SIZE, LINE, GAP, MARGIN = 15, 22, 18, 8  # pixels
BACKGROUND, FOREGROUND, RULE, QUIET = "#ffffff", "#1b1f24", "#d9dde2", "#656d76"


class _Column(NamedTuple):
    """The name and cells of a column as short texts, and whether they are numbers, aligned to the right."""

    texts: list[str]
    is_number: bool


def picture(frame: "DataFrame", total: int) -> Image.Image:
    """Draw the rows of a table.

    Arguments:
        frame: the rows to show.
        total: number of rows that there are.
    """
    font = ImageFont.load_default(FONT_SIZE)
    columns = _columns(frame)
    shown = columns[:MOST_COLUMNS]
    widths = [round(max(map(font.getlength, column.texts))) for column in shown]
    lefts = list(accumulate((width + GAP for width in widths), initial=MARGIN))
    note = _note(frame, total, len(columns) - len(shown))
    width = max(lefts[-1] - GAP, MARGIN + round(font.getlength(note))) + MARGIN
    lines = 1 + len(frame) + bool(note)
    canvas = Image.new("RGB", (width, 2 * MARGIN + lines * LINE), BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    for left, size, column in zip(lefts, widths, shown, strict=False):
        for row, text in enumerate(column.texts):
            x, anchor = (left + size, "rm") if column.is_number else (left, "lm")
            y = MARGIN + row * LINE + LINE // 2
            draw.text((x, y), text, fill=FOREGROUND if row else QUIET, font=font, anchor=anchor)
    draw.line([(MARGIN, MARGIN + LINE), (width - MARGIN, MARGIN + LINE)], fill=RULE)
    draw.text((MARGIN, MARGIN + (lines - 1) * LINE + LINE // 2), note, fill=QUIET, font=font, anchor="lm")
    return canvas


def aligned(frame: "DataFrame", total: int) -> str:
    """The rows of a table as lines of at most 100 characters.

    Arguments:
        frame: the rows to show.
        total: number of rows that there are.
    """
    columns = _columns(frame)
    widths = [max(map(len, column.texts)) for column in columns]
    ends = accumulate(width + 2 for width in widths)
    fitting = max(1, sum(end - 2 <= WIDTH for end in ends))
    padded = [
        [text.rjust(width) if column.is_number else text.ljust(width) for text in column.texts]
        for column, width in zip(columns[:fitting], widths, strict=False)
    ]
    lines = ["  ".join(row).rstrip() for row in zip(*padded, strict=True)]
    note = _note(frame, total, len(columns) - fitting)
    return "\n".join([*lines, *([note] if note else [])])


def _columns(frame: "DataFrame") -> list[_Column]:
    return [
        _Column([_short(str(name)), *_texts(frame.iloc[:, j])], frame.iloc[:, j].dtype.kind in "iuf")
        for j, name in enumerate(frame.columns)
    ]


def _texts(column: "Series") -> list[str]:
    """The cells as short texts, "" where one is missing."""
    cells = column.astype(object).where(column.notna(), "").tolist()
    return [_short(f"{cell:.10g}" if isinstance(cell, float) else str(cell)) for cell in cells]


def _short(text: str) -> str:
    """A text on one line, cut with an ellipsis."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _note(frame: "DataFrame", total: int, hidden: int) -> str:
    """What is not shown, in words."""
    rows = f"the first {len(frame)} of {total:,} rows" if total > len(frame) else ""
    columns = f"{hidden} more column{'s' * (hidden > 1)}" if hidden else ""
    return ", and ".join(filter(None, [rows, columns]))
