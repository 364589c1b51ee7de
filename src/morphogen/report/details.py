"""The sentences below the verdict: likelihood, samples, speed, copies, what a release needs, and limits.

Every statement is backed by the intervals. A model is called best only if it is compared with another one and
is significantly better. One model alone is described, not ranked, and so are timings, which have no interval.
Each figure links to the cell that it comes from.
"""

__all__ = ["Link", "Sentence", "copying", "details", "missing"]

import math
from collections.abc import Mapping, Sequence
from typing import Any

from morphogen.report.caveats import caveats
from morphogen.report.closest import samples
from morphogen.report.rows import (
    Figure,
    Row,
    beats,
    best,
    figure,
    overlap,
    two_decimals,
)
from morphogen.report.sentences import (
    Link,
    Sentence,
    Words,
    cell,
    interval,
    known,
    leading,
    names,
    percent,
    undecided,
)
from morphogen.report.table_verdict import release, table_samples

POWER = 0.5  # fraction of training examples recognised as copies, below which copies were not looked for


def details(rows: Sequence[Row], unit: str, features: Mapping[str, Any] | None = None) -> list[Sentence]:
    """The sentences; [] if no model has been measured yet.

    Arguments:
        rows: of the report.
        unit: of the likelihood.
        features: of the report; None: not known.
    """
    if not any(row.is_model for row in rows):
        return []
    limits = caveats([row.source for row in rows], features)
    found = [
        Sentence("Likelihood", _likelihood(rows, unit)),
        *(table_samples(rows) or [Sentence("Samples", samples(rows))]),
        Sentence("Speed", _speed(rows)),
        Sentence("Copies and coverage", _caveat(rows)),
        *release(rows),
        Sentence("Limits", [" ".join(limits)] if limits else []),
    ]
    return [sentence for sentence in found if sentence.words]


def copying(rows: Sequence[Row]) -> Row | None:
    """The model with the most copies of training examples, if they are more than chance; None: there is none.

    Arguments:
        rows: of the report.
    """
    real = next((row for row in rows if not row.family), None)
    found = [
        row
        for row in rows
        if row.is_model and (own := figure(row, "memorised")) and own.low > _chance(row, real)
    ]
    return max(found, key=lambda row: known(row, "memorised").value, default=None)


def missing(rows: Sequence[Row]) -> Row | None:
    """The model with the lowest recall, if it is significantly below that of held-out data.

    Arguments:
        rows: of the report.
    """
    real = next((row for row in rows if not row.family), None)
    reference = None if real is None else figure(real, "recall")
    if reference is None:
        return None
    # beyond the intervals: a recall that is lower by chance does not show a missing part
    found = [
        row
        for row in rows
        if row.is_model and (own := figure(row, "recall")) and beats(reference, own, "recall")
    ]
    return min(found, key=lambda row: known(row, "recall").value, default=None)


def _likelihood(rows: Sequence[Row], unit: str) -> Words:
    models = [row for row in rows if row.is_model]
    tied, others = leading(models, "likelihood")
    if not tied:
        listed = names([(row, "likelihood") for row in models])
        return ["No likelihoods to compare: ", *listed, " has none." if len(models) == 1 else " have none."]
    row, lead = tied[0], known(tied[0], "likelihood")
    value: Words = [
        cell(row, "likelihood", lead, f" {unit}"), interval(lead), f" ({lead.kind})" if lead.kind else ""
    ]  # fmt: skip
    if len(tied) > 1:
        which = undecided("The best held-out likelihood", tied, "likelihood")
        return [*which, "; the lowest value is ", *value, *_margins(rows, row, lead), "."]
    if not others:
        return ["The held-out likelihood of ", Link(row.name, row.anchor), " is ", *value,
                *_margins(rows, row, lead), "."]  # fmt: skip
    words: Words = [Link(row.name, row.anchor), " has the best held-out likelihood: ", *value]
    bounds = any(known(other, "likelihood").sign == "≤" for other in others)
    return [
        *words,
        *_margins(rows, row, lead),
        "; no other model's interval overlaps with it",
        " (values marked ≤ are upper bounds: the true value may be lower)" if bounds else "",
        ".",
    ]


