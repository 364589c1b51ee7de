"""Summary sentences: likelihood, samples, speed with caveats, what a release needs, and limits.

Every statement is backed by the intervals. A model is called best only if it is compared with another one and
no other interval overlaps with its own; one model alone is described, not ranked. Each figure links to the
cell that it comes from.
"""

__all__ = ["Link", "Sentence", "verdict"]

import math
from collections.abc import Mapping, Sequence
from typing import Any

from morphogen.report.caveats import caveats
from morphogen.report.rows import Figure, Row, beats, best, figure, overlap, rate, two_decimals
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
from morphogen.report.table_verdict import ranking, release, table_samples

POWER = 0.5  # fraction of training examples recognised as copies, below which copies were not looked for


def verdict(rows: Sequence[Row], unit: str, features: Mapping[str, Any] | None = None) -> list[Sentence]:
    """The sentences, or a single one if no model has been measured yet.

    Arguments:
        rows: of the report.
        unit: of the likelihood.
        features: of the report; None: not known.
    """
    if not any(row.is_model for row in rows):
        return [Sentence("Status", ["No model has been measured yet."])]
    found = [
        Sentence("Likelihood", _likelihood(rows, unit)),
        *(table_samples(rows) or [Sentence("Samples", _samples(rows))]),
        Sentence("Speed and caveats", _speed(rows)),
        *release(rows),
    ]
    limits = caveats([row.source for row in rows], features)
    return [*found, Sentence("Limits", [" ".join(limits)])] if limits else found


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


def _samples(rows: Sequence[Row]) -> Words:
    models = [row for row in rows if row.is_model]
    tied, others = leading(models, "frechet")
    if not tied and any(figure(row, "two_sample") for row in models):
        return ranking(rows, "two_sample")
    if not tied:
        return ["The samples of ", *names([(row, "frechet") for row in models]), " were not compared."]
    row, lead = tied[0], known(tied[0], "frechet")
    value: Words = [cell(row, "frechet", lead), interval(lead)]
    if len(tied) > 1:
        words = undecided("Which model generates the samples closest to the data", tied, "frechet")
        words += ["; the smallest Fréchet distance is ", *value]
    elif others:
        words = [Link(row.name, row.anchor), " generates the samples closest to the data, at a Fréchet "]
        words += ["distance of ", *value, "; no other model's interval overlaps with it"]
    else:
        words = ["The samples of ", Link(row.name, row.anchor), " are at a Fréchet distance of ", *value]
        words += [" from the training data"]
    real = next((r for r in rows if not r.family and figure(r, "frechet") is not None), None)
    return [*words, *([] if real is None else _against_real(row, lead, real)), "."]


def _against_real(row: Row, lead: Figure, real: Row) -> Words:
    """Whether a model is farther from the training data than held-out data are, or closer."""
    reference = known(real, "frechet")
    is_closer = lead.high < reference.low
    difference = "does not differ significantly from"
    if not overlap(lead, reference):
        direction = "closer to" if is_closer else "significantly farther from"
        difference = f"is {direction} the training data than"
    return [
        f"; {row.name} {difference} held-out real data, at ",
        cell(real, "frechet", reference),
        interval(reference),
        ", which good samples are not: see whether it copies" if is_closer else "",
    ]


def _speed(rows: Sequence[Row]) -> Words:
    models = [row for row in rows if row.is_model]
    tied, others = leading(models, "samples_per_second")
    if not tied:
        return ["No sampler was timed", *_caveat(rows), "."]
    fast = tied[0]
    words: Words = [Link(fast.name, fast.anchor), " samples fastest, at ", _speed_cell(fast)]
    if len(tied) > 1:
        subject = "All models" if not others else None
        words = [subject] if subject else names([(row, "samples_per_second") for row in tied])
        words += [" sample about equally fast, at up to ", _speed_cell(fast)]
    elif not others:
        words = [Link(fast.name, fast.anchor), " samples ", _speed_cell(fast)]
    if others:
        slow = min(others, key=lambda row: known(row, "samples_per_second").value)
        slowest = max(known(slow, "samples_per_second").value, 1e-9)
        ratio = known(fast, "samples_per_second").value / slowest
        words += [
            f", {rate(ratio)} times as fast as ",
            Link(slow.name, slow.anchor),
            " at ",
            _speed_cell(slow),
        ]
    return [*words, *_caveat(rows), "."]


def _caveat(rows: Sequence[Row]) -> Words:
    """The most serious warning: memorisation first, then missing parts of the data."""
    models = [row for row in rows if row.is_model]
    real = next((row for row in rows if not row.family), None)
    copying = [row for row in models if (own := figure(row, "memorised")) and own.low > _chance(row, real)]
    if copying:
        row = max(copying, key=lambda row: known(row, "memorised").value)
        return [
            "; check ",
            Link(row.name, row.anchor),
            " for memorisation before releasing it: ",
            percent(row, "memorised", known(row, "memorised")),
            " of its samples count as copies of training examples",
        ]
    reference = None if real is None else figure(real, "recall")
    if real is not None and reference is not None:
        # beyond the intervals: a recall that is lower by chance is no missing part
        missing = [
            row for row in models if (own := figure(row, "recall")) and beats(reference, own, "recall")
        ]
        if missing:
            return _missing(min(missing, key=lambda row: known(row, "recall").value), real)
    return _no_caveat(models, reference)


def _missing(row: Row, real: Row) -> Words:
    own, reference = known(row, "recall"), known(real, "recall")
    return [
        "; ", Link(row.name, row.anchor), " misses part of the data: its recall is ",
        cell(row, "recall", own), interval(own), ", compared with ",
        cell(real, "recall", reference), interval(reference), " for held-out real data",
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
    subject = models[0].name if len(models) == 1 else "no model"
    verb = "does not show" if len(models) == 1 else "shows"
    return [f"; {subject} {verb} {' or '.join(looked_for)}", *_excluded(models, copies)]


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


def _speed_cell(row: Row) -> Link:
    return cell(row, "samples_per_second", known(row, "samples_per_second"), " per second")
