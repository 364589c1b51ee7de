"""Evaluate trained runs, one alone or several in a comparison, and resume a comparison.

The settings of a run include the arguments of `load_data`, so a run directory is all that has to be given.
"""

__all__ = ["evaluate", "find_runs", "is_run", "rescore", "resume", "weight_format_cost"]

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import Any

from morphogen.compare.announcement import duration
from morphogen.compare.comparison import Comparison
from morphogen.compare.forecast import seconds_per_row
from morphogen.compare.outdated import remove_outdated
from morphogen.compare.record import read_report
from morphogen.compare.scorer import Scorer
from morphogen.data import Dataset
from morphogen.evaluation.likelihood import evenly_spaced_indices
from morphogen.evaluation.nearest_pairs import nearest_pairs, pairs_sheet
from morphogen.evaluation.precision import PrecisionCost, precision_cost
from morphogen.files import write_json
from morphogen.inference.packed import WeightFormat
from morphogen.rank import ALONE, Rank
from morphogen.run import Run, RunError
from morphogen.run_data import DATA_SETTINGS, needs_tokenizer, read_data

LONG = 10.0  # seconds from which on the time of sampling is announced
_DEFAULTS = {"length": 64}  # a run may store this default or None


def is_run(path: str | Path) -> bool:
    """Whether a path is a run directory or the directory of a comparison."""
    return (Path(path) / "run.json").is_file() or (Path(path) / "report.json").is_file()


def find_runs(paths: Sequence[str | Path]) -> list[Run]:
    """The runs in these directories, each a run or a comparison, whose runs are in the order of its rows.

    Errors: RunError if a path is neither, or if a comparison has no finished run.
    """
    runs: list[Run] = []
    for path in map(Path, paths):
        if (path / "run.json").exists() or not (path / "report.json").exists():
            runs.append(Run.open(path))
            continue
        rows = [row for row in read_report(path)["rows"] if row.get("run") and row.get("error") is None]
        recorded = [Path(row["run"]) for row in rows]
        inside = [path / place.name for place in recorded]  # a comparison that was moved contains its runs
        found = [Run.open(new if new.exists() else old) for new, old in zip(inside, recorded, strict=True)]
        if not found:
            raise RunError(
                f"{path} contains no finished run; resume it: morphogen compare --resume {quote(str(path))}"
            )
        runs += found
    return runs


def rescore(
    runs: Sequence[Run],
    directory: Path | None = None,
    n: int | None = None,
    seed: int | None = None,
    device: str = "cpu",
) -> Comparison:
    """A comparison of trained runs on their common data; runs of one system are named by their directories.

    Arguments:
        runs: at least one run.
        directory, n, device: see `Comparison`.
        seed: sampling seed; None: that of the first run, which reproduces the figures of its own comparison.

    Errors: RunError if the runs have different data, or if a run does not record its data.
    """
    first = runs[0]
    for run in runs[1:]:
        if (difference := _difference(first, run)) is not None:
            raise RunError(
                f"{first.directory} and {run.directory} cannot be compared: {difference}; "
                "give runs on the same data"
            )
    settings = first.record["settings"]
    return Comparison(
        _data(first),
        None,
        directory,
        size=settings.get("size", "small"),
        n=n,
        seed=settings.get("seed", 0) if seed is None else seed,
        device=device,
        settings=_data_settings(settings),
        runs=dict(zip(_unique_names(runs), runs, strict=True)),
    )


def resume(
    directory: Path, budget: float | None = None, device: str = "cpu", steps: int | None = None
) -> Comparison:
    """Resume a comparison, keeping its finished rows; a larger budget trains all runs further.

    With a larger budget the current report is first copied into `directory/after-<old budget>s` (or steps).
    Rows that were measured otherwise, for example in another feature space, are measured again.

    Errors: RunError if the directory is not a comparison, its data have changed, or the budget is smaller
    than before.
    """
    report = read_report(directory)
    settings = report["settings"]
    former: dict[str, Any] = {"time": report["budget"], "steps": report.get("steps")}
    new: dict[str, Any] = {"time": budget, "steps": steps} if budget or steps else former
    _check_resumable(directory, report, former, new)
    dataset = read_data({"split": report["split"]} | settings, directory)
    comparison = Comparison(
        dataset,
        new["time"],
        directory,
        report["systems"],
        report["size"],
        report["n"],
        report["seed"],
        device,
        _data_settings(settings),
        {name: Run.open(path) for name, path in settings.get("runs", {}).items()},
        new["steps"],
    )
    comparison.is_resumed = True
    comparison.created = report.get("created", comparison.created)
    comparison.earlier_seconds = report.get("seconds", 0.0)
    comparison.record.restore()
    comparison.rows = report["rows"]
    if new != former:
        comparison.record.set_aside(f"after-{_amount(former).replace(' ', '')}")
        comparison.rows = [row for row in report["rows"] if row["run"] is None and row["error"] is None]
    remove_outdated(comparison)
    return comparison


