r"""Number of statistically different bins (NDB): which regions of the data a model visits too often or not.

    bins       Voronoi cells of K centres of the real rows (k-means)
    z_k        = (p_k - q_k) / sqrt(r_k (1 - r_k) (1 / n + 1 / m)),   p_k, q_k, r_k: fractions of the n real
                 rows, of the m samples and of both together in bin k
    NDB / K    = fraction of bins with |z_k| > 1.96;   0.05 for two sets of real rows
    missed     = fraction of bins with real rows and no samples

A model that drops modes has empty bins; one that repeats a few has bins that are too full. The centres are
fitted on one half of the real rows, and the bins are counted on the other: rows that place the centres are
nearer to them than others.

Reference: On GANs and GMMs, Richardson & Weiss, 2018.
"""

__all__ = ["different_bins"]

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.evaluation.arguments import reads_arguments
from morphogen.evaluation.intervals import Interval, Z, proportion
from morphogen.numerics.clustering import kmeans, nearest, spread_centres
from morphogen.numerics.randomness import Rng
from morphogen.representations.given import feature_sets


@reads_arguments
def different_bins(
    real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"], bins: int = 50, seed: int = 0
) -> dict[str, Interval]:
    """The fractions of bins with another share of samples (NDB / K), and of occupied bins without samples.

    Arguments:
        real, fake: features of held-out rows and of samples.
        bins: K.
        seed: of the halves and of the first centres.

    Returns {"different", "missed"}. Errors: ValueError for fewer than 10 real rows or samples in a bin.
    """
    real, fake = feature_sets(real, fake)
    n = min(len(real) // 2, len(fake))
    if bins < 2 or n < 10 * bins:
        raise ValueError(
            f"{len(real)} real rows and {len(fake)} samples are too few for {bins} bins: give at least "
            f"{20 * max(2, bins)} real rows and {10 * max(2, bins)} samples, or fewer bins"
        )
    order = Rng(seed, len(real), ("bins",)).uniform().argsort(stable=True)
    placed, counted = real[order[: len(real) // 2]].double(), real[order[len(real) // 2 :]].double()
    draws = Rng(seed, len(placed), ("centres",))
    centres = spread_centres(placed, bins, lambda i: draws.fork(i).uniform())
    centres = kmeans(placed, centres, iterations=20)
    p, q = (torch.bincount(nearest(x, centres), minlength=bins) for x in (counted, fake.double()))
    pooled = (p + q) / (len(counted) + len(fake))
    spread = (pooled * (1 - pooled) * (1 / len(counted) + 1 / len(fake))).sqrt().clamp_min(1e-12)
    z = (p / len(counted) - q / len(fake)) / spread
    occupied = p > 0
    return {"different": proportion(z.abs() > Z), "missed": proportion(q[occupied] == 0)}
