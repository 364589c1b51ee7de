"""Further sections of the report, each from one key of the rows: figures, and strips of small pictures.

A measure that needs more room than a column of the table puts a mapping into its row,

    row[key] = {"figures": {measure: figure}, "pictures": [{"label": TEXT, "png": BASE64 or "svg": MARKUP}]}

and a line into SECTIONS, with its measures: their headings and meanings; the template is not changed. A
section without any such row is omitted, and so is a figure without a measure. Models are ranked by measures
of `rows` only; others have no better direction.
"""

__all__ = ["SECTIONS", "Section", "SectionSpec", "sections"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from morphogen.report.caption_section import caption_measures
from morphogen.report.rows import Measure, Row
from morphogen.report.strips import Strip, recorded_tile
from morphogen.report.table import Cell, table, with_figures
from morphogen.report.table_section import Listing, rules_listing, table_measures

COLUMNS = 5  # pictures side by side


@dataclass(frozen=True)
class SectionSpec:
    """Key of the rows, title, a lead sentence that says how to read it, measures and a further table."""

    key: str
    title: str
    lead: str
    measures: Callable[[Sequence[Row]], Sequence[Measure]] = lambda rows: ()
    listing: Callable[[Sequence[Row]], Listing | None] = lambda rows: None


@dataclass(frozen=True)
class Section:
    """A section with its figures: a cell per row and measure."""

    spec: SectionSpec
    columns: Sequence[Measure]
    lines: Sequence[tuple[Row, Sequence[Cell]]]
    strips: Sequence[Strip]
    listing: Listing | None


SECTIONS = (
    SectionSpec(
        "table",
        "Columns, pairs and rules of the table",
        "How well the samples keep the distribution of each column, the relation of each pair of columns, "
        "and the rules that always hold in the data; how useful they are; and how near to training rows.",
        table_measures,
        rules_listing,
    ),
    SectionSpec(
        "captions",
        "What the captions ask for",
        "Which of the objects, attributes and relations that its caption asks for a sample shows; real "
        "pictures say how well that can be read.",
        caption_measures,
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
    shown = [row for row in rows if row.source.get(spec.key)]
    columns = with_figures(shown, spec.measures(shown))
    lines = list(zip(shown, table(shown, columns), strict=True)) if columns else []
    strips = []
    for row in shown:
        if pictures := row.source[spec.key].get("pictures"):
            tiles = [recorded_tile(picture) for picture in pictures]
            strips.append(Strip(row, tiles, min(len(tiles), COLUMNS), labelled=True))
    listing = spec.listing(shown)
    return Section(spec, columns, lines, strips, listing) if lines or strips or listing else None
