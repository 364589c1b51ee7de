"""The names there are, and what each figure is to reach. A goal is never lowered to what a machine happens to give.

Ratios of 2 and more against a peer's fp32 were set on hardware that multiplies bf16 natively (AMX); elsewhere they are out of reach
of the precision, and the record says so.
"""

__all__ = ["FIGURES", "GOALS", "Goal"]

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """At least this ratio, or at most so many seconds of ours; None: measured without a goal."""

    ratio: float | None = None
    seconds: float | None = None

    def __str__(self) -> str:
        wanted = [f"{self.ratio:g} times" if self.ratio is not None else "", f"{self.seconds:g} s" if self.seconds is not None else ""]
        return " and ".join(filter(None, wanted)) or "no goal"

    def met(self, ours: float, ratio: float) -> bool:
        return (self.ratio is None or ratio >= self.ratio) and (self.seconds is None or ours <= self.seconds)


GOALS: Mapping[str, Mapping[str, Goal]] = {
    # name: {figure: goal}; a bench with one peer has a figure of its own name
    "vae-train vs-default": {"": Goal(1.7)},
    "vae-train vs-best": {"": Goal()},
    "ddpm-train vs-default": {"": Goal(1.5)},
    "ddpm-train vs-best": {"": Goal(0.95)},
    "ddpm-sample vs-default": {"": Goal(1.8)},
    "ddpm-sample vs-best": {"": Goal(0.95)},
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
