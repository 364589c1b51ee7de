"""A recorded comparison as a table in a page: `python -m morphogen.recipes.table README.md` writes them where a page has

    <!-- table: NAME -->
    <!-- end -->

bits/dim: = exact, ≤ an upper bound, with half of the 95 % interval; the other measures without theirs, which the record has.
"""

__all__ = ["fill", "markdown"]

import re
import sys
from pathlib import Path
from typing import Any

from morphogen.recipes.records import read

COLUMNS = {
    "frechet": "Fréchet", "precision": "prec.", "recall": "recall", "density": "dens.", "coverage": "cover.", "memorised": "copies",
    "recognised": "sure",
}  # fmt: skip
SIGNS = {"exact": "=", "lower_bound": "≤", "estimate": "≈"}


def markdown(name: str) -> str:
    """The table of results/NAME.json."""
    record = read(name)
    if record is None:
        raise ValueError(f"table {name}: there is no such record; run: morphogen reproduce {name} --store")
    heads = ["", "family", "bits/dim", *COLUMNS.values(), "samples/s"]
    lines = [
        f"| {' | '.join(heads)} |",
        f"|{'---|' * len(heads)}",
        *(_line(row, row["system"] in record["models"]) for row in record["figures"].values()),
    ]
    return "\n".join(lines)


def fill(page: str) -> str:
    """The page with every table as the records have it."""
    place = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
    return place.sub(lambda found: f"{found[1]}\n{markdown(found[2])}\n\n{found[3]}", page)


def _line(row: dict[str, Any], model: bool) -> str:
    system = row["system"]
    title = f"`{system}`" if model else f"**{system}**" if system == "real data" else system
    measured = [f"{row[measure]['value']:.2f}" if row.get(measure) else "" for measure in COLUMNS]
    rate = f"{row['samples_per_second']:,.0f}" if row.get("samples_per_second") else ""
    bits = ("none" if model else "") if row["likelihood"] is None else _bits(row["likelihood"])
    cells = [title, row["family"] or "", bits, *measured, rate]
    return f"| {' | '.join(cells)} |"


def _bits(likelihood: dict[str, Any]) -> str:
    half = (likelihood["high"] - likelihood["low"]) / 2
    return f"{SIGNS.get(likelihood['kind'], '')} {likelihood['bits_per_dim']:.2f}{f' ± {half:.2f}' if half else ''}".strip()


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(fill(path.read_text(encoding="utf8")), encoding="utf8")
