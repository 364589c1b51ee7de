"""The recorded comparisons: one model per family on data people know, each trained for the same time.

    python -m morphogen.recipes.comparison mnist-5k                 trains and records (35 minutes on two cores)
    python -m morphogen.recipes.comparison mnist-5k DIRECTORY       records what `morphogen compare` left there

The record is every row of the report, with the sha256 of each run's config.
"""

__all__ = ["BUDGETS", "record_comparison"]

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

from morphogen.compare import compare
from morphogen.compare.record import read_report
from morphogen.data import load
from morphogen.recipes import store

SYSTEMS = ("mixture", "gated_pixelcnn", "vae", "realnvp", "wgan_gp", "ddpm")
BUDGETS = {"digits": (30.0, None), "mnist-5k": (360.0, 500), "fashion-mnist": (120.0, 300)}  # seconds of each system; samples


def record_comparison(name: str, directory: Path | None = None) -> dict[str, Any]:
    """Compare on the data of that name, unless `directory` holds the comparison already; store it as results/NAME.json."""
    if directory is None:
        budget, n = BUDGETS[name]
        report = compare(load(name), budget, systems=SYSTEMS, n=n, settings={"data": name, "resolution": None, "length": 64})
    else:
        report = read_report(directory)
    rows = [_row(row, directory) for row in report["rows"]]
    facts = {key: report[key] for key in ("data", "split", "features", "n", "seed", "budget", "size", "machine", "versions", "seconds")}
    return store(name, facts | {"figures": {row["system"]: row for row in rows}})


def _row(row: dict[str, Any], directory: Path | None) -> dict[str, Any]:
    """A row without its place on this machine, and with the hash of what was trained."""
    place = row.pop("run", None)
    if place is None:
        return row
    run = directory / Path(place).name if directory is not None else Path(place)
    config = json.loads((run / "model" / "config.json").read_text(encoding="utf8"))
    return row | {"config_sha256": hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=BUDGETS)
    parser.add_argument("directory", nargs="?", type=Path)
    given = parser.parse_args()
    record_comparison(given.name, given.directory)