def _margins(rows: Sequence[Row], row: Row, lead: Figure) -> Words:
    """The differences between a model and the best codec and classical model."""
    words: Words = []
    for family in ("codec", "classical"):
        baseline = best([other for other in rows if other.family == family], "likelihood")
        if baseline is not None and row.family != family:
            words += _margin(lead, *baseline)
    return words


def _margin(lead: Figure, row: Row, other: Figure) -> Words:
    """The difference between the best model and a baseline."""
    link = Link(f"{row.name} ({other.formatted(two_decimals)})", row.cell("likelihood"))
    if overlap(lead, other):
        return [", not significantly different from ", link]
    difference = other.value - lead.value
    if difference > 0:
        return [f", {two_decimals(difference)} below ", link]
    return [f", {two_decimals(-difference)} above ", link, ", which no model beats"]


def _speed(rows: Sequence[Row]) -> Words:
    """How fast models sample; nothing is said about differences, because timings have no interval."""
    timed = [row for row in rows if row.is_model and figure(row, "samples_per_second")]
    if not timed:
        return ["No sampler was timed."]
    speeds = sorted(timed, key=lambda row: known(row, "samples_per_second").value)
    words: Words = ["Samples per second, timed once: "]
    for i, row in enumerate(speeds):
        value = known(row, "samples_per_second")
        words += [", " if i else "", f"{row.name} ", cell(row, "samples_per_second", value)]
    return [*words, "."]


def _caveat(rows: Sequence[Row]) -> Words:
    """The most serious warning: memorisation first, then missing parts of the data."""
    models = [row for row in rows if row.is_model]
    if (row := next((row for row in models if row.source.get("stored")), None)) is not None:
        what = f" holds {row.source['stored']}: release neither the model nor samples of private data."
        return [Link(row.name, row.anchor), what]
    if (row := copying(rows)) is not None:
        copied = percent(row, "memorised", known(row, "memorised"))
        return ["Check ", Link(row.name, row.anchor), " for memorisation before releasing it: ", copied,
                " of its samples count as copies of training examples."]  # fmt: skip
    if (row := missing(rows)) is not None:
        return _missing(row, next(real for real in rows if not real.family))
    real = next((row for row in rows if not row.family), None)
    return _no_caveat(models, None if real is None else figure(real, "recall"))


def _missing(row: Row, real: Row) -> Words:
    own, reference = known(row, "recall"), known(real, "recall")
    return [
        Link(row.name, row.anchor), " misses part of the data: its recall is ",
        cell(row, "recall", own), interval(own), ", compared with ",
        cell(real, "recall", reference), interval(reference), " for held-out real data.",
    ]  # fmt: skip


def _no_caveat(models: Sequence[Row], recall: Figure | None) -> Words:
    """What was looked for and not found, and how much n samples exclude; nothing that was not measured."""
    looked_for = []
    if copies := [own for row in models if _tells_copies(row) and (own := figure(row, "memorised"))]:
        looked_for.append("significant memorisation")
    if recall is not None and any(figure(row, "recall") for row in models):
        looked_for.append("a significantly lower recall than held-out real data")
    if not looked_for:
        return []
    subject = models[0].name if len(models) == 1 else "No model"
    verb = "does not show" if len(models) == 1 else "shows"
    return [f"{subject} {verb} {' or '.join(looked_for)}", *_excluded(models, copies), "."]


def _excluded(models: Sequence[Row], copies: Sequence[Figure]) -> Words:
    """The largest fraction of copies that is left possible, which depends on n."""
    if not copies:
        return []
    n = min((row.source["memorised"].get("n") or 0 for row in models if figure(row, "memorised")), default=0)
    most = math.ceil(100 * max(own.high for own in copies))
    with_n = f"with {n:,} samples, " if n else ""
    return [f"; {with_n}up to {most} % of copies cannot be excluded (95 % intervals)"]


def _tells_copies(row: Row) -> bool:
    """Whether training examples would be recognised as copies; where rows or texts recur, they are not."""
    power: Any = (row.source.get("memorised") or {}).get("power")
    return power is None or float(power) >= POWER


def _chance(row: Row, real: Row | None) -> float:
    """Largest fraction of copies explained by chance: the nominal one, or the upper end for held-out data."""
    reference = figure(real, "memorised") if real is not None else None
    chance: Any = (row.source.get("memorised") or {}).get("chance") or 0.0
    return max(float(chance), reference.high if reference is not None else 0.0)
