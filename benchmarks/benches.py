"""Which bench has which name. A bench is imported when it runs: each brings a peer's seconds of import with it."""

__all__ = ["open_bench"]

from importlib import import_module

from benchmarks.figure import Duel
from benchmarks.names import Name

_HOME = {
    "vae-train": "vae", "ddpm-train": "ddpm", "ddim50-sample": "ddpm", "guided-sample": "ddpm",
    "gpt-train": "gpt", "llama-train": "llama", "lm-decode": "lm_decode",
    "pixelcnn-sample": "pixelcnn", "wavenet-sample": "wavenet", "startup": "startup",
}  # fmt: skip


def open_bench(name: Name) -> list[Duel]:
    """Ours and the peer made ready, a duel for each figure."""
    return getattr(import_module(f"benchmarks.{_HOME[name.bench]}"), name.bench.replace("-", "_"))(name)
