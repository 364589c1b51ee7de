"""Rows and figures of a report, and when two figures differ.

A figure is a value with its 95 % interval. Two figures differ if their intervals do not overlap. This is
stricter than a test of the difference, so that no reported lead is likely to be reversed by another seed.
Timings have no interval and are given the factor TIMING, because repeated timings on a busy machine differ by
about that much.
"""

__all__ = [
    "KINDS",
    "MEASURES",
    "TABLE_MEASURES",
    "Figure",
    "Measure",
    "Row",
    "beats",
    "best",
    "figure",
    "overlap",
    "read_rows",
    "unit",
]

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from morphogen.evaluation.provenance import comparable_rows
from morphogen.media import media
from morphogen.media.text import TEXT

TIMING = 1.5  # two timings differ if their ratio is larger
KINDS = {  # kind of a likelihood -> sign and name
    "exact": ("=", "exact"),
    "lower_bound": ("≤", "a bound"),
    "estimate": ("≈", "an estimate"),
}


@dataclass(frozen=True)
class Figure:
    """A value and its 95 % interval; `sign` and `kind` of a likelihood: = exact, ≤ bound, ≈ estimate."""

    value: float
    low: float
    high: float
    sign: str = ""
    kind: str = ""

    def formatted(self, format: Callable[[float], str]) -> str:
        """The value with its sign, joined by a no-break space."""
        value = self.precise(format)(self.value)
        return f"{self.sign}\xa0{value}" if self.sign else value

    def ends(self, format: Callable[[float], str]) -> tuple[str, str]:
        """The ends of the interval."""
        precise = self.precise(format)
        return precise(self.low), precise(self.high)

    def precise(self, format: Callable[[float], str]) -> Callable[[float], str]:
        """The format, with up to two more decimals where the ends of the interval would look equal.

        Two figures whose intervals are apart would look equal otherwise: 1.00 and 1.00.
        """
        numbers = {self.low, self.value, self.high}
        if self.low == self.high or format(self.low) != format(self.high) or "e" in format(self.low):
            return format
        decimals = len(format(self.low).partition(".")[2])
        longer, longest = (f"{{:,.{decimals + more}f}}".format for more in (1, 2))
        return longer if len({*map(longer, numbers)}) == len(numbers) else longest


@dataclass(frozen=True)
class Measure:
    """One column: key in a row, heading, better direction ("" if none), number format, meaning, log scale."""

    key: str
    heading: str
    better: Literal["low", "high", ""]
    format: Callable[[float], str]
    meaning: str
    log: bool = False

    @property
    def is_timing(self) -> bool:
        """Whether it was timed once, and so has no interval that a difference could be judged by."""
        return self.key.endswith("_per_second")

    @property
    def anchor(self) -> str:
        """HTML id of its entry in the glossary."""
        return f"term-{_identifier(self.key)}"


def two_decimals(value: float) -> str:
    """1.23."""
    return f"{value:.2f}"


def distance(value: float) -> str:
    """Two decimals below a hundred, none from there on."""
    return f"{value:.2f}" if abs(value) < 100 else f"{value:,.0f}"


def scientific(value: float) -> str:
    """Two significant digits."""
    return f"{value:.2g}"


