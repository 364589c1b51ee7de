r"""How much the samples of a generator vary, relative to the data: collapse made visible.

    variation = tr Cov[G(z)] / tr Cov[x]          1: as much as the data; 0: all samples are the same

Sums of x and of |x|^2 add up over micro-batches and ranks, so the figure is that of the whole batch. It is
averaged over the generator's turns with decay 0.9, and judged after a hundred: an untrained generator varies
little. A generator that produces a few modes of many can have a
variation near 1: recall and coverage measure what is missing.

No paper: the total variance of principal component analysis, as a monitor.
"""

__all__ = ["Variation"]

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

DECAY = 0.9
FIRST, LEAST = 100, 0.05  # turns before it is judged, and the smallest ratio of a generator that varies


class Variation(nn.Module):
    """Running ratio of the total variances of samples and data; 1 before the first turn.

    Attributes:
        ratio: the running average, a buffer.
        turns: the generator's turns, a buffer.
    """

    ratio: Float[Tensor, ""]
    turns: Int[Tensor, ""]

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("ratio", torch.ones(()))
        self.register_buffer("turns", torch.zeros((), dtype=torch.int64))

    @property
    def collapse(self) -> str | None:
        """What to say of samples that hardly vary; None: they vary, or it is too early to judge."""
        if self.turns < FIRST or self.ratio >= LEAST:
            return None
        return (
            f"the generator has collapsed: its samples vary {self.ratio.item():.1%} as much as the data; "
            "lower the learning rates, or use another game or penalty"
        )

    @staticmethod
    def statistics(real: Float[Tensor, "b ..."], fake: Float[Tensor, "b ..."]) -> dict[str, Tensor]:
        """Sums over the rows of a batch, for `update`."""
        sums = {"rows": torch.tensor(float(len(real)), device=real.device)}
        for name, x in (("real", real.detach().float()), ("fake", fake.detach().float())):
            sums |= {f"sum of {name}": x.sum(0), f"squares of {name}": x.square().sum()}
        return sums

    @torch.no_grad()
    def update(self, statistics: dict[str, Tensor]) -> None:
        """Update the average from the sums of one step."""
        rows = statistics["rows"]
        real, fake = (
            statistics[f"squares of {name}"] / rows - (statistics[f"sum of {name}"] / rows).square().sum()
            for name in ("real", "fake")
        )
        ratio = torch.where(real > 0, fake / real, torch.ones_like(fake))
        self.turns += 1
        self.ratio.lerp_(ratio.to(self.ratio), 1 - DECAY)
