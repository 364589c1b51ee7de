"""The data of a run: where they are, read again as for its training, and whether they are still the same.

    settings of a run    data, resolution, ...      the arguments of `load_data`
                         places                     {argument: [absolute path, path seen from the run]}
                         conditions, split          of the `Dataset`
                         fingerprint                {"sha256": of the data, "examples": {"train": 2300, ...}}

So the data are found from any working directory, and if they were moved together with the run.
"""

__all__ = [
    "DATA_SETTINGS",
    "check_unchanged",
    "create_run",
    "facts",
    "locate",
    "needs_tokenizer",
    "places",
    "read_data",
]

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import Any

from morphogen.component import from_config
from morphogen.contract import Representation
from morphogen.data import NAMED, Dataset, load_data
from morphogen.data.prefix import split_prefix
from morphogen.data.relabelled import with_classes_of
from morphogen.run import Run, RunError

DATA_SETTINGS = (
    "data",
    "resolution",
    "length",
    "condition",
    "tokenizer",
    "table",
    "source",
)  # the arguments of `load_data`
PATHS = ("data", "source", "teacher", "from")  # the settings that can be paths
SHOWN = 8  # class names that a message lists


def create_run(root: str | Path, system: str, dataset: Dataset, settings: Mapping[str, Any]) -> Run:
    """A new run directory whose settings record what its data are and where; see `Run.create`."""
    run = Run.create(root, system, dataset.name, {**settings, **facts(dataset)})
    run.record["settings"]["places"] = places(settings, run.directory)
    run.mark("training")
    return run


def facts(dataset: Dataset) -> dict[str, Any]:
    """What the settings of a run record about its data."""
    parts = {"train": dataset.train, "valid": dataset.valid, "test": dataset.test}
    examples = {name: len(part) for name, part in parts.items()}
    return {
        "conditions": dataset.conditions_config,
        "split": dataset.split,
        "fingerprint": {"sha256": dataset.sha256, "examples": examples},
    }


def places(settings: Mapping[str, Any], directory: Path) -> dict[str, list[str]]:
    """The settings that are paths: each absolute, and relative to a run directory."""
    found = {}
    for name in PATHS:
        kind, path = _split(settings.get(name))
        if path and Path(path).expanduser().exists():
            absolute = os.path.abspath(Path(path).expanduser())
            found[name] = [kind + absolute, kind + os.path.relpath(absolute, directory.absolute())]
    return found


def locate(settings: Mapping[str, Any], name: str, directory: Path) -> str:
    """Where the path of a setting is now: at its absolute place, at that seen from the run, or as typed.

    Errors: RunError with the places that were tried.
    """
    recorded = (settings.get("places") or {}).get(name)
    if not recorded:
        return settings[name]
    kind, absolute = _split(recorded[0])
    relative = os.path.normpath(directory.absolute() / _split(recorded[1])[1])
    for place in (absolute, relative, _split(settings[name])[1]):
        if Path(place).expanduser().exists():
            return kind + place
    tried = " nor at ".join(dict.fromkeys((absolute, relative)))
    raise RunError(
        f"{directory}: {name} {settings[name]!r} is not at {tried}; put it back there, or train again"
    )


def read_data(
    settings: Mapping[str, Any], directory: Path, representation: Representation | None = None
) -> Dataset:
    """The data of a run (or of a comparison), found and read as for its training.

    Arguments:
        settings: of the run.
        directory: of the run.
        representation: of the trained model, whose tokenizer a text is read with; None: that of the settings.

    Errors: RunError if the settings name no data, if they are missing or if they have changed; DataError.
    """
    if not settings.get("data"):
        raise RunError(
            f"{directory}: its settings name no data, as of data in memory: evaluate it in Python, with "
            'mg.metrics, or train it with settings={"data": PATH}'
        )
    arguments = dict(settings) | {"data": locate(settings, "data", directory)}
    if settings.get("source"):
        arguments["source"] = locate(settings, "source", directory)
    if needs_tokenizer(settings) and hasattr(representation, "tokenize"):
        arguments["tokenizer"] = representation
    dataset = load_data(arguments["data"], **{key: arguments.get(key) for key in DATA_SETTINGS[1:]})
    if settings.get("from"):  # fine-tuned: the labels are those of the first run
        label = settings["conditions"].get("label")
        dataset = with_classes_of(dataset, {"label": from_config(label)} if label else {})
    check_unchanged(settings, dataset, directory)
    return dataset


