"""Three summary sentences: likelihood, samples, speed with caveats.

Every statement is backed by the intervals: a model is called best without reservation only if no other
interval overlaps with its own. Each figure links to the cell that it comes from.
"""

__all__ = ["Link", "Sentence", "verdict"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from morphogen.report.rows import MEASURES, Figure, Row, best, figure, overlap, rate, two_decimals


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


def verdict(rows: Sequence[Row], unit: str) -> list[Sentence]:
    """The three sentences, or a single one if no model has been measured yet."""
    if not any(row.is_model for row in rows):
        return [Sentence("Status", ["No model has been measured yet."])]
    return [
        Sentence("Likelihood", _likelihood(rows, unit)),
        Sentence("Samples", _samples(rows)),
        Sentence("Speed and caveats", _speed(rows)),
    ]


def _likelihood(rows: Sequence[Row], unit: str) -> Words:
    models = [row for row in rows if row.is_model]
    first = best(models, "likelihood")
    if first is None:
        names = _names([(row, "likelihood") for row in models])
        return ["No likelihoods to compare: ", *names, " has none." if len(models) == 1 else " have none."]
    row, lead = first
    words: Words = [
        Link(row.name, row.anchor),
        " has the best held-out likelihood: ",
        _cell(row, "likelihood", lead, f" {unit}"),
        _interval(lead),
        f" ({lead.kind})" if lead.kind else "",
    ]
    for family in ("codec", "classical"):
        baseline = best([other for other in rows if other.family == family], "likelihood")
        if baseline is not None and row.family != family:
            words += _margin(lead, *baseline)
    rivals = [other for other in models if other is not row and figure(other, "likelihood") is not None]
    close = [other for other in rivals if overlap(lead, _figure(other, "likelihood"))]
    if close:
        words += [*_overlapping(close, "likelihood"), ", so the best model is undecided"]
    elif rivals:
        bounds = any(_figure(other, "likelihood").sign == "≤" for other in rivals)
        words += [
            "; no other model's interval overlaps with it",
            " (values marked ≤ are upper bounds: the true value may be lower)" if bounds else "",
        ]
    return [*words, "."]


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
    first = best(models, "frechet")
    if first is None:
        return ["The samples of ", *_names([(row, "frechet") for row in models]), " were not evaluated."]
    row, lead = first
    words: Words = [
        Link(row.name, row.anchor),
        " generates the samples closest to the data, at a Fréchet distance of ",
        _cell(row, "frechet", lead),
        _interval(lead),
    ]
    rivals = [other for other in models if other is not row and figure(other, "frechet") is not None]
    close = [other for other in rivals if overlap(lead, _figure(other, "frechet"))]
    if close:
        words += [*_overlapping(close, "frechet"), ", so the best model is undecided"]
    elif rivals:
        words += ["; no other model's interval overlaps with it"]
    real = next((r for r in rows if not r.family and figure(r, "frechet") is not None), None)
    if real is not None:
        reference = _figure(real, "frechet")
        difference = "does not differ" if overlap(lead, reference) else "differs"
        words += [f"; {row.name} {difference} significantly from held-out real data, at "]
        words += [_cell(real, "frechet", reference)]
    return [*words, "."]


def _speed(rows: Sequence[Row]) -> Words:
    models = [row for row in rows if row.is_model and figure(row, "samples_per_second") is not None]
    words: Words = ["No sampler was timed"]
    if models:
        fast, slow = (
            pick(models, key=lambda row: _figure(row, "samples_per_second").value) for pick in (max, min)
        )
        words = [Link(fast.name, fast.anchor), " samples fastest, at ", _speed_cell(fast)]
        slowest = max(_figure(slow, "samples_per_second").value, 1e-9)
        ratio = _figure(fast, "samples_per_second").value / slowest
        if fast is not slow and ratio > 1.5:
            words += [f", {rate(ratio)} times as fast as ", Link(slow.name, slow.anchor), " at "]
            words += [_speed_cell(slow)]
        elif fast is not slow:
            words += [", and all models are about equally fast"]
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
    if real is None or (reference := figure(real, "recall")) is None:
        return []
    missing = [row for row in models if (known := figure(row, "recall")) and known.high < reference.low]
    if missing:
        row = min(missing, key=lambda row: _figure(row, "recall").value)
        return [
            "; ",
            Link(row.name, row.anchor),
            " misses part of the data: its recall is ",
            _cell(row, "recall", _figure(row, "recall")),
            ", compared with ",
            _cell(real, "recall", reference),
            " for held-out real data",
        ]
    return ["; no model shows significant memorisation or a lower recall than held-out real data"]


def _overlapping(close: Sequence[Row], key: str) -> Words:
    """The models whose intervals overlap with that of the best."""
    one = len(close) == 1
    return [
        "; the interval" + "s" * (not one) + " of ",
        *_names([(row, key) for row in close]),
        f" overlap{'s' * one} with it",
    ]


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
