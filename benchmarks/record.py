"""What was measured, when and on what: results/DATE-MACHINE.json, a figure measured again that day in place of the older one."""

__all__ = ["RESULTS", "place", "store", "write"]

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.goals import FIGURES
from morphogen.files import write_json
from morphogen.report import machine

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("morphogen", "torch", "accelerate", "diffusers", "transformers", "pythae")
SIMD = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16")


def store(lines: Iterable[str], folder: Path = RESULTS) -> Path:
    """Add figures, a JSON line each, to today's record of this machine; each with its goal and whether it is met."""
    path = place(folder)
    record = json.loads(path.read_text(encoding="utf8")) if path.exists() else {"figures": []}
    new = {figure["name"]: figure | _judged(figure) for figure in map(json.loads, lines)}
    kept = [figure for figure in record["figures"] if figure["name"] not in new]
    write(path, figures=[*kept, *new.values()])
    return path


def place(folder: Path = RESULTS, kind: str = "") -> Path:
    """Where today's record of this machine lies; `kind` begins the name of one that holds other things than figures."""
    return folder / f"{kind}{date.today().isoformat()}-{_slug(machine())}.json"


def write(path: Path, **found: Any) -> None:
    """What was found, with the day, the hardware and the versions it was found with."""
    path.parent.mkdir(exist_ok=True)
    write_json(path, {"date": date.today().isoformat(), "hardware": _hardware(), "versions": _versions()} | found)


def _hardware() -> dict[str, Any]:
    """The machine in one line, its cores' ways to multiply many numbers at once, and torch's choice among them."""
    import torch

    from morphogen.numerics.precision import native_bf16

    flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    has = set(flags[1].split()) if flags else set()
    return {
        "machine": machine(), "simd": [name for name in SIMD if name in has], "torch_simd": torch.backends.cpu.get_cpu_capability(),
        "native_bf16": native_bf16(torch.device("cpu")), "threads": torch.get_num_threads(),
    }  # fmt: skip


def _versions() -> dict[str, str]:
    """Of what took part."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


def _judged(figure: Mapping[str, Any]) -> dict[str, Any]:
    goal, memory = FIGURES[figure["name"]], figure["memory_mib"]
    met = figure["pairs"] > 0 and goal.met(figure["ours"], figure["ratio"], memory["ours"] / memory["peer"])
    return {"goal": asdict(goal), "met": met}


def _slug(machine: str) -> str:
    """The machine as part of a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", machine.lower()).strip("-")