def needs_tokenizer(settings: Mapping[str, Any]) -> bool:
    """Whether a text must be read with the tokenizer of the model, which was learned from a text."""
    return bool(settings.get("tokenizer") or settings.get("from"))


def check_unchanged(settings: Mapping[str, Any], dataset: Dataset, directory: Path) -> None:
    """Errors: RunError, in one line with what has changed, if the data are not those of the settings."""
    if (change := _change(settings, dataset)) is not None:
        raise RunError(f"{directory}: {change}; restore them, or {_remedy(settings, dataset, directory)}")


def _change(settings: Mapping[str, Any], dataset: Dataset) -> str | None:
    """What has changed about the data, in words; None: nothing."""
    recorded, now = settings.get("fingerprint"), facts(dataset)
    if "conditions" in settings and (classes := _classes(settings["conditions"])) != dataset.classes:
        return f"the classes have changed: {_difference(classes, dataset.classes)}"
    if recorded is None:  # a run of an earlier version
        same = settings.get("split") in (None, dataset.split)
        return None if same else f"the data have changed since it was trained ({dataset.split})"
    if recorded["sha256"] == dataset.sha256:
        return None
    then, now = recorded["examples"], now["fingerprint"]["examples"]
    differing = [name for name in now if then[name] != now[name]]
    how = [f"{then[name]} {name} examples then, {now[name]} now" for name in differing[:1]]
    return f"the data have changed since this run was trained: {(how or ['as many examples, but others'])[0]}"


def _classes(conditions: Mapping[str, Any]) -> tuple[str, ...]:
    """The class names in the config of conditions."""
    return tuple((conditions or {}).get("label", {}).get("names", ()))


def _difference(then: Sequence[str], now: Sequence[str]) -> str:
    """The names that are in one of the two alone: "medical is gone, health and sport are new"."""
    changes = {"gone": [n for n in then if n not in now], "new": [n for n in now if n not in then]}
    words = [
        f"{_listed(names)} {'is' if len(names) == 1 else 'are'} {change}"
        for change, names in changes.items()
        if names
    ]
    return ", ".join(words) or "they are in another order"


def _listed(names: Sequence[str]) -> str:
    """The first names, and how many others there are."""
    *shown, last = names if len(names) <= SHOWN else (*names[:SHOWN], f"{len(names) - SHOWN} others")
    return f"{', '.join(shown)} and {last}" if shown else last


def _remedy(settings: Mapping[str, Any], dataset: Dataset, directory: Path) -> str:
    """The command that trains on the data as they are now; a model that knows all their classes, further."""
    if not (directory / "run.json").exists():
        return "compare again"
    run, data = Run.open(directory), quote(locate(settings, "data", directory))
    then, now = _classes(settings.get("conditions") or {}), dataset.classes
    if (directory / "model").exists() and (not then or (now and set(now) <= set(then))):
        return (
            f"train the model further on them: morphogen train --from {quote(str(directory))} --data {data}"
        )
    return f"train a new model on them: morphogen train {run.record['system']} --data {data}"


def _split(name: str | None) -> tuple[str, str]:
    """The prefix of data, with its colon, and the path; a named data set is no path."""
    if name is None or all(part in NAMED for part in name.split("+")):
        return "", ""
    prefix, path = split_prefix(name)
    return prefix and f"{prefix}:", path
