"""The section about samples of a table: its columns, and the rules that hold in the data.

Each figure is a column with an entry in the glossary; that of a predicted column says how well real rows
predict it. The rules are listed with the fraction of held-out rows, and of the samples of each
model, that keep them; the rule that some model breaks most often is first.
"""

__all__ = ["MOST_RULES", "Listing", "predicted_key", "rules_listing", "table_measures"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from morphogen.report.rows import TABLE_MEASURES, Figure, Measure, Row, two_decimals
from morphogen.report.table import Cell

MOST_RULES = 30  # that are listed; the others are in the record
SCORES = {"accuracy": "accuracy", "r2": "R², the fraction of the variance that is explained,"}
CONSTANTS = {"accuracy": "the most frequent category", "r2": "the mean"}


@dataclass(frozen=True)
class Listing:
    """A further table: title, lead sentence, headings, and lines of a label and cells."""

    title: str
    lead: str
    headings: Sequence[str]
    lines: Sequence[tuple[str, Sequence[Cell]]]


def predicted_key(column: str) -> str:
    """Key of the figure that says how useful samples are to predict a column."""
    return f"predicted {column}"


def table_measures(rows: Sequence[Row]) -> list[Measure]:
    """The measures of samples of a table, with one for each column that some row predicts."""
    described = {each["column"]: each for row in rows for each in _details(row).get("usefulness") or ()}
    return [*TABLE_MEASURES, *map(_predicted, described.values())]


def rules_listing(rows: Sequence[Row]) -> Listing | None:
    """The rules of the data and how often they are kept; None if no model was tested against a rule.

    Arguments:
        rows: of the report; the rules are in the details of their tables.
    """
    models = [row for row in rows if row.is_model and _details(row).get("rules")]
    rules = {rule["text"]: rule for row in models for rule in _details(row)["rules"]}
    if not rules:
        return None
    kept = {(row.name, rule["text"]): rule["synthetic"] for row in models for rule in _details(row)["rules"]}

    def worst(text: str) -> float:
        known = [figure["value"] for row in models if (figure := kept.get((row.name, text)))]
        return min(known, default=1.0)

    order = sorted(rules, key=worst)
    lines = []
    for i, text in enumerate(order[:MOST_RULES]):
        figures = [rules[text]["held_out"], *(kept.get((row.name, text)) for row in models)]
        anchors = [f"rule-{i}", *(row.cell(f"rule-{i}") for row in models)]
        lines.append((text, [_cell(*pair) for pair in zip(anchors, figures, strict=True)]))
    return Listing(
        "Rules that hold in the data", _lead(len(order)), ["held-out rows", *_names(models)], lines
    )


def _predicted(each: Mapping[str, Any]) -> Measure:
    """The measure of a predicted column."""
    column, measure = each["column"], each["measure"]
    meaning = (
        f"Predicting {column} from the other columns: the {SCORES[measure]} on held-out rows of a predictor "
        "that was trained on the samples, minus that of one that was trained on as many real rows. 0: the "
        "samples are as useful as real rows; below 0: less useful. Trained on real rows it is "
        f"{two_decimals(each['real']['value'])}; always answering with {CONSTANTS[measure]} gives "
        f"{two_decimals(each['baseline']['value'])}. Not given for held-out rows, nor for columns that real "
        "rows do not predict."
    )
    return Measure(predicted_key(column), f"{column} predicted", "", two_decimals, meaning)


def _lead(count: int) -> str:
    more = (
        f" The {MOST_RULES} that are kept worst of {count}; all are in report.json."
        if count > MOST_RULES
        else ""
    )
    return (
        "The fraction of rows that keep each rule, of those that it applies to; worst first. “A → B”: rows "
        "with the same A have the same B. “(A, B) is a pair that occurs”: the two values occur together in a "
        f"training row.{more}"
    )


def _names(rows: Sequence[Row]) -> list[str]:
    return [row.name for row in rows]


def _cell(anchor: str, figure: Mapping[str, Any] | None) -> Cell:
    if figure is None:
        return Cell(anchor, "–")
    known = Figure(figure["value"], figure["low"], figure["high"])
    return Cell(anchor, known.formatted(two_decimals), " – ".join(known.ends(two_decimals)))


def _details(row: Row) -> Mapping[str, Any]:
    """The whole quality of a table, as measured; {} for a row without samples of a table."""
    return (row.source.get("table") or {}).get("details") or {}
