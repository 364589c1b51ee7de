"""What a measured row says, and when two figures differ.

A figure is a value with its 95 % interval. Two figures differ when their intervals do not overlap: stricter than a test of the
difference, so that nothing is called a lead that another seed could turn round. A timing has no interval; it is given the
factor TIMING, because two timings of one program differ by about that much on a busy machine.
"""

__all__ = ["KINDS", "MEASURES", "Figure", "Measure", "Row", "alike", "beats", "best", "figure", "read_rows", "unit"]

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

TIMING = 1.5  # two timings differ if one is more than this many times the other
KINDS = {"exact": ("=", "exact"), "lower_bound": ("≤", "a bound"), "estimate": ("≈", "an estimate")}  # of a likelihood


@dataclass(frozen=True)
class Figure:
    """A value, its 95 % interval, and the sign of what kind of number it is (= exact, ≤ bound, ≈ estimate)."""

    value: float
    low: float
    high: float
    sign: str = ""
    kind: str = ""

    def written(self, form: Callable[[float], str]) -> str:
        """The value with its sign, which no line break may part from it."""
        return f"{self.sign}\xa0{form(self.value)}" if self.sign else form(self.value)


@dataclass(frozen=True)
class Measure:
    """One column: its key in a row, its heading, which way is better ("" where neither is), how a number is written, its meaning."""

    key: str
    heading: str
    better: Literal["low", "high", ""]
    form: Callable[[float], str]
    meaning: str
    log: bool = False


def two(value: float) -> str:
    """Two decimals."""
    return f"{value:.2f}"


def distance(value: float) -> str:
    """Two decimals, none above a hundred."""
    return f"{value:.2f}" if abs(value) < 100 else f"{value:,.0f}"


def rate(value: float) -> str:
    """Whole numbers from ten on, two digits below."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def count(value: float) -> str:
    """12, 51 k, 1.3 M."""
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.0f}"


MEASURES = (
    Measure("likelihood", "bits/dim", "low", two,
            "Bits a lossless code needs for each number of a held-out example, if it is built from the model: less is better. "
            "= is exact, ≤ an upper bound (the truth may be lower), ≈ an estimate."),
    Measure("frechet", "Fréchet", "low", distance,
            "Distance between the law of the samples and that of the training data in a feature space, as if both were Gaussian: "
            "less is better. Compare only figures of the same features and the same number of samples.", log=True),
    Measure("precision", "precision", "high", two, "Share of samples that look like real data: high is faithful."),
    Measure("recall", "recall", "high", two,
            "Share of real data that the samples come near to: low means that parts of the data are missing."),
    Measure("density", "density", "", two,
            "Precision that counts how many real neighbours a sample has; about 1 for real data, and one outlier cannot move it."),
    Measure("coverage", "coverage", "high", two,
            "Share of real examples with a sample in their neighbourhood: recall that outliers cannot raise."),
    Measure("memorised", "copies", "low", two,
            "Share of samples nearer to a training example than chance allows: what a release should worry about. "
            "The row of real data says how often that happens without any copying."),
    Measure("recognised", "sure", "high", two,
            "Share of samples that the classifier which gives the features is at least 90 % sure about."),
    Measure("samples_per_second", "samples/s", "high", rate,
            "Samples drawn in a second, in batches, on the machine named above; one timing.", log=True),
    Measure("tokens_per_second", "bytes/s", "high", rate, "Bytes of text drawn in a second, in batches; one timing.", log=True),
    Measure("parameters", "parameters", "", count,
            "Numbers that gradient training fits; a closed-form fit (the mixture) has none of these.", log=True),
)  # fmt: skip
_BY_KEY = {measure.key: measure for measure in MEASURES}


@dataclass(frozen=True)
class Row:
    """One row of the report: real data (no family), a codec, or a model.

    Arguments:
        source: the row as measured; keys may be missing or None.
        anchor: its id in the page; `cell` gives those of its cells.
    """

    source: Mapping[str, Any]
    anchor: str

    @property
    def name(self) -> str:
        """The system's, the codec's, or "real data"."""
        return str(self.source["system"])

    @property
    def family(self) -> str:
        """Of a model, joined by " + " where its stages differ; "codec"; "" for real data."""
        return str(self.source.get("family") or "")

    @property
    def error(self) -> str:
        """Why it could not be trained or measured; "" for a row that was."""
        return str(self.source.get("error") or "")

    @property
    def model(self) -> bool:
        """Whether it is a model that was measured."""
        return self.family not in ("", "codec") and not self.error

    def cell(self, key: str) -> str:
        """The id of one of its cells."""
        return f"{self.anchor}-{key}"


def read_rows(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """The rows with ids that are safe in a page and unlike each other."""
    found: list[Row] = []
    for row in rows:
        word = re.sub(r"[^a-z0-9]+", "-", str(row["system"]).lower()).strip("-") or "row"
        taken, number, anchor = {other.anchor for other in found}, 1, f"row-{word}"
        while anchor in taken:
            number += 1
            anchor = f"row-{word}-{number}"
        found.append(Row(row, anchor))
    return found


def figure(row: Row, key: str) -> Figure | None:
    """A row's figure; None: it was not measured, or is not a number."""
    found = row.source.get(key)
    if key == "likelihood" and found:
        sign, kind = KINDS.get(found.get("kind"), ("", str(found.get("kind") or "")))
        found = {"value": found["bits_per_dim"], "low": found.get("low"), "high": found.get("high")}
    elif isinstance(found, int | float):
        sign, kind, slack = "", "", TIMING**0.5 if key.endswith("_per_second") else 1.0
        found = {"value": found, "low": found / slack, "high": found * slack}
    else:
        sign = kind = ""
    if not found or found.get("value") is None or not math.isfinite(found["value"]):
        return None
    low, high = (found["value"] if found.get(end) is None else float(found[end]) for end in ("low", "high"))
    return Figure(float(found["value"]), low, high, sign, kind)


def unit(report: Mapping[str, Any], texts: bool) -> str:
    """What a likelihood is counted in: bits/byte of a text, bits/dim of anything else."""
    return str(report.get("unit") or ("bits/byte" if texts or report.get("medium") == "text" else "bits/dim"))


def beats(one: Figure, other: Figure, key: str) -> bool:
    """Whether `one` is better and the intervals do not overlap."""
    return one.high < other.low if _BY_KEY[key].better == "low" else one.low > other.high


def alike(one: Figure, other: Figure) -> bool:
    """Whether the intervals overlap: the two cannot be told apart."""
    return one.low <= other.high and other.low <= one.high


def best(rows: Iterable[Row], key: str) -> tuple[Row, Figure] | None:
    """The row with the best value of a measure; None where no row has it."""
    measured = [(row, found) for row in rows if (found := figure(row, key)) is not None]
    sign = 1 if _BY_KEY[key].better == "low" else -1
    return min(measured, key=lambda pair: sign * pair[1].value, default=None)
