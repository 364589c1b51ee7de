"""What bounds a benchmark on any implementation, and how near a figure is to it.

    matrix rate    units per second <= floating-point operations per second / operations per unit
    bandwidth      units per second <= bytes per second from memory / bytes that each unit must read
    latency        one small step after another: neither rate is approached

Operations are those of convolutions and linear layers, without attention. A benchmark records them as
`operations`, or `bytes`, of its `config`; a record has the limits of its machine (`native/limits.py`).
"""

__all__ = ["LIMITED_BY", "fraction", "measured", "operations"]

from collections.abc import Callable, Mapping
from typing import Any

LIMITED_BY: Mapping[str, str] = {  # by the first word of a benchmark's name
    "vae-train": "matrix rate",
    "vqvae-train": "matrix rate",
    "dcgan-train": "matrix rate",
    "wgan-gp-train": "matrix rate",
    "ddpm-train": "matrix rate",
    "ddim50-sample": "matrix rate",
    "guided-sample": "matrix rate",
    "sd-sample": "matrix rate",
    "clip-train": "matrix rate",
    "gpt-train": "matrix rate",
    "llama-train": "matrix rate",
    "lm-decode": "bandwidth",
    "gguf-decode": "bandwidth",
    "pixelcnn-sample": "latency",
    "wavenet-sample": "latency",
    "realnvp": "latency",
    "maf-sample": "latency",
    "nsf-sample": "latency",
    "glow-sample": "matrix rate",
    "glow-train": "matrix rate",
    "frechet": "matrix rate",
    "prdc": "matrix rate",
    "startup": "latency",
}


def measured() -> dict[str, float]:
    """The limits of this machine: bytes per second, and operations per second in fp32 and bf16."""
    import torch

    from morphogen.native.limits import bandwidth, matrix_rate

    rates = {name: matrix_rate(getattr(torch, dtype)) for name, dtype in _DTYPES.items()}
    return {"bandwidth": _rounded(bandwidth())} | {name: _rounded(rate) for name, rate in rates.items()}


def operations(work: Callable[[], object]) -> int:
    """Floating-point operations of the convolutions and matrix products of some work, by torch's count."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())


def fraction(figure: Mapping[str, Any], limits: Mapping[str, float] | None) -> float | None:
    """The figure divided by its limit; None: the record does not say."""
    config, resource = figure["config"], LIMITED_BY[figure["name"].split()[0]]
    amount = config.get({"matrix rate": "operations", "bandwidth": "bytes"}.get(resource, ""))
    if amount is None or not limits or figure["ours"] is None:
        return None
    limit = limits["bandwidth" if resource == "bandwidth" else config["precision"]]
    return float(figure["ours"] * amount / limit)


_DTYPES = {"fp32": "float32", "bf16": "bfloat16"}


def _rounded(value: float) -> float:
    """Three significant digits."""
    return float(f"{value:.3g}")
