r"""A sketch as the condition: where a picture's edges lie, drawn by a rule of 1968 or by hand.

    e = min(1, |S * x| / limit),     S the two kernels of Sobel & Feldman (1968), x the mean of the colours

(Zhang, Rao & Agrawala 2023, Adding conditional control to text-to-image diffusion models, steer so with edges; there a second network
reads them, here the network that draws has them beside x from its first layer on.)
"""

__all__ = ["Sketch", "agreement", "edges"]

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from morphogen.component import ConfigError
from morphogen.contract import Conditioner, Context
from morphogen.numerics.randomness import Rng

LIMIT = 2.0  # a step of a quarter of the range from one pixel to the next is a full edge


def edges(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 h w"]:
    """The sketch of pictures in [-1, 1]: from 0, nothing, to 1, an edge (Sobel & Feldman 1968); beyond the border all goes on as it is."""
    ramp = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]], dtype=x.dtype, device=x.device)
    grey = F.pad(x.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    slope = F.conv2d(grey, torch.stack([ramp, ramp.t()])[:, None])
    return (slope.norm(dim=1, keepdim=True) / LIMIT).clamp_max(1.0)


def agreement(x: Float[Tensor, "b c h w"], sketch: Float[Tensor, "b 1 h w"]) -> Float[Tensor, " b"]:
    """The correlation of each picture's edges with a sketch, in -1 .. 1; 0 where one of the two has no edge at all (Pearson 1895)."""
    a, b = (e.flatten(1) - e.flatten(1).mean(1, keepdim=True) for e in (edges(x), sketch))
    return (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1)).clamp_min(1e-12)


class Sketch(Conditioner):
    """Edges [B, 1, H, W] as `context.spatial`, from -1 (none) to 1; without a sketch, 0 everywhere (after Zhang et al. 2023).

    Arguments:
        p: share of rows that lose theirs in training, so that guidance, and drawing without a sketch, is possible.
    """

    width = 0

    def __init__(self, p: float = 0.1):
        super().__init__()
        self.p = p

    def forward(self, condition: Float[Tensor, "b ..."], rng: Rng | None = None) -> Context:
        """Errors: ConfigError for what is no sketch of one channel in 0 .. 1."""
        if condition.ndim != 4 or condition.shape[1] != 1 or condition.min() < 0 or condition.max() > 1:
            raise ConfigError(f"a sketch is [B, 1, H, W] of numbers in 0 .. 1, not {list(condition.shape)}; edges(pictures) makes one")
        drawn = 2 * condition - 1
        if rng is None:
            return Context(spatial=drawn, condition=condition, null=Context(spatial=torch.zeros_like(drawn)))
        dropped = rng.fork("dropout").uniform(1, 1, 1) < self.p
        return Context(spatial=torch.where(dropped, 0.0, drawn), condition=condition)
