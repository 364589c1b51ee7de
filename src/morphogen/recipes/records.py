"""The records: `results/NAME.json` is the only home of a measured figure, with all that anyone needs to get it again.

    figures     what was measured: {name: {"value", "low", "high", ...}}, or a comparison's rows by system
    models      what it was measured on: {name: {"system", "size", "classes", "representation", "config", "sha256"}},
                or of a pretrained one {name: {"gguf", "file", "config", "sha256"}}, `file` being the sha256 of its file

`sha256` is of the config. The model that its config builds today is the one that its page composes today, or the figure is of
another model than the page describes, and a test says so. The files that a config names (tokenizers) lie in `results/assets`.
"""

__all__ = ["RESULTS", "circumstances", "config_sha256", "moved", "read", "specimen", "spent", "store", "terms"]

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from morphogen.catalogue import compose
from morphogen.component import Asset, Component, build, describe
from morphogen.data import Dataset
from morphogen.evaluation.features import Features
from morphogen.files import write_bytes
from morphogen.interop.gguf_named import KNOWN
from morphogen.report import machine
from morphogen.run import Run, versions, write_json

RESULTS = Path(__file__).parent / "results"


def read(name: str) -> dict[str, Any] | None:
    """The record of a recipe; None: it was never run."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf8")) if path.exists() else None


def store(name: str, record: Mapping[str, Any]) -> None:
    """Write results/NAME.json, and beside it the assets of its models, unless a file that is named has them."""
    for asset in _assets([known for known in record["models"].values() if "gguf" not in known]):
        (RESULTS / "assets").mkdir(exist_ok=True)
        write_bytes(RESULTS / "assets" / asset.name, asset.content)
    write_json(RESULTS / f"{name}.json", record)


def circumstances(device: str = "cpu") -> dict[str, Any]:
    """What a figure depends on besides the recipe: the machine, the versions, the day."""
    return {"machine": machine(device), "versions": versions(), "date": date.today().isoformat()}


def terms(data: Dataset, features: Features, n: int, seed: int) -> dict[str, Any]:
    """By what pictures are measured."""
    known = {"name": features.name, "sha256": features.sha256}
    return {"data": data.name, "split": data.split, "features": known, "n": n, "seed": seed}


def spent(run: Run, budget: float) -> dict[str, Any]:
    """What a run's training took of its budget in seconds."""
    return {"budget": budget, "steps": run.record["steps"], "seconds": round(run.record["seconds"])}


def specimen(system: str, size: str, dataset: Dataset, model: Component, **parts: Component) -> dict[str, Any]:
    """What a model was, that was trained as a system of some size on some data; `parts` are what else its page was given."""
    config = describe(model)
    known = {"system": system, "size": size, "classes": len(dataset.classes), "representation": describe(dataset.representation)}
    known |= {"parts": {name: describe(part) for name, part in parts.items()}} if parts else {}
    return known | {"config": config, "sha256": config_sha256(config)}


def moved(record: Mapping[str, Any]) -> list[str]:
    """The models of a record that their pages no longer describe, and those whose config is not what its hash says."""
    return [name for name, known in record["models"].items() if _moved(known)]


def config_sha256(config: Mapping[str, Any]) -> str:
    """The hash of a config, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()


def _moved(known: Mapping[str, Any]) -> bool:
    if "gguf" in known:
        return config_sha256(known["config"]) != known["sha256"] or KNOWN[known["gguf"]].sha256 != known["file"]
    folder = RESULTS / "assets"
    parts = {name: build(part, folder) for name, part in known.get("parts", {}).items()}
    page = compose(known["system"], build(known["representation"], folder), known["classes"], known["size"], **parts)
    return config_sha256(known["config"]) != known["sha256"] or describe(build(known["config"], folder)) != describe(page)


def _assets(node: Any) -> Iterator[Asset]:
    """The files that the configs of a record name; known, since a moment ago their models were measured."""
    if isinstance(node, Mapping) and "asset" in node:
        yield Asset.find(node, RESULTS / "assets")
    elif isinstance(node, Mapping | list | tuple):
        for child in node.values() if isinstance(node, Mapping) else node:
            yield from _assets(child)
