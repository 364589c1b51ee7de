r"""How much the samples of a generator vary, relative to the data: collapse made visible.

    variation = tr Cov[G(z)] / tr Cov[x]          1: as much as the data; 0: all samples are the same

Sums of x and of |x|^2 add up over micro-batches and ranks, so the figure is that of the whole batch. It is
averaged over the generator's turns with decay 0.9. A generator that produces a few modes of many can have a
variation near 1: recall and coverage measure what is missing.

No paper: the total variance of principal component analysis, as a monitor.
"""

__all__ = ["Variation"]

import torch
from jaxtyping import Float
from torch import Tensor, nn

DECAY = 0.9


class Variation(nn.Module):
    """Running ratio of the total variances of samples and data; 1 before the first turn.

    Attributes:
        ratio: the running average, a buffer.
    """

    ratio: Float[Tensor, ""]

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("ratio", torch.ones(()))

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
        self.ratio.lerp_(ratio.to(self.ratio), 1 - DECAY)
