"""Generate the tables of docs/performance.md from the records: `python docs/hooks/performance_page.py`.

The text above them is written by hand; the tables are below the marker. Of the figures with one name on one
kind of machine the newest is shown.
"""

__all__ = ["PAGE", "filled", "tables"]

import json
import math
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGE, RECORDS = ROOT / "docs" / "performance.md", ROOT / "benchmarks" / "results"
START = "<!-- figures: python docs/hooks/performance_page.py -->\n"
HEAD = "| benchmark | ours | peer | unit | times as fast | goal | limited by | of that limit | measured |"


def tables() -> str:
    """One table per kind of machine, of all benchmarks that were recorded on it."""
    sections = []
    for machine, figures in sorted(_newest().items()):
        limits = next((limits for _, _, limits in reversed(figures.values()) if limits), None)
        rows = [_row(figure, date, known) for figure, date, known in figures.values()]
        sections.append("\n".join([f"## {machine}\n", _describe(limits), HEAD, "|---" * 9 + "|", *rows, ""]))
    return "\n".join(sections)


def filled(page: str) -> str:
    """The page with new tables."""
    before, _, _ = page.partition(START)
    return f"{before}{START}\n{tables()}"


def _newest() -> dict[str, dict[str, tuple[dict[str, Any], str, dict[str, float] | None]]]:
    """Figure, date and limits, by machine and by the benchmark's name, in the order of the goals."""
    goals = _benchmarks("goals").FIGURES
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(RECORDS.glob("2*.json")):  # others start with their kind; dates sort by time
        record = json.loads(path.read_text(encoding="utf8"))
        hardware = record["hardware"]
        for figure in record["figures"]:
            if figure["name"] in goals:
                entry = figure, record["date"], hardware.get("limits")
                found.setdefault(hardware["machine"], {})[figure["name"]] = entry
    return {
        machine: {name: figures[name] for name in goals if name in figures}
        for machine, figures in found.items()
    }


def _row(figure: dict[str, Any], date: str, limits: dict[str, float] | None) -> str:
    bounds = _benchmarks("limits")
    part = bounds.fraction(figure, limits)
    goal = _benchmarks("goals").FIGURES[figure["name"]]
    peaks = figure.get("memory_mib", {"ours": math.inf, "peer": 1.0})  # records of the first days lack them
    memory = peaks["ours"] / peaks["peer"]
    met = "met" if goal.met(figure["ours"], figure["ratio"], memory) else "missed"
    cells = [
        f"`{figure['name']}`", f"{figure['ours']:.4g}", f"{figure['peer']:.4g}", figure["unit"],
        f"{figure['ratio']:.2f}", f"{goal}: {met}", bounds.LIMITED_BY[figure["name"].split()[0]],
        "-" if part is None else f"{part:.0%}", date,
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _describe(limits: dict[str, float] | None) -> str:
    """The measured limits, in a sentence."""
    if limits is None:
        return "The limits of this machine were not recorded.\n"
    return (
        f"Measured limits: {limits['bandwidth'] / 1e9:.0f} GB/s read from memory, "
        f"{limits['fp32'] / 1e9:.0f} GFLOPS of convolutions in fp32, {limits['bf16'] / 1e9:.0f} in bf16.\n"
    )


def _benchmarks(module: str) -> Any:
    """A module of the benchmarks, which are not installed."""
    import importlib

    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))
    return importlib.import_module(f"benchmarks.{module}")


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf8")), encoding="utf8")
