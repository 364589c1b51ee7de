"""Summary sentences: likelihood, samples, speed with caveats, and what limits the comparison.

Every statement is backed by the intervals. A model is called best only if it is compared with another one and
no other interval overlaps with its own; one model alone is described, not ranked. Each figure links to the
cell that it comes from.
"""

__all__ = ["Link", "Sentence", "verdict"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from morphogen.report.caveats import caveats
from morphogen.report.rows import MEASURES, Figure, Row, beats, best, figure, overlap, rate, two_decimals


@dataclass(frozen=True)
class Link:
    """Text that links to a cell or a row of the table."""

    text: str
    anchor: str


Words = list[str | Link]


@dataclass(frozen=True)
class Sentence:
    """A sentence as text and links, and its topic."""

    topic: str
    words: Sequence[str | Link]

    @property
    def text(self) -> str:
        """The sentence without links."""
        return "".join(word if isinstance(word, str) else word.text for word in self.words)


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
        Sentence("Samples", _samples(rows)),
        Sentence("Speed and caveats", _speed(rows)),
    ]
    limits = caveats([row.source for row in rows], features)
    return [*found, Sentence("Limits", [" ".join(limits)])] if limits else found


def _likelihood(rows: Sequence[Row], unit: str) -> Words:
    models = [row for row in rows if row.is_model]
    leading, others = _leading(models, "likelihood")
    if not leading:
        names = _names([(row, "likelihood") for row in models])
        return ["No likelihoods to compare: ", *names, " has none." if len(models) == 1 else " have none."]
    row, lead = leading[0], _figure(leading[0], "likelihood")
    value: Words = [
        _cell(row, "likelihood", lead, f" {unit}"), _interval(lead), f" ({lead.kind})" if lead.kind else ""
    ]  # fmt: skip
    if len(leading) > 1:
        undecided = _undecided("The best held-out likelihood", leading, "likelihood")
        return [*undecided, "; the lowest value is ", *value, *_margins(rows, row, lead), "."]
    if not others:
        return ["The held-out likelihood of ", Link(row.name, row.anchor), " is ", *value,
                *_margins(rows, row, lead), "."]  # fmt: skip
    words: Words = [Link(row.name, row.anchor), " has the best held-out likelihood: ", *value]
    bounds = any(_figure(other, "likelihood").sign == "≤" for other in others)
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
    leading, others = _leading(models, "frechet")
    if not leading:
        return ["The samples of ", *_names([(row, "frechet") for row in models]), " were not compared."]
    row, lead = leading[0], _figure(leading[0], "frechet")
    value: Words = [_cell(row, "frechet", lead), _interval(lead)]
    if len(leading) > 1:
        words = _undecided("Which model generates the samples closest to the data", leading, "frechet")
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
    reference = _figure(real, "frechet")
    is_closer = lead.high < reference.low
    difference = "does not differ significantly from"
    if not overlap(lead, reference):
        direction = "closer to" if is_closer else "significantly farther from"
        difference = f"is {direction} the training data than"
    return [
        f"; {row.name} {difference} held-out real data, at ",
        _cell(real, "frechet", reference),
        _interval(reference),
        ", which good samples are not: see whether it copies" if is_closer else "",
    ]


def _speed(rows: Sequence[Row]) -> Words:
    models = [row for row in rows if row.is_model]
    leading, others = _leading(models, "samples_per_second")
    if not leading:
        return ["No sampler was timed", *_caveat(rows), "."]
    fast = leading[0]
    words: Words = [Link(fast.name, fast.anchor), " samples fastest, at ", _speed_cell(fast)]
    if len(leading) > 1:
        subject = "All models" if not others else None
        words = [subject] if subject else _names([(row, "samples_per_second") for row in leading])
        words += [" sample about equally fast, at up to ", _speed_cell(fast)]
    elif not others:
        words = [Link(fast.name, fast.anchor), " samples ", _speed_cell(fast)]
    if others:
        slow = min(others, key=lambda row: _figure(row, "samples_per_second").value)
        slowest = max(_figure(slow, "samples_per_second").value, 1e-9)
        ratio = _figure(fast, "samples_per_second").value / slowest
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
    copying = [
        row for row in models if (known := figure(row, "memorised")) and known.low > _chance(row, real)
    ]
    if copying:
        row = max(copying, key=lambda row: _figure(row, "memorised").value)
        return [
            "; check ",
            Link(row.name, row.anchor),
            " for memorisation before releasing it: ",
            _percent(row, "memorised", _figure(row, "memorised")),
            " of its samples count as copies of training examples",
        ]
    reference = None if real is None else figure(real, "recall")
    if real is not None and reference is not None:
        # beyond the intervals: a recall that is lower by chance is no missing part
        missing = [
            row for row in models if (known := figure(row, "recall")) and beats(reference, known, "recall")
        ]
        if missing:
            return _missing(min(missing, key=lambda row: _figure(row, "recall").value), real)
    return _no_caveat(models, reference)


