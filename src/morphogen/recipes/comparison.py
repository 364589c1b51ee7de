"""One model of each family on data that people know, each trained for the same time: the rows of `morphogen compare`."""

__all__ = ["comparison"]

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from morphogen.compare import compare
from morphogen.compare.record import read_report
from morphogen.data import load
from morphogen.recipes.records import circumstances, specimen
from morphogen.run import Run

FACTS = ("data", "split", "features", "n", "seed", "budget", "size", "seconds", "machine", "versions")


def comparison(
    name: str, budget: float, systems: Sequence[str] | None = None, n: int | None = None, directory: Path | None = None
) -> dict[str, Any]:
    """The record of a comparison on the data of that name.

    Arguments:
        name: of the data.
        budget: seconds of training of each system.
        systems: names; None: those that `morphogen compare` would take.
        n: samples of each; None: as many as `morphogen compare` would take.
        directory: what `morphogen compare` has left, which is measured already; None: train.
    """
    data = load(name)
    if directory is None:
        report = compare(data, budget, systems=systems, n=n, settings={"data": name, "resolution": None, "length": None})
    else:
        report = read_report(directory)
    models = {
        row["system"]: specimen(row["system"], row["size"], data, _model(row["run"], directory)) for row in report["rows"] if row.get("run")
    }
    figures = {row["system"]: {key: value for key, value in row.items() if key != "run"} for row in report["rows"]}
    return {"figures": figures, "models": models} | circumstances() | {key: report[key] for key in FACTS}


def _model(place: str, directory: Path | None) -> Any:
    """The trained model of a row, wherever its comparison was moved to."""
    return Run.open(Path(place) if directory is None else directory / Path(place).name).model()
