"""The rows of a comparison as a table for terminals of 100 columns; the report has the intervals."""

__all__ = ["table"]

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from morphogen.evaluation.provenance import comparable_rows
from morphogen.report.budget import budget_of

HEADINGS = {
    "frechet": "frechet",
    "precision": "prec.",
    "recall": "rec.",
    "coverage": "cov.",
    "memorised": "copies",
    "recognised": "conf.",
    "samples_per_second": "per s",
    "tokens_per_second": "bytes/s",
}
SIGNS = {
    "exact": "=",
    "lower_bound": "≤",
    "estimate": "≈",
}  # a lower bound of log p is an upper bound of bits/dim


def table(report: Mapping[str, Any]) -> Table:
    """The table of a report; columns without any value are omitted."""
    rows: Sequence[Mapping[str, Any]] = comparable_rows(report["rows"])
    budget = f"{words}, " if (words := budget_of(report)) else ""
    result = Table(title=f"{report['data']}: {budget}{report['n']} samples", box=None, padding=(0, 1))
    result.add_column("", no_wrap=True, min_width=14)
    keys = [key for key in HEADINGS if any(row.get(key) is not None for row in rows)]
    for heading in (report["unit"], *(HEADINGS[key] for key in keys)):
        result.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        bits = "failed" if row["error"] is not None else _bits(row["likelihood"])
        result.add_row(row["system"], bits, *(_number(row.get(key)) for key in keys))
    return result


def _number(value: Any) -> str:
    """A metric with an interval, or a plain rate."""
    if value is None:
        return "-"
    if isinstance(value, Mapping):
        return f"{value['value']:.2f}"
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _bits(likelihood: Mapping[str, Any] | None) -> str:
    return "-" if likelihood is None else f"{SIGNS[likelihood['kind']]} {likelihood['bits_per_dim']:.3f}"
