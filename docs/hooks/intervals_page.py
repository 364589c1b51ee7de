"""Generate the table of docs/intervals.md from the newest record: `python docs/hooks/intervals_page.py`.

The text around the markers is written by hand. `python -m benchmarks.interval_coverage` writes the record.
"""

__all__ = ["filled", "table"]

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "intervals.md"
RECORDS = ROOT / "benchmarks" / "results"
START, END = "<!-- coverage: python docs/hooks/intervals_page.py -->\n", "<!-- end -->\n"
TOGETHER = {"shape of ": "shape of a column", "pair ": "score of a pair"}


def table(record: dict[str, Any]) -> str:
    """One row per interval; those of all columns, and of all pairs, share a row with their range."""
    rows: dict[tuple[Any, ...], list[float]] = {}
    for case in record["coverage"]:
        starts = (title for start, title in TOGETHER.items() if case["measure"].startswith(start))
        exact = "expected value at n" if case["exact"] is None else f"{case['exact']:g}, exactly"
        key = next(starts, case["measure"]), exact, case["distribution"], case["trials"]
        rows.setdefault(key, []).append(100 * case["held"])
    lines = ["| measure | estimand | distribution | trials | held, % |", "| --- | --- | --- | ---: | ---: |"]
    for key, held in rows.items():
        ends = dict.fromkeys(f"{each:.1f}" for each in (min(held), max(held)))
        lines.append(f"| {' | '.join(map(str, key))} | {' to '.join(ends)} |")
    return "\n".join(lines) + "\n"


def filled(page: str) -> str:
    """The page with the table of the newest record."""
    path = max(RECORDS.glob("intervals-*.json"))
    record = json.loads(path.read_text(encoding="utf8"))
    before, _, rest = page.partition(START)
    source = (
        f"Measured on {record['date']}, seed {record['seed']}: [record](../benchmarks/results/{path.name}).\n"
    )
    return f"{before}{START}\n{source}\n{table(record)}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf8")), encoding="utf8")
