"""Three sentences that a person may repeat: likelihood, samples, speed and what to beware of.

Nothing is said that the intervals do not carry: a lead is called one only where no other interval reaches it, and each figure is
a link to the cell it was read from.
"""

__all__ = ["Link", "Sentence", "verdict"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from morphogen.report.rows import MEASURES, Figure, Row, alike, best, figure, rate, two


@dataclass(frozen=True)
class Link:
    """Words that lead to a cell or a row of the table."""

    text: str
    anchor: str


Words = list[str | Link]


@dataclass(frozen=True)
class Sentence:
    """A sentence with its subject, as words and links."""

    about: str
    words: Sequence[str | Link]

    @property
    def text(self) -> str:
        """The words alone."""
        return "".join(word if isinstance(word, str) else word.text for word in self.words)


def verdict(rows: Sequence[Row], unit: str) -> list[Sentence]:
    """The three sentences; before the first model is measured, the one that says so."""
    if not any(row.model for row in rows):
        return [Sentence("So far", ["No model is measured yet."])]
    return [Sentence("Likelihood", _likelihood(rows, unit)), Sentence("Samples", _samples(rows)), Sentence("Speed and care", _speed(rows))]


def _likelihood(rows: Sequence[Row], unit: str) -> Words:
    models = [row for row in rows if row.model]
    found = best(models, "likelihood")
    if found is None:
        names = _names([(row, "likelihood") for row in models])
        return ["No likelihood can be compared: ", *names, " ", "has none." if len(models) == 1 else "have none."]
    row, lead = found
    words: Words = [Link(row.name, row.anchor), " explains held-out data best: ", _cell(row, "likelihood", lead, f" {unit}")]
    words += [_interval(lead), f" ({lead.kind})" if lead.kind else ""]
    for yardstick in (best([r for r in rows if r.family == "codec"], "likelihood"),
                      None if row.family == "classical" else best([r for r in rows if r.family == "classical"], "likelihood")):  # fmt: skip
        if yardstick is not None:
            words += _margin(lead, *yardstick)
    rivals = [other for other in models if other is not row and figure(other, "likelihood") is not None]
    close = [other for other in rivals if alike(lead, _figure(other, "likelihood"))]
    if close:
        words += [*_reaching(close, "likelihood"), ", so the first place is open"]
    elif rivals:
        bounds = any(_figure(other, "likelihood").sign == "≤" for other in rivals)
        words += ["; no other model's interval reaches it", " (a bound, ≤, may hide a better truth)" if bounds else ""]
    return [*words, "."]


def _margin(lead: Figure, row: Row, other: Figure) -> Words:
    """How far the best model is from a yardstick that needs no training."""
    link = Link(f"{row.name} ({other.written(two)})", row.cell("likelihood"))
    if alike(lead, other):
        return [", within the error of ", link]
    difference = other.value - lead.value
    return (
        [f", {two(difference)} less than ", link]
        if difference > 0
        else [f", yet {two(-difference)} more than ", link, ", which no model beats"]
    )


def _samples(rows: Sequence[Row]) -> Words:
    models = [row for row in rows if row.model]
    found = best(models, "frechet")
    if found is None:
        return ["The samples of ", *_names([(row, "frechet") for row in models]), " were not measured."]
    row, lead = found
    words: Words = [Link(row.name, row.anchor), " draws the samples closest to the data, at a Fréchet distance of "]
    words += [_cell(row, "frechet", lead), _interval(lead)]
    rivals = [other for other in models if other is not row and figure(other, "frechet") is not None]
    close = [other for other in rivals if alike(lead, _figure(other, "frechet"))]
    if close:
        words += [*_reaching(close, "frechet"), ": they cannot be told apart"]
    elif rivals:
        words += ["; no other model's interval reaches it"]
    real = next((r for r in rows if not r.family and figure(r, "frechet") is not None), None)
    if real is not None:
        reached = alike(lead, _figure(real, "frechet"))
        words += [
            ", nor can it be told from " if reached and close else ", and it cannot be told from " if reached else ", still apart from "
        ]
        words += ["held-out real data at ", _cell(real, "frechet", _figure(real, "frechet"))]
    return [*words, "."]


def _speed(rows: Sequence[Row]) -> Words:
    models = [row for row in rows if row.model and figure(row, "samples_per_second") is not None]
    words: Words = ["No sampler was timed"]
    if models:
        fast, slow = (pick(models, key=lambda row: _figure(row, "samples_per_second").value) for pick in (max, min))
        words = [Link(fast.name, fast.anchor), " samples fastest, ", _speed_cell(fast)]
        times = _figure(fast, "samples_per_second").value / max(_figure(slow, "samples_per_second").value, 1e-9)
        if fast is not slow and times > 1.5:
            words += [f", {rate(times)} times as fast as ", Link(slow.name, slow.anchor), " at ", _speed_cell(slow)]
        elif fast is not slow:
            words += [", though all are about as fast"]
    return [*words, *_care(rows), "."]


def _care(rows: Sequence[Row]) -> Words:
    """The gravest thing that the figures warn of: copies first, then missing parts of the data."""
    models, real = [row for row in rows if row.model], next((row for row in rows if not row.family), None)
    copying = [row for row in models if (found := figure(row, "memorised")) and found.low > _expected(row, real)]
    if copying:
        row = max(copying, key=lambda row: _figure(row, "memorised").value)
        found = _figure(row, "memorised")
        return [
            "; before you release ",
            Link(row.name, row.anchor),
            ", look at its copies: ",
            _percent(row, "memorised", found),
            " of its samples",
        ]
    if real is None or (known := figure(real, "recall")) is None:
        return []
    missing = [row for row in models if (found := figure(row, "recall")) and found.high < known.low]
    if missing:
        row = min(missing, key=lambda row: _figure(row, "recall").value)
        words: Words = ["; beware of ", Link(row.name, row.anchor), ": its recall of ", _cell(row, "recall", _figure(row, "recall"))]
        return [*words, " against ", _cell(real, "recall", known), " of real data says that part of the data is missing"]
    return ["; no model copies more than real data do, or misses part of the data, beyond the error"]


def _reaching(close: Sequence[Row], key: str) -> Words:
    """Whose intervals reach that of the best."""
    one = len(close) == 1
    return ["; the interval" + "s" * (not one) + " of ", *_names([(row, key) for row in close]), f" overlap{'s' * one} with it"]


def _expected(row: Row, real: Row | None) -> float:
    """The share of copies that shows nothing: that of chance, or the upper end of what held-out data have."""
    of_real = figure(real, "memorised") if real is not None else None
    chance: Any = (row.source.get("memorised") or {}).get("chance") or 0.0
    return max(float(chance), of_real.high if of_real is not None else 0.0)


def _figure(row: Row, key: str) -> Figure:
    found = figure(row, key)
    assert found is not None, f"{row.name} has no {key}"
    return found


def _cell(row: Row, key: str, found: Figure, after: str = "") -> Link:
    form = next(measure.form for measure in MEASURES if measure.key == key)
    return Link(found.written(form) + after, row.cell(key))


def _speed_cell(row: Row) -> Link:
    return _cell(row, "samples_per_second", _figure(row, "samples_per_second"), " a second")


def _percent(row: Row, key: str, found: Figure) -> Link:
    return Link(f"{100 * found.value:.0f} % [{100 * found.low:.0f}, {100 * found.high:.0f}]", row.cell(key))


def _interval(found: Figure) -> str:
    return f" [{two(found.low)}, {two(found.high)}]"


def _names(cells: Sequence[tuple[Row, str]]) -> Words:
    """a, b and c, each a link to its cell."""
    words: Words = []
    for i, (row, key) in enumerate(cells):
        words += ["" if i == 0 else " and " if i == len(cells) - 1 else ", ", Link(row.name, row.cell(key))]
    return words
