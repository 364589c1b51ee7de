"""Further sections of the report, each from one key of the rows: figures, and strips of small pictures.

A measure that needs more room than a column of the table puts a mapping into its row,

    row[key] = {"figures": {heading: figure}, "pictures": [{"label": TEXT, "png": BASE64 or "svg": MARKUP}]}

and a line into SECTIONS; the template is not changed. A section without any such row is omitted.
"""

__all__ = ["SECTIONS", "Section", "SectionSpec", "sections"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from morphogen.report.rows import Row, two_decimals
from morphogen.report.strips import Strip, recorded_tile
from morphogen.report.table import Cell

COLUMNS = 5  # pictures side by side


@dataclass(frozen=True)
class SectionSpec:
    """Key of the rows, title, and a lead sentence that says how to read the section."""

    key: str
    title: str
    lead: str


@dataclass(frozen=True)
class Section:
    """A section with its figures: a cell per row and heading."""

    spec: SectionSpec
    headings: Sequence[str]
    lines: Sequence[tuple[Row, Sequence[Cell]]]
    strips: Sequence[Strip]


SECTIONS = (
    SectionSpec(
        "table",
        "Columns, pairs and rules of the table",
        "How well the samples keep the distribution of each column, the relation of each pair of columns, "
        "and the rules that always hold in the data.",
    ),
    SectionSpec(
        "nearest",
        "Nearest training examples",
        "Samples beside their nearest training examples: a copy is unusually near one of them.",
    ),
)


def sections(rows: Sequence[Row], specs: Sequence[SectionSpec] = SECTIONS) -> list[Section]:
    """The sections that at least one row has something for, in the order of `specs`."""
    return [found for spec in specs if (found := _section(spec, rows)) is not None]


def _section(spec: SectionSpec, rows: Sequence[Row]) -> Section | None:
    contents = [(row, row.source.get(spec.key) or {}) for row in rows]
    headings = list(dict.fromkeys(name for _, content in contents for name in content.get("figures") or {}))
    lines = [
        (row, [_cell(row, spec.key, i, content["figures"].get(name)) for i, name in enumerate(headings)])
        for row, content in contents
        if content.get("figures")
    ]
    strips = []
    for row, content in contents:
        if pictures := content.get("pictures"):
            tiles = [recorded_tile(picture) for picture in pictures]
            strips.append(Strip(row, tiles, min(len(tiles), COLUMNS), labelled=True))
    return Section(spec, headings, lines, strips) if lines or strips else None


def _cell(row: Row, key: str, column: int, figure: Mapping[str, Any] | None) -> Cell:
    anchor = row.cell(f"{key}-{column}")
    if figure is None or figure.get("value") is None:
        return Cell(anchor, "–")
    low, high = figure.get("low"), figure.get("high")
    interval = "" if low is None or high is None else f"{two_decimals(low)} – {two_decimals(high)}"
    return Cell(anchor, two_decimals(figure["value"]), interval)
