r"""Edge maps ("sketches") as a spatial condition, computed by the Sobel operator or drawn by hand.

    e = min(1, |S * x| / limit)

S are the two Sobel kernels (Sobel & Feldman 1968), x the mean over the colour channels.
Adding conditional control to text-to-image diffusion models, Zhang, Rao & Agrawala, 2023, also condition on
edges, by a second network. Here the edge map is concatenated to x at the network's input.
"""

__all__ = ["Sketch", "edge_correlation", "edges"]

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from morphogen.conditioning.plane import scaled_plane
from morphogen.contract import Conditioner, Context
from morphogen.numerics.randomness import Rng

LIMIT = 2.0  # the gradient of a full edge: a change of a quarter of the data range between adjacent pixels


def edges(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 h w"]:
    """Sobel edge map of images in [-1, 1], from 0 (no edge) to 1 (Sobel & Feldman 1968).

    The border is replicated.
    """
    ramp = torch.tensor(
        [[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]], dtype=x.dtype, device=x.device
    )
    grey = F.pad(x.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    gradient = F.conv2d(grey, torch.stack([ramp, ramp.t()])[:, None])
    return (gradient.norm(dim=1, keepdim=True) / LIMIT).clamp_max(1.0)


def edge_correlation(x: Float[Tensor, "b c h w"], sketch: Float[Tensor, "b 1 h w"]) -> Float[Tensor, " b"]:
    """Pearson correlation of each image's edge map with a sketch, in [-1, 1] (Pearson 1895).

    It is 0 if either has no edges.
    """
    a, b = (e.flatten(1) - e.flatten(1).mean(1, keepdim=True) for e in (edges(x), sketch))
    return (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1)).clamp_min(1e-12)


class Sketch(Conditioner):
    """Edge maps [B, 1, H, W] as `context.spatial`, scaled to [-1, 1] (after Zhang et al. 2023).

    An edge map is -1 where there is no edge, so that planes of zeros, which `ConditionDropout` and
    `ConcatCondition` put in place of a sketch, are none.
    """

    name, widths = "sketch", {"spatial": 1}

    def forward(self, condition: Float[Tensor, "b ..."], rng: Rng | None = None) -> Context:
        """Errors: ConfigError for sketches that do not have one channel with values in [0, 1]."""
        return Context(spatial=scaled_plane(condition, "a sketch", "use edges(images)"))
