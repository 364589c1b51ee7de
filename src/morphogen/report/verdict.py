"""The verdict, to be read in ten seconds: likelihood, samples, and the most serious warnings.

`details` has the same with the figures, their intervals and everything else; nothing is said here that is not
backed by a figure there.
"""

__all__ = ["verdict"]

from collections.abc import Mapping, Sequence
from typing import Any

from morphogen.report.caveats import joined
from morphogen.report.closest import CALLED, contenders, measured
from morphogen.report.details import copying, missing
from morphogen.report.rows import Row, beats, best, figure
from morphogen.report.sentences import Link, Sentence, Words, cell, known, leading, names

MOST = 2  # warnings; the others are in the details


def verdict(rows: Sequence[Row], unit: str, features: Mapping[str, Any] | None = None) -> list[Sentence]:
    """Three short sentences, or a single one if no model has been measured yet.

    Arguments:
        rows: of the report.
        unit: of the likelihood.
        features: of the report; None: not known.
    """
    if not any(row.is_model for row in rows):
        return [Sentence("Status", ["No model has been measured yet."])]
    return [
        Sentence("Likelihood", _likelihood(rows, unit)),
        Sentence("Samples", _samples(rows)),
        Sentence("Caution", _caution(rows, features or {})),
    ]


def _likelihood(rows: Sequence[Row], unit: str) -> Words:
    models = [row for row in rows if row.is_model]
    tied, others = leading(models, "likelihood")
    if not tied:
        return ["None was measured."]
    lead = tied[0]
    value = cell(lead, "likelihood", known(lead, "likelihood"), f" {unit}")
    if len(tied) > 1:
        return ["Undecided between ", *_names(tied, "likelihood"), "."]
    return [Link(lead.name, lead.anchor), " is the best, at " if others else ": ", value, "."]


def _samples(rows: Sequence[Row]) -> Words:
    models, keys = [row for row in rows if row.is_model], measured(rows)
    if not keys:
        return ["They were not compared."]
    found = contenders(rows)
    if not found:
        leaders = {key: pair[0].name for key in keys if (pair := best(models, key)) is not None}
        by = joined([f"{name} is best by {CALLED[key]}" for key, name in leaders.items()])
        return [f"The figures contradict each other: {by}."]
    words = ["Undecided between ", *_names(found, keys[0])]
    if len(found) == 1:
        end = " generates those closest to the data" if len(models) > 1 else ""
        words = [Link(found[0].name, found[0].anchor), end]
    return [*words, *_beside_real(rows, found), "."]


def _beside_real(rows: Sequence[Row], found: Sequence[Row]) -> Words:
    """How the leading models compare with held-out data."""
    real = next((row for row in rows if not row.family), None)
    if real is None or not (keys := [key for key in measured(rows) if figure(real, key) is not None]):
        return []
    worse = {key: None for row in found for key in keys if _beats(real, row, key)}
    by = joined([CALLED[key] for key in worse])
    subject = ": " if len(found) == 1 == sum(row.is_model for row in rows) else "; "
    if worse:
        return [f"{subject}held-out data are significantly closer, by {by}"]
    return [f"{subject}not significantly worse than held-out data"]


def _caution(rows: Sequence[Row], features: Mapping[str, Any]) -> Words:
    warnings = [*_copies(rows), *_blind(features), *_short(rows), *_missing(rows), *_broken(rows)]
    if not warnings:
        return ["Nothing was found against these figures."]
    words: Words = []
    for warning in warnings[:MOST]:
        words += [*([" "] if words else []), *warning]
    more = len(warnings) - MOST
    return [*words, f" {more} more below."] if more > 0 else words


def _copies(rows: Sequence[Row]) -> list[Words]:
    found: list[Words] = []
    if (row := copying(rows)) is not None:
        copied = known(row, "memorised")
        percent = Link(f"{100 * copied.value:.0f} %", row.cell("memorised"))
        found.append([Link(row.name, row.anchor), " copies training examples: ", percent, " of its samples."])
    near = [row for row in rows if row.is_model and (own := figure(row, "closer")) and own.low > 0.5]
    if near:
        found.append([*names([(row, "closer") for row in near]), " repeat training rows too closely."])
    return found


def _blind(features: Mapping[str, Any]) -> list[Words]:
    if not (features.get("sight") or {}).get("reason"):
        return []
    return [["The features may not tell real data from noise: look at the samples."]]


def _short(rows: Sequence[Row]) -> list[Words]:
    short = [row for row in rows if row.is_model and row.undertrained]
    if not short:
        return []
    return [["Hardly trained: ", *_names(short, "likelihood"), "."]]


def _missing(rows: Sequence[Row]) -> list[Words]:
    if (row := missing(rows)) is None:
        return []
    value = cell(row, "recall", known(row, "recall"))
    return [[Link(row.name, row.anchor), " misses part of the data: its recall is ", value, "."]]


def _broken(rows: Sequence[Row]) -> list[Words]:
    """The model whose rows break rules most often, if held-out rows break them significantly less."""
    real = next((row for row in rows if not row.family), None)
    models = [row for row in rows if row.is_model and figure(row, "breaks_no_rule")]
    if real is not None:
        models = [row for row in models if _beats(real, row, "breaks_no_rule")]
    if not models:
        return []
    row = min(models, key=lambda row: known(row, "breaks_no_rule").value)
    share = Link(f"{100 * (1 - known(row, 'breaks_no_rule').value):.0f} %", row.cell("breaks_no_rule"))
    return [[share, " of the rows of ", Link(row.name, row.anchor), " break a rule of the data."]]


def _beats(one: Row, other: Row, key: str) -> bool:
    first, second = figure(one, key), figure(other, key)
    return first is not None and second is not None and beats(first, second, key)


def _names(rows: Sequence[Row], key: str) -> Words:
    return names([(row, key) for row in rows])