def _missing(row: Row, real: Row) -> Words:
    own, reference = _figure(row, "recall"), _figure(real, "recall")
    return [
        "; ", Link(row.name, row.anchor), " misses part of the data: its recall is ",
        _cell(row, "recall", own), _interval(own), ", compared with ",
        _cell(real, "recall", reference), _interval(reference), " for held-out real data",
    ]  # fmt: skip


def _no_caveat(models: Sequence[Row], recall: Figure | None) -> Words:
    """What was looked for and not found; nothing that was not measured."""
    looked_for = []
    if any(figure(row, "memorised") for row in models):
        looked_for.append("significant memorisation")
    if recall is not None and any(figure(row, "recall") for row in models):
        looked_for.append("a significantly lower recall than held-out real data")
    if not looked_for:
        return []
    subject = models[0].name if len(models) == 1 else "no model"
    verb = "does not show" if len(models) == 1 else "shows"
    return [f"; {subject} {verb} {' or '.join(looked_for)}"]


def _leading(models: Sequence[Row], key: str) -> tuple[list[Row], list[Row]]:
    """The model with the best value and those whose intervals overlap with its own, and the others."""
    first = best(models, key)
    if first is None:
        return [], []
    known = [row for row in models if figure(row, key) is not None]
    tied = [row for row in known if row is not first[0] and overlap(first[1], _figure(row, key))]
    others = [row for row in known if row is not first[0] and row not in tied]
    return [first[0], *tied], others


def _undecided(what: str, leading: Sequence[Row], key: str) -> Words:
    """That the intervals of the leading models overlap, so that none of them is the best."""
    names = _names([(row, key) for row in leading])
    which = "whose intervals overlap" if len(leading) == 2 else "whose intervals overlap with the first"
    return [f"{what} is undecided between ", *names, f", {which}"]


def _chance(row: Row, real: Row | None) -> float:
    """Largest fraction of copies explained by chance: the nominal one, or the upper end for held-out data."""
    reference = figure(real, "memorised") if real is not None else None
    chance: Any = (row.source.get("memorised") or {}).get("chance") or 0.0
    return max(float(chance), reference.high if reference is not None else 0.0)


def _figure(row: Row, key: str) -> Figure:
    known = figure(row, key)
    assert known is not None, f"{row.name} has no {key}"
    return known


def _cell(row: Row, key: str, value: Figure, suffix: str = "") -> Link:
    format = next(measure.format for measure in MEASURES if measure.key == key)
    return Link(value.formatted(format) + suffix, row.cell(key))


def _speed_cell(row: Row) -> Link:
    return _cell(row, "samples_per_second", _figure(row, "samples_per_second"), " per second")


def _percent(row: Row, key: str, value: Figure) -> Link:
    return Link(f"{100 * value.value:.0f} % [{100 * value.low:.0f}, {100 * value.high:.0f}]", row.cell(key))


def _interval(value: Figure) -> str:
    return f" [{two_decimals(value.low)}, {two_decimals(value.high)}]"


def _names(cells: Sequence[tuple[Row, str]]) -> Words:
    """a, b and c, each linked to its cell."""
    words: Words = []
    for i, (row, key) in enumerate(cells):
        words += ["" if i == 0 else " and " if i == len(cells) - 1 else ", ", Link(row.name, row.cell(key))]
    return words
