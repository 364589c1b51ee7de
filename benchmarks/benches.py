"""The benchmark of each name. Modules are imported on demand, since importing a peer takes seconds."""

__all__ = ["open_bench"]

from importlib import import_module

from benchmarks.figure import Comparison
from benchmarks.names import Name

_MODULES = {
    "vae-train": "vae", "vqvae-train": "vqvae",
    "dcgan-train": "gan", "wgan-gp-train": "gan",
    "ddpm-train": "ddpm", "ddim50-sample": "ddpm", "guided-sample": "ddpm",
    "sd-sample": "stable_diffusion", "clip-train": "clip",
    "gpt-train": "gpt", "llama-train": "llama", "lm-decode": "lm_decode", "gguf-decode": "gguf_decode",
    "pixelcnn-sample": "pixelcnn", "wavenet-sample": "wavenet", "startup": "startup",
    "realnvp": "flows", "maf-sample": "flows", "nsf-sample": "flows",
    "glow-sample": "glow", "glow-train": "glow",
    "frechet": "frechet", "prdc": "nearest_balls",
}  # fmt: skip


def open_bench(name: Name) -> list[Comparison]:
    """Set up both sides of a benchmark; one comparison per figure."""
    module = import_module(f"benchmarks.{_MODULES[name.bench]}")
    return getattr(module, name.bench.replace("-", "_"))(name)