def evaluate(
    run: Run, n: int | None = None, device: str = "cpu", rank: Rank = ALONE,
    tell: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:  # fmt: skip
    """Evaluate a run next to the held-out data and codecs; the report is also saved in RUN/evaluation.json.

    For pictures RUN/copies.png shows the samples that are most like a copy above their training examples.

    With several processes, all of them must call this; each evaluates its shard of samples and held-out rows.

    Arguments:
        run: a finished run.
        n: number of samples, and of held-out rows; None: all held-out rows, at most 1000.
        device: device to compute on.
        rank: of this process.
        tell: called with a line before each step: what is done, and if it is long, about how long it takes.

    Errors: RunError if the run is damaged, unfinished, or does not record its data.
    """
    settings = run.record["settings"]
    model, dataset = run.model(device), _data(run)
    scorer = Scorer(dataset, n, settings.get("seed", 0), rank)
    tell("measuring the held-out data, for reference")
    reference = [scorer.real()[0], *scorer.codec_baselines()]
    tell(_drawing(scorer, model))
    row, samples = scorer.model(
        model,
        system=run.record["system"],
        run=str(run.directory),
        size=settings.get("size"),
        train_seconds=run.record.get("seconds"),
        steps=run.record.get("steps"),
        undertrained=run.record.get("undertrained"),
    )
    report = scorer.facts() | {"rows": [*reference, row]}
    rank.once(lambda: write_json(run.directory / "evaluation.json", report))
    if samples.ndim == 4:  # [N, C, H, W]
        pairs = pairs_sheet(nearest_pairs(samples, dataset.train))
        rank.once(lambda: pairs.save(run.directory / "copies.png"))
    return report


def weight_format_cost(
    run: Run, weights: WeightFormat, n: int | None = None, device: str = "cpu"
) -> PrecisionCost:
    """The likelihood lost by storing the weight matrices of a run in another format, on n held-out rows.

    Arguments:
        run: a finished run.
        weights: format of the weight matrices.
        n: number of held-out rows, at most 1000; None: 1000.
        device: device to compute on.

    Errors: RunError as in `evaluate`; Unsupported for a model without a likelihood.
    """
    model, test = run.model(device), _data(run).test
    rows = test[evenly_spaced_indices(len(test), min(n or 1000, 1000))]
    return precision_cost(getattr(model, "last", model), weights, rows, run.record["settings"].get("seed", 0))


def _drawing(scorer: Scorer, model: Any) -> str:
    """What is going to be drawn; if it takes long, with the time."""
    seconds = scorer.n / scorer.rank.count * seconds_per_row(model, scorer.dataset.test)
    about = f"; about {duration(seconds)}" * (seconds > LONG)
    return f"drawing {scorer.n} samples, to measure them beside held-out data{about}"


def _unique_names(runs: Sequence[Run]) -> list[str]:
    """The systems; if these repeat, with the numbers of the runs; if these repeat too, the directories."""
    systems = [run.record["system"] for run in runs]
    numbered = [f"{run.record['system']} {run.name.rpartition('-')[2]}" for run in runs]
    directories = [str(run.directory) for run in runs]
    unique = (names for names in (systems, numbered) if len(set(names)) == len(names))
    return next(unique, directories)


def _check_resumable(
    directory: Path, report: Mapping[str, Any], former: Mapping[str, Any], new: Mapping[str, Any]
) -> None:
    """Errors: RunError if the report does not record its data, or if the budget is not a larger one."""
    if "data" not in report["settings"]:
        raise RunError(
            f"{directory / 'report.json'} does not record its data; run the comparison again, by name or path"
        )
    unit = next((unit for unit, amount in former.items() if amount), None)
    if new == former or (unit and new[unit] and new[unit] >= former[unit]):
        return
    done = f"has trained for {_amount(former)}" if unit else "evaluates trained runs"
    raise RunError(
        f"{directory} {done}; a budget of {_amount(new)} is not possible: "
        f"give a larger one{' in the same unit' if unit else ''}, or none to resume"
    )


def _amount(budget: Mapping[str, Any]) -> str:
    """A budget in words: 30 s, 500 steps."""
    return f"{budget['time']:g} s" if budget["time"] else f"{budget['steps']} steps"


def _data(run: Run) -> Dataset:
    """The data of a run; a text is encoded with the tokenizer of the model."""
    settings = run.record["settings"]
    representation = run.model().representation if needs_tokenizer(settings) else None
    return read_data(settings, run.directory, representation)


def _data_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that are arguments of `load_data`."""
    return {key: settings[key] for key in DATA_SETTINGS if key in settings}


def _difference(one: Run, other: Run) -> str | None:
    """The first difference between the data of two runs, or None. Splits are compared if both record them."""
    prints = [run.record["settings"].get("fingerprint") for run in (one, other)]
    if all(prints):
        return None if prints[0] == prints[1] else "their data are not the same"
    for key in (*DATA_SETTINGS, "split"):
        first, second = (run.record["settings"].get(key) or _DEFAULTS.get(key) for run in (one, other))
        if first != second and (key != "split" or (first and second)):
            return f"{key} {first!r} and {second!r}"
    return None
