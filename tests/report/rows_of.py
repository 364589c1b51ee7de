"""Example rows of a comparison, with figures that a test can change."""

__all__ = ["REPORT", "changed", "interval", "likelihood", "model", "row"]

import copy
from typing import Any


def interval(value: float, half: float = 0.05) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": value + half, "n": 200}


def likelihood(bits: float, kind: str = "exact", half: float = 0.02) -> dict[str, Any]:
    return {
        "kind": kind,
        "measure": "mass",
        "bits_per_dim": bits,
        "low": bits - half,
        "high": bits + half,
        "n": 200,
    }


def row(
    system: str,
    family: str | None,
    bits: dict[str, Any] | None,
    frechet: float,
    recall: float,
    speed: float | None,
) -> dict[str, Any]:
    fidelity = {
        "precision": interval(0.9),
        "recall": interval(recall),
        "density": interval(0.9),
        "coverage": interval(0.9),
    }
    copies = interval(0.01, 0.01) | {"chance": 0.01}
    return {
        "system": system,
        "family": family,
        "likelihood": bits,
        "frechet": interval(frechet, 0.5),
        **fidelity,
        "memorised": copies,
        "recognised": None,
        "samples_per_second": speed,
        "parameters": 5000,
        "sampler": f"{system.title()}()",
        "run": None,
    }


def model(system: str, **figures: dict[str, float]) -> dict[str, Any]:
    """A model of a table with these figures, in its row or in the section of tables."""
    known = row(system, "classical", likelihood(2.0), 1.0, 0.9, 10.0) | {"frechet": None, "recall": None}
    own = {key: figures.pop(key) for key in ("two_sample", "memorised") if key in figures}
    return known | own | {"table": {"figures": figures, "details": {}}}


REPORT: dict[str, Any] = {
    "data": "toys",
    "split": "100 train, sha256 abc",
    "notes": ["2 files skipped"],
    "features": {"name": "random", "sha256": "f00d"},
    "seed": 0,
    "n": 200,
    "budget": 30,
    "finished": True,
    "systems": ["em", "cnn", "gan", "ddpm"],
    "rows": [
        row("real data", None, None, 1.0, 0.95, None),
        row("em", "classical", likelihood(2.5, "lower_bound"), 6.0, 0.9, 9000.0),
        row("cnn", "autoregressive", likelihood(1.8), 3.0, 0.9, 100.0),
        row("gan", "gan", None, 4.5, 0.6, 5000.0),
        row("ddpm", "diffusion", likelihood(2.1, "lower_bound"), 7.0, 0.92, 10.0),
        {
            "system": "WebP lossless",
            "family": "codec",
            "likelihood": likelihood(2.9),
            "how": "pillow, method 6",
        },
    ],
}


def changed(system: str, **figures: Any) -> dict[str, Any]:
    """REPORT with some figures of one row replaced."""
    report = copy.deepcopy(REPORT)
    next(row for row in report["rows"] if row["system"] == system).update(figures)
    return report
