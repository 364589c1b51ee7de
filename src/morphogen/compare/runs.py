"""Runs that exist: measured again without training, one alone, or a whole comparison taken up where it stopped.

A run's settings hold what its data were loaded with, so that a directory is all a person has to name.
"""

__all__ = ["evaluate", "find_runs", "is_run", "rescore", "resume", "weigh"]

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from morphogen.compare.bench import Bench
from morphogen.compare.comparison import Comparison
from morphogen.compare.record import read_report
from morphogen.data import Dataset, load
from morphogen.evaluation.likelihood import spread
from morphogen.evaluation.precision import PrecisionCost, precision_cost
from morphogen.files import write_json
from morphogen.inference.weights import Weights
from morphogen.rank import ALONE, Rank
from morphogen.run import Run, RunError

LOADED_WITH = ("data", "resolution", "length", "condition", "tokens")
_UNSAID = {"length": 64}  # what runs of old wrote down where nothing was said


def is_run(path: str | Path) -> bool:
    """Whether a path is a run directory, or a comparison that holds some."""
    return (Path(path) / "run.json").is_file() or (Path(path) / "report.json").is_file()


def find_runs(paths: Sequence[str | Path]) -> list[Run]:
    """The runs in these directories, each a run or a comparison; those of a comparison in the order of its rows.

    Errors: RunError where a path is neither, or a comparison has finished none.
    """
    found: list[Run] = []
    for path in map(Path, paths):
        if (path / "run.json").exists() or not (path / "report.json").exists():
            found.append(Run.open(path))
            continue
        rows = [row for row in read_report(path)["rows"] if row.get("run") and row.get("error") is None]
        places = [path / Path(row["run"]).name for row in rows]
        inside = [Run.open(place if place.exists() else Path(row["run"])) for place, row in zip(places, rows, strict=True)]
        if not inside:
            raise RunError(f"{path} holds no finished run; go on with it: morphogen compare --resume {path}")
        found += inside
    return found


def rescore(
    runs: Sequence[Run], directory: Path | None = None, n: int | None = None, seed: int | None = None, device: str = "cpu"
) -> Comparison:
    """A comparison of trained runs, by their common data; a name that two runs share becomes those of their directories.

    Arguments:
        runs: at least one.
        directory, n, device: as of `Comparison`.
        seed: of sampling; None: that of the first run, so that a run's own comparison comes out again.

    Errors: RunError where the runs' data differ, or a run does not say what they were.
    """
    first = runs[0]
    for run in runs[1:]:
        if (differs := _difference(first, run)) is not None:
            raise RunError(f"{first.directory} and {run.directory} cannot be compared: {differs}; give runs on the same data")
    systems = [run.record["system"] for run in runs]
    names = systems if len(set(systems)) == len(systems) else [f"{run.record['system']} {run.name.rpartition('-')[2]}" for run in runs]
    names = names if len(set(names)) == len(names) else [str(run.directory) for run in runs]
    settings = first.record["settings"]
    return Comparison(
        _data(first), None, directory, size=settings.get("size", "small"), n=n, seed=settings.get("seed", 0) if seed is None else seed,
        device=device, settings=_loaded_with(settings), runs=dict(zip(names, runs, strict=True)),
    )  # fmt: skip


def resume(directory: Path, budget: float | None = None, device: str = "cpu") -> Comparison:
    """A comparison that goes on: rows that stand are kept, unless a larger budget is given, which trains every run on.

    With a larger budget the report so far is copied into `directory/after-<old budget>s` first.

    Errors: RunError where the directory holds no comparison, its data have changed, or the budget is smaller than what was trained.
    """
    report = read_report(directory)
    settings, before = report["settings"], report["budget"]
    if "data" not in settings:
        raise RunError(f"{directory / 'report.json'} does not say where its data are; compare them anew, by name or path")
    if budget is not None and (before is None or budget < before):
        has = "measures runs that are trained already" if before is None else f"has trained for {before:g} s"
        raise RunError(f"{directory} {has}; a budget of {budget:g} s cannot be reached: give more, or none to go on")
    dataset = _load(settings)
    if dataset.split != report["split"]:
        raise RunError(f"{directory}: the data {settings['data']!r} have changed since ({dataset.split}); compare them anew")
    runs = {name: Run.open(place) for name, place in settings.get("runs", {}).items()}
    comparison = Comparison(
        dataset, budget if budget is not None else before, directory, report["systems"], report["size"], report["n"], report["seed"],
        device, _loaded_with(settings), runs,
    )  # fmt: skip
    comparison.created, comparison.before = report.get("created", comparison.created), report.get("seconds", 0.0)
    comparison.record.restore()
    comparison.rows = report["rows"]
    if budget is not None and before is not None and budget > before:
        comparison.record.set_aside(f"after-{before:g}s")
        comparison.rows = [row for row in report["rows"] if row["run"] is None and row["error"] is None]  # real data and codecs
    return comparison


def evaluate(run: Run, n: int | None = None, device: str = "cpu", rank: Rank = ALONE) -> dict[str, Any]:
    """Measure one run beside the held-out data and the codecs; RUN/evaluation.json holds what is returned.

    Of several processes, all of which call this, each takes its share of the samples and of the held-out rows.

    Errors: RunError where the run is damaged, unfinished, or does not say what its data were.
    """
    settings = run.record["settings"]
    model, dataset = run.model(device), _data(run)
    bench = Bench(dataset, n, settings.get("seed", 0), rank)
    facts = {"size": settings.get("size"), "train_seconds": run.record.get("seconds"), "steps": run.record.get("steps")}
    row, _ = bench.model(model, system=run.record["system"], run=str(run.directory), **facts)
    report = bench.facts() | {"rows": [bench.real()[0], *bench.codecs(), row]}
    rank.once(lambda: write_json(run.directory / "evaluation.json", report))
    return report


def weigh(run: Run, weights: Weights, n: int | None = None, device: str = "cpu") -> PrecisionCost:
    """What it costs a run to hold its matrices in fewer bytes, on n held-out rows (at most 1000).

    Errors: RunError as of `evaluate`; Unsupported for a model without a likelihood.
    """
    model, part = run.model(device), _data(run).test
    rows = part[spread(len(part), min(n or 1000, 1000))]
    return precision_cost(getattr(model, "last", model), weights, rows, run.record["settings"].get("seed", 0))


def _data(run: Run) -> Dataset:
    """The data that a run was trained on, a text in the very symbols that its model reads."""
    settings = run.record["settings"]
    if not settings.get("data"):
        raise RunError(f"{run.directory}: its settings name no data (it was not trained by `morphogen train` or `compare`); train it again")
    return _load(settings | {"tokens": run.model().representation} if settings.get("tokens") else settings)


def _loaded_with(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What `load` was called with."""
    return {key: settings[key] for key in LOADED_WITH if key in settings}


def _load(settings: Mapping[str, Any]) -> Dataset:
    return load(settings["data"], *(settings.get(key) for key in LOADED_WITH[1:]))


def _difference(one: Run, other: Run) -> str | None:
    """How the data of two runs differ; None: they do not. A split is compared where both wrote theirs down."""
    for key in (*LOADED_WITH, "split"):
        mine, theirs = (run.record["settings"].get(key) or _UNSAID.get(key) for run in (one, other))
        if mine != theirs and (key != "split" or (mine and theirs)):
            return f"{key} {mine!r} and {theirs!r}"
    return None
