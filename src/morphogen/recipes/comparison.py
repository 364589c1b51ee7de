"""One model of each family on a well-known data set, with equal training time, by `morphogen compare`."""

__all__ = ["comparison"]

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from morphogen.compare import compare
from morphogen.compare.record import read_report
from morphogen.data import load_data
from morphogen.recipes.records import environment, model_record
from morphogen.run import Run

REPORT_KEYS = ("data", "split", "features", "n", "seed", "budget", "size", "seconds", "machine", "versions")


def comparison(
    name: str,
    budget: float,
    systems: Sequence[str] | None = None,
    n: int | None = None,
    directory: Path | None = None,
) -> dict[str, Any]:
    """The record of a comparison on a named data set.

    Arguments:
        name: of the data.
        budget: seconds of training per system.
        systems: their names; None: the defaults of `morphogen compare`.
        n: samples per system; None: the default of `morphogen compare`.
        directory: a finished comparison of `morphogen compare`; None: train.
    """
    data = load_data(name)
    if directory is None:
        settings = {"data": name, "resolution": None, "length": None}
        report = compare(data, budget, systems=systems, n=n, settings=settings)
    else:
        report = read_report(directory)
    models = {
        row["system"]: model_record(row["system"], row["size"], data, _load_model(row["run"], directory))
        for row in report["rows"]
        if row.get("run")
    }
    figures = {
        row["system"]: {key: value for key, value in row.items() if key != "run"} for row in report["rows"]
    }
    facts = {key: report[key] for key in REPORT_KEYS}
    return {"figures": figures, "models": models} | environment() | facts


def _load_model(run: str, directory: Path | None) -> Any:
    """The trained model of a row; `directory` is where the comparison is now."""
    return Run.open(Path(run) if directory is None else directory / Path(run).name).model()