def rate(value: float) -> str:
    """Two significant digits below ten, whole numbers from there on."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def count(value: float) -> str:
    """12, 51 k, 1.3 M."""
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.0f}"


MEASURES = (
    Measure(
        "likelihood", "bits/dim", "low", two_decimals,
        "Bits that a lossless code built from the model needs per dimension of a held-out example; lower is "
        "better. = is exact, ≤ an upper bound (the true value may be lower), ≈ an estimate. n changes the "
        "interval alone."),
    Measure(
        "frechet", "Fréchet", "low", distance,
        "Fréchet distance between Gaussians fitted to the features of the samples and of the training data; "
        "lower is better. It is too large by about 1 / n, so it is comparable only for the same features and "
        "the same number of samples, and not given below 100.", log=True),
    Measure(
        "kid", "kernel distance", "low", scientific,
        "Squared maximum mean discrepancy of the features, with the cubic kernel: like the Fréchet distance, "
        "but without bias at any number of samples; 0 on average for real data."),
    Measure(
        "precision", "precision", "high", two_decimals,
        "Fraction of samples that resemble real data: high values mean high fidelity. It falls as n grows, "
        "because the neighbourhoods shrink; compare equal n only. Not given below 100."),
    Measure(
        "recall", "recall", "high", two_decimals,
        "Fraction of real data that some sample resembles: data are missing if it is lower than that of "
        "held-out data by more than the intervals. It falls as n grows, because the neighbourhoods shrink; "
        "compare equal n only. Not given below 100."),
    Measure(
        "density", "density", "", two_decimals,
        "Precision weighted by the number of real neighbours of a sample, robust to outliers: about 1 for "
        "real data at any n. Not given below 100."),
    Measure(
        "coverage", "coverage", "high", two_decimals,
        "Fraction of real examples with a sample in their neighbourhood: recall that is robust to outliers. "
        "About 0.97 for real data at any n. Not given below 100."),
    Measure(
        "two_sample", "told apart", "low", two_decimals,
        "Held-out accuracy of a classifier of samples against training data: 0.5 if they are alike, 1 if "
        "every sample is recognised as generated."),
    Measure(
        "memorised", "copies", "low", two_decimals,
        "Fraction of samples unusually near to one training example, a sign of memorisation. "
        "The row of real data shows the fraction that occurs without copying. n changes the interval alone."),
    Measure(
        "recognised", "confident", "high", two_decimals,
        "Fraction of samples that the classifier behind the features assigns to a class with probability at "
        "least 0.9. n changes the interval alone."),
    Measure(
        "class_score", "class score", "high", two_decimals,
        "How confident that classifier is about each sample and how evenly it uses its classes, from 1 to "
        "the number of classes: the formula of the Inception Score, with a classifier of these data."),
    Measure(
        "known_words", "known words", "high", two_decimals,
        "Fraction of the words of a sample that occur in the training text."),
    Measure(
        "known_pairs", "known pairs", "high", two_decimals,
        "Fraction of the pairs of successive words of a sample that occur in the training text; shuffled "
        "words have few."),
    Measure(
        "repeated", "repeated", "low", two_decimals,
        "Fraction of the pairs of words of a sample that it has used before: loops have many."),
    Measure(
        "samples_per_second", "samples/s", "high", rate,
        "Samples generated per second, in batches, on the machine named above; a single timing.", log=True),
    Measure(
        "tokens_per_second", "bytes/s", "high", rate,
        "Bytes of text generated per second, in batches; a single timing.", log=True),
    Measure(
        "parameters", "parameters", "", count,
        "Parameters trained by gradient descent; a closed-form fit (the mixture) has none.", log=True),
)  # fmt: skip
TABLE_MEASURES = (
    Measure(
        "column_shapes", "column shapes", "high", two_decimals,
        "Similarity of the distribution of each column to that of the training rows, averaged over columns: "
        "1 is equal. Few rows differ by chance, so compare with the row of real data."),
    Measure(
        "pair_trends", "pair trends", "high", two_decimals,
        "Similarity of the dependence of each two columns to that in the training rows, the mean over pairs "
        "that depend on each other in the data: 1 is equal. Few rows differ by chance, so compare with the "
        "row of real data."),
    Measure(
        "correlation_difference", "correlation difference", "low", two_decimals,
        "Mean absolute difference between the correlations of columns of numbers in the samples and in the "
        "training rows."),
    Measure(
        "missing_difference", "missing-rate difference", "low", two_decimals,
        "Mean absolute difference between the fractions of cells that are missing in each column, in the "
        "samples and in the training rows."),
    Measure(
        "rules_kept", "rules kept", "high", two_decimals,
        "Fraction of the rules below that a row keeps, the mean over rows. Rules hold in all training rows, "
        "and held-out rows do not refute them."),
    Measure(
        "breaks_no_rule", "rows that break no rule", "high", two_decimals,
        "Fraction of the rows that keep all of these rules."),
    Measure(
        "closer", "closer to training rows (0.5: none copied)", "", two_decimals,
        "Fraction of the rows that are nearer to a training row than to any of as many held-out rows: 0.5 if "
        "nothing is copied; an interval above 0.5 is an alarm, as training rows show through. "
        "Not given for held-out rows themselves."),
    Measure(
        "duplicates", "duplicates", "low", two_decimals,
        "Fraction of the rows that equal a training row in all columns. Where rows recur in the data, "
        "held-out rows have duplicates too: compare with the row of real data."),
)  # fmt: skip
_BY_KEY = {measure.key: measure for measure in (*MEASURES, *TABLE_MEASURES)}


@dataclass(frozen=True)
class Row:
    """One row of the report: real data (no family), a codec, or a model.

    Arguments:
        source: the row as measured; keys may be missing or None.
        anchor: HTML id of the row; `cell` returns those of its cells.
    """

    source: Mapping[str, Any]
    anchor: str

    @property
    def name(self) -> str:
        """Name of the system or the codec, or "real data"."""
        return str(self.source["system"])

    @property
    def family(self) -> str:
        """Family of a model, joined by " + " if its stages differ; "codec"; "" for real data."""
        return str(self.source.get("family") or "")

    @property
    def error(self) -> str:
        """Why training or evaluation failed; "" if it did not."""
        return str(self.source.get("error") or "")

    @property
    def undertrained(self) -> str:
        """Why its training was too short to show what the model can do; "" if it was not."""
        return str(self.source.get("undertrained") or "")

    @property
    def is_model(self) -> bool:
        """Whether this is a model that was measured without error."""
        return self.family not in ("", "codec") and not self.error

    def cell(self, key: str) -> str:
        """HTML id of a cell."""
        return f"{self.anchor}-{_identifier(key)}"


def read_rows(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """The rows, without the figures that are not comparable, and with unique ids that are safe in HTML.

    The figures of a section, such as row["table"]["figures"], are figures of the row.
    """
    read: list[Row] = []
    for row in comparable_rows(rows):
        slug = re.sub(r"[^a-z0-9]+", "-", str(row["system"]).lower()).strip("-") or "row"
        taken, number, anchor = {other.anchor for other in read}, 1, f"row-{slug}"
        while anchor in taken:
            number += 1
            anchor = f"row-{slug}-{number}"
        parts = [part.get("figures") or {} for part in row.values() if isinstance(part, Mapping)]
        read.append(Row({key: value for part in parts for key, value in part.items()} | row, anchor))
    return read


def figure(row: Row, key: str) -> Figure | None:
    """A figure of a row; None if it was not measured or is not finite."""
    entry = row.source.get(key)
    if key == "likelihood" and entry:
        sign, kind = KINDS.get(entry.get("kind"), ("", str(entry.get("kind") or "")))
        entry = {"value": entry["bits_per_dim"], "low": entry.get("low"), "high": entry.get("high")}
    elif isinstance(entry, int | float):
        sign, kind, slack = "", "", TIMING**0.5 if key.endswith("_per_second") else 1.0
        entry = {"value": entry, "low": entry / slack, "high": entry * slack}
    else:
        sign = kind = ""
    if not entry or entry.get("value") is None or not math.isfinite(entry["value"]):
        return None
    low, high = (entry["value"] if entry.get(end) is None else float(entry[end]) for end in ("low", "high"))
    return Figure(float(entry["value"]), low, high, sign, kind)


def unit(report: Mapping[str, Any], texts: bool) -> str:
    """Unit of the likelihood; if the report does not record it, that of its medium, or of what it shows."""
    medium = media().get(str(report.get("medium")), TEXT if texts else None)
    return str(report.get("unit") or f"bits/{medium.unit if medium else 'dim'}")


def beats(one: Figure, other: Figure, key: str) -> bool:
    """Whether `one` is better and the intervals do not overlap."""
    return one.high < other.low if _BY_KEY[key].better == "low" else one.low > other.high


def overlap(one: Figure, other: Figure) -> bool:
    """Whether the intervals overlap, so that the figures do not differ significantly."""
    return one.low <= other.high and other.low <= one.high


def best(rows: Iterable[Row], key: str) -> tuple[Row, Figure] | None:
    """The row with the best value of a measure, and the value; None if no row has one."""
    measured = [(row, known) for row in rows if (known := figure(row, key)) is not None]
    sign = 1 if _BY_KEY[key].better == "low" else -1
    return min(measured, key=lambda pair: sign * pair[1].value, default=None)


def _identifier(key: str) -> str:
    """The key as a part of an HTML id; other characters than letters, digits, - and _ are numbers."""
    return re.sub(r"[^a-zA-Z0-9_-]", lambda found: f".{ord(found[0]):x}.", key)
