"""Recorded comparisons as Markdown tables.

`python -m morphogen.recipes.table README.md` fills in a table where a page has

    <!-- table: NAME -->
    <!-- end -->

bits/dim is exact (=) or an upper bound (≤), with half the width of its 95 % interval; the intervals of the
other metrics are in the record. Below the table is what it does not give, and why.
"""

__all__ = ["fill", "markdown"]

import re
import sys
from pathlib import Path
from typing import Any

from morphogen.evaluation.provenance import comparable_rows
from morphogen.recipes.records import read
from morphogen.report.caveats import caveats

COLUMNS = {
    "frechet": "Fréchet",
    "precision": "prec.",
    "recall": "recall",
    "density": "dens.",
    "coverage": "cover.",
    "memorised": "copies",
    "recognised": "conf.",
}
SIGNS = {"exact": "=", "lower_bound": "≤", "estimate": "≈"}


def markdown(name: str) -> str:
    """The table of results/NAME.json."""
    record = read(name)
    if record is None:
        raise ValueError(f"table {name}: no such record; run `morphogen reproduce {name} --store`")
    rows = comparable_rows(list(record["figures"].values()))
    titles = ["", "family", "bits/dim", *COLUMNS.values(), "samples/s"]
    lines = [
        f"| {' | '.join(titles)} |",
        f"|{'---|' * len(titles)}",
        *(_line(row, row["system"] in record["models"]) for row in rows),
    ]
    notes = [f"\n{sentence}" for sentence in caveats(rows)]
    return "\n".join([*lines, *notes])


def fill(page: str) -> str:
    """The page with all its tables taken from the records."""
    table = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
    return table.sub(lambda match: f"{match[1]}\n{markdown(match[2])}\n\n{match[3]}", page)


def _line(row: dict[str, Any], is_model: bool) -> str:
    system = row["system"]
    title = f"`{system}`" if is_model else f"**{system}**" if system == "real data" else system
    metrics = [f"{row[metric]['value']:.2f}" if row.get(metric) else "" for metric in COLUMNS]
    rate = f"{row['samples_per_second']:,.0f}" if row.get("samples_per_second") else ""
    bits = ("none" if is_model else "") if row["likelihood"] is None else _bits(row["likelihood"])
    cells = [title, row["family"] or "", bits, *metrics, rate]
    return f"| {' | '.join(cells)} |"


def _bits(likelihood: dict[str, Any]) -> str:
    half = (likelihood["high"] - likelihood["low"]) / 2
    error = f" ± {half:.2f}" if half else ""
    return f"{SIGNS.get(likelihood['kind'], '')} {likelihood['bits_per_dim']:.2f}{error}".strip()


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(fill(path.read_text(encoding="utf8")), encoding="utf8")
