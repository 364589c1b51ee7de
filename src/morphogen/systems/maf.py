r"""MAF: masked autoregressive flow of the numbers of a table row (Papamakarios, Pavlakou & Murray 2017).

    z_i = x_i exp(s_i) + t_i,   (s_i, t_i) = MADE(x_<i, codes, c)

The density of a row costs one pass, and so does a sample, entry by entry.
"""

__all__ = ["maf"]

from typing import Any

from morphogen.conditioning.specs import Classes
from morphogen.families.flow import Bijection, MaskedAutoregressiveFlow
from morphogen.model import Model
from morphogen.representations.tabular import Tabular
from morphogen.systems import Size
from morphogen.systems.table_flow import CODES, flow_of_rows

SIZES: dict[Size, dict[str, Any]] = {
    "tiny": {"width": 16, "layers": 1, "maps": 3},
    "small": {"width": 64, "layers": 2, "maps": 5},
    "paper": {"width": 512, "layers": 2, "maps": 10},
}
TRAINING: dict[Size, dict[str, Any]] = {
    # noise: standard deviation of noise added to the scores of the training rows
    "tiny": {"noise": 0.1, "lr": 3e-3, "batch": 32, "ema": 0.9},
    "small": {"noise": 0.2, "lr": 1e-3, "batch": 64, "ema": 0.99},
    "paper": {"noise": 0.0, "lr": 1e-4, "batch": 100, "ema": 0.999},
}


def maf(table: Tabular, label: Classes | None = None, size: Size = "small") -> Model:
    r"""Masked autoregressive flow of numbers given categories (Papamakarios et al. 2017), or a class too.

    "paper" is MAF (10) on HEPMASS, MINIBOONE and BSDS300: ten maps, each a MADE with two hidden layers of 512
    ReLUs, Adam at 1e-4, batches of 100. Actnorm stands in for batch normalization, and the scale is bounded
    as in RealNVP. Wide tables have more hidden units, one per column at least. Bits per cell: not measured.
    """
    sizes = SIZES[size]

    def scores(dims: int, vector: int) -> Bijection:
        return MaskedAutoregressiveFlow(dims, vector=vector, **sizes | {"width": max(sizes["width"], dims)})

    return flow_of_rows("maf", table, label, scores, CODES[size], **TRAINING[size])
