"""Records of recipes: `results/NAME.json` has the measured figures and what is needed to measure them again.

    format      number of the format of the configs
    figures     {name: {"value", "low", "high", "n", "provenance"}}, or the rows of a comparison by system
    models      {name: {"system", "size", "conditions", "representation", "config", "sha256"}}, or for
                pretrained models {name: {"gguf", "file", "config", "sha256"}}, where `file` is the sha256 of
                its file, and for models that a function of a recipe builds, {name: {"function", "arguments",
                "config", "sha256"}}; "parts" has the configs of further arguments that are parts

`sha256` is the hash of the config. A test checks that the stored config still equals the one that its system
builds now; otherwise the figure is of another model. Files that a config refers to (tokenizers) are in
`results/assets`.
"""

__all__ = [
    "RESULTS",
    "config_sha256",
    "environment",
    "evaluation_settings",
    "function_record",
    "model_record",
    "outdated",
    "read",
    "stamped",
    "store",
    "system_record",
    "training_cost",
]

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from pkgutil import resolve_name
from types import MappingProxyType
from typing import Any

from morphogen.catalogue import build_system
from morphogen.component import Asset, Component, from_config, to_config
from morphogen.data import Dataset
from morphogen.evaluation.features import Features
from morphogen.evaluation.provenance import recorded, stamp_all
from morphogen.files import write_bytes
from morphogen.interop.gguf_named import KNOWN
from morphogen.report import machine
from morphogen.run import Run, versions, write_json
from morphogen.saved_config import FORMAT, check_format

RESULTS = Path(__file__).parent / "results"
LARGEST = 200_000  # bytes of an asset


def read(name: str) -> dict[str, Any] | None:
    """The record of a recipe, with its figures stamped; None if it was never stored.

    Errors: ConfigError for another format.
    """
    path = RESULTS / f"{name}.json"
    if not path.exists():
        return None
    record = json.loads(path.read_text(encoding="utf8"))
    check_format(record, path, f"measure it again with `morphogen reproduce {name} --store`")
    return stamped(record)


def stamped(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with the provenance of each figure, from what it says about all of them if it is older."""
    return {**record, "figures": stamp_all(record["figures"], recorded(record))}


def store(name: str, record: Mapping[str, Any]) -> None:
    """Write results/NAME.json and the assets of its models; a pretrained model's file contains its assets.

    Assets above `LARGEST` bytes, such as MiniLM's tokenizer, are those of a package, and are not stored.
    """
    for asset in _assets([model for model in record["models"].values() if "gguf" not in model]):
        if len(asset.content) <= LARGEST:
            (RESULTS / "assets").mkdir(exist_ok=True)
            write_bytes(RESULTS / "assets" / asset.name, asset.content)
    write_json(RESULTS / f"{name}.json", {"format": FORMAT} | dict(record))


def environment(device: str = "cpu") -> dict[str, Any]:
    """Machine, versions and date of a measurement."""
    return {"machine": machine(device), "versions": versions(), "date": date.today().isoformat()}


def evaluation_settings(data: Dataset, features: Features, n: int, seed: int) -> dict[str, Any]:
    """Data, features, number of samples and seed of an evaluation of images."""
    features_record = {"name": features.name, "sha256": features.sha256, "resize": features.resize}
    return {"data": data.name, "split": data.split, "features": features_record, "n": n, "seed": seed}


def training_cost(run: Run, budget: float | None) -> dict[str, Any]:
    """Budget in seconds, if it was one, and steps and seconds that the run's training took."""
    return {"budget": budget, "steps": run.record["steps"], "seconds": round(run.record["seconds"])}


def model_record(
    system: str, size: str, dataset: Dataset, model: Component,
    changes: Mapping[str, Any] | None = None, **parts: Component,
) -> dict[str, Any]:  # fmt: skip
    """The entry of a trained system in `models`, with the arguments of `build_system` that it was built with.

    Arguments:
        system, size, dataset, model: the system's name and size, its data, and the model.
        changes: config values that were overridden; None: none.
        parts: further arguments of the system's function.
    """
    record = system_record(system, size, dataset.representation, model, dataset.conditions_config)
    record |= {"changes": dict(changes)} if changes else {}
    return record | ({"parts": {name: to_config(part) for name, part in parts.items()}} if parts else {})


def system_record(
    system: str, size: str, representation: Component, model: Component,
    conditions: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:  # fmt: skip
    """The entry in `models` of a system built for a representation, and for conditions of these configs."""
    config = to_config(model)
    record = {"system": system, "size": size, "conditions": dict(conditions)}
    record |= {"representation": to_config(representation), "config": config}
    return record | {"sha256": config_sha256(config)}


def function_record(
    build: Callable[..., Component], parts: Mapping[str, Component] = MappingProxyType({}), **arguments: Any
) -> dict[str, Any]:
    """The entry in `models` of a model that a function builds with these arguments.

    Arguments:
        build: the function.
        parts: its arguments that are parts.
        arguments: the others.
    """
    config = to_config(build(**arguments, **parts))
    record = {"function": f"{build.__module__}:{build.__qualname__}", "arguments": arguments}
    record |= {"parts": {name: to_config(part) for name, part in parts.items()}} if parts else {}
    return record | {"config": config, "sha256": config_sha256(config)}


def outdated(record: Mapping[str, Any]) -> list[str]:
    """Names of models whose system now builds another config, or whose config does not match its hash."""
    return [name for name, model in record["models"].items() if _is_outdated(model)]


def config_sha256(config: Mapping[str, Any]) -> str:
    """The hash of a config, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()


def _is_outdated(model: Mapping[str, Any]) -> bool:
    if config_sha256(model["config"]) != model["sha256"]:
        return True
    if "gguf" in model:
        return KNOWN[model["gguf"]].sha256 != model["file"]
    parts = {name: from_config(part, RESULTS / "assets") for name, part in model.get("parts", {}).items()}
    current = (_built_by_function if "function" in model else _built_by_system)(model, parts)
    return to_config(from_config(model["config"], RESULTS / "assets")) != to_config(current)


def _built_by_function(model: Mapping[str, Any], parts: Mapping[str, Any]) -> Component:
    return resolve_name(model["function"])(**model["arguments"], **parts)


def _built_by_system(model: Mapping[str, Any], parts: Mapping[str, Any]) -> Any:
    folder = RESULTS / "assets"
    representation = from_config(model["representation"], folder)
    conditions = {name: from_config(spec, folder) for name, spec in model["conditions"].items()}
    given = model["system"], representation, conditions, model["size"], model.get("changes")
    return build_system(*given, **parts)


def _assets(node: Any) -> Iterator[Asset]:
    """The assets that configs refer to; they are loaded, since their models have just been measured."""
    if isinstance(node, Mapping) and "asset" in node:
        yield Asset.find(node, RESULTS / "assets")
    elif isinstance(node, Mapping | list | tuple):
        for child in node.values() if isinstance(node, Mapping) else node:
            yield from _assets(child)
