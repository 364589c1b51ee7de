"""Stored results, results/DATE-MACHINE.json; a figure that is measured again on that day is replaced."""

__all__ = ["RESULTS", "record_path", "store", "write"]

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.goals import FIGURES
from benchmarks.limits import measured
from morphogen.files import write_json
from morphogen.report import machine

RESULTS = Path(__file__).parent / "results"
PACKAGES = (
    "morphogen", "torch", "accelerate", "diffusers", "transformers", "pythae", "xllamacpp",
    "vector-quantize-pytorch", "scipy", "scikit-learn",
    "sdmetrics", "ctgan", "copulas", "prdc",
)  # fmt: skip
SIMD = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16")


def store(lines: Iterable[str], folder: Path = RESULTS) -> Path:
    """Add figures to today's record of this machine, each with its goal and whether it is met.

    Arguments:
        lines: figures, one JSON object per line.
        folder: directory of the records.
    """
    path = record_path(folder)
    record = json.loads(path.read_text(encoding="utf8")) if path.exists() else {"figures": []}
    new = {figure["name"]: figure | _judge(figure) for figure in map(json.loads, lines)}
    kept = [figure for figure in record["figures"] if figure["name"] not in new]
    write(path, figures=[*kept, *new.values()])
    return path


def record_path(folder: Path = RESULTS, kind: str = "") -> Path:
    """Path of today's record of this machine; `kind` is a prefix of records of anything but figures."""
    return folder / f"{kind}{date.today().isoformat()}-{_slug(machine())}.json"


def write(path: Path, **results: Any) -> None:
    """Write results with the date, the hardware and the versions."""
    path.parent.mkdir(exist_ok=True)
    conditions = {"date": date.today().isoformat(), "hardware": _hardware(), "versions": _versions()}
    write_json(path, conditions | results)


def _hardware() -> dict[str, Any]:
    """The machine, the vector instructions of its cores, and those that torch uses."""
    import torch

    from morphogen.numerics.precision import native_bf16

    match = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    flags = set(match[1].split()) if match else set()
    return {
        "machine": machine(), "simd": [name for name in SIMD if name in flags],
        "torch_simd": torch.backends.cpu.get_cpu_capability(),
        "native_bf16": native_bf16(torch.device("cpu")), "threads": torch.get_num_threads(),
        "limits": measured(),
    }  # fmt: skip


def _versions() -> dict[str, str]:
    """Versions of our package and the peers."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "absent"
    return versions


def _judge(figure: Mapping[str, Any]) -> dict[str, Any]:
    """The goal of a figure, and whether it is met."""
    goal, memory = FIGURES[figure["name"]], figure["memory_mib"]
    met = figure["pairs"] > 0 and goal.met(figure["ours"], figure["ratio"], memory["ours"] / memory["peer"])
    return {"goal": asdict(goal), "met": met}


def _slug(machine: str) -> str:
    """The machine as a part of a file name."""
    return re.sub(r"[^a-z0-9]+", "-", machine.lower()).strip("-")
