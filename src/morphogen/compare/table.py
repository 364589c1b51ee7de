"""The rows as a person reads them in a terminal of 100 columns; the intervals are in the report."""

__all__ = ["table"]

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

SHOWN = {
    "frechet": "frechet", "precision": "prec.", "recall": "rec.", "coverage": "cov.", "memorised": "copies", "recognised": "sure",
    "samples_per_second": "per s", "tokens_per_second": "bytes/s",
}  # fmt: skip
SIGNS = {"exact": "=", "lower_bound": "≤", "estimate": "≈"}  # of bits/dim: exact, an upper bound of them, an estimate


def table(report: Mapping[str, Any]) -> Table:
    """The table of a report; columns that no row has are left out."""
    rows: Sequence[Mapping[str, Any]] = report["rows"]
    trained = f"{report['budget']:g} s of training each, " if report.get("budget") else ""
    found = Table(title=f"{report['data']}: {trained}{report['n']} samples", box=None, padding=(0, 1))
    found.add_column("", no_wrap=True, min_width=14)
    shown = [key for key in SHOWN if any(row.get(key) is not None for row in rows)]
    for heading in (report["unit"], *(SHOWN[key] for key in shown)):
        found.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        failed = row["error"] is not None
        found.add_row(row["system"], "failed" if failed else _bits(row["likelihood"]), *(_number(row.get(key)) for key in shown))
    return found


def _number(value: Any) -> str:
    """A measure, or a plain number of things a second."""
    if value is None:
        return "-"
    return f"{value['value']:.2f}" if isinstance(value, Mapping) else f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _bits(likelihood: Mapping[str, Any] | None) -> str:
    return "-" if likelihood is None else f"{SIGNS[likelihood['kind']]} {likelihood['bits_per_dim']:.3f}"
