"""Measured results: a recipe is a function, system + data + budget; `results/NAME.json` is the only home of its figures."""

__all__ = ["RESULTS", "record", "store"]

import hashlib
import json
import platform
from datetime import date
from pathlib import Path
from typing import Any

import torch

from morphogen.component import Component, describe
from morphogen.run import write_json

RESULTS = Path(__file__).parent / "results"


def record(name: str, model: Component, figures: dict[str, Any], **circumstances: Any) -> dict[str, Any]:
    """Store a recipe's figures with what anyone needs to get them again: seed, steps, hardware, the config's hash."""
    config = hashlib.sha256(json.dumps(describe(model), sort_keys=True).encode()).hexdigest()
    hardware = f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"
    result = {"recipe": name, "figures": figures} | circumstances
    result |= {"config_sha256": config, "hardware": hardware, "torch": torch.__version__, "date": date.today().isoformat()}
    return store(name, result)


def store(name: str, result: dict[str, Any]) -> dict[str, Any]:
    """Write results/NAME.json."""
    write_json(RESULTS / f"{name}.json", result)
    return result
