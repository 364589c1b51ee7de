"""The names there are, and what each figure is to reach. A goal is never lowered to what a machine happens to give.

Ratios of 2 and more against a peer's fp32 were set on hardware that multiplies bf16 natively (AMX); elsewhere they are out of reach
of the precision, and the record says so.
"""

__all__ = ["FIGURES", "GOALS", "Goal"]

import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass

_UNITS = "times", "s", "of the memory"


@dataclass(frozen=True)
class Goal:
    """At least this ratio, at most so many seconds of ours, at most this share of the peer's memory; None: measured without a goal."""

    ratio: float | None = None
    seconds: float | None = None
    memory: float | None = None

    def __str__(self) -> str:
        wanted = [f"{value:g} {unit}" for value, unit in zip(astuple(self), _UNITS, strict=True) if value is not None]
        return " and ".join(wanted) or "no goal"

    def met(self, ours: float, ratio: float, memory: float = math.inf) -> bool:
        """Whether a figure, of that share of the peer's memory, reaches it."""
        most = ((ours, self.seconds), (memory, self.memory))
        return (self.ratio is None or ratio >= self.ratio) and all(found <= limit for found, limit in most if limit is not None)


GOALS: Mapping[str, Mapping[str, Goal]] = {
    # name: {figure: goal}; a bench with one peer has a figure of its own name
    "vae-train vs-default": {"": Goal(1.7)},
    "vae-train vs-best": {"": Goal()},
    "ddpm-train vs-default": {"": Goal(1.5, memory=1)},
    "ddpm-train vs-best": {"": Goal(0.95)},
    "ddim50-sample vs-default": {"": Goal(1.8, memory=1)},
    "ddim50-sample compiled vs-default": {"": Goal(2.5)},
    "ddim50-sample vs-best": {"": Goal(0.95)},
    "guided-sample vs-default": {"": Goal(1.7)},
    "gpt-train vs-default": {"nanogpt": Goal(0.95), "transformers": Goal(1.3)},
    "gpt-train bf16 vs-default": {"": Goal(2.1)},
    "gpt-train bf16 vs-best": {"": Goal(0.95)},
    "llama-train bf16 vs-best": {"": Goal(1.4)},
    "lm-decode fp32 b1 vs-default": {"": Goal(1.05)},
    "lm-decode bf16 compiled b1 vs-default": {"": Goal(1.7)},
    "lm-decode int8 b1 vs-default": {"": Goal(1.5)},
    "lm-decode int8 compiled b1 vs-default": {"": Goal(1.8)},
    "lm-decode bf16 b16 vs-best": {"": Goal(0.95)},
    "pixelcnn-sample b1 vs-default": {"": Goal(17)},
    "pixelcnn-sample b16 vs-default": {"": Goal(100)},
    "wavenet-sample vs-default": {"": Goal(45)},
    "startup vs-default": {"help": Goal(seconds=0.2), "import": Goal(seconds=0.1)},
}

FIGURES: Mapping[str, Goal] = {f"{name} {peer}".strip(): goal for name, goals in GOALS.items() for peer, goal in goals.items()}
