r"""Neural spline flow: couplings of rational-quadratic splines of table rows (Durkan et al. 2019).

    z_b = x_b,   z_a = spline(x_a; theta(x_b, codes, c))

A spline with K bins has 3 K - 1 parameters per number, and a mode for each of several bins: one coupling can
separate what takes many affine ones.
"""

__all__ = ["neural_spline_flow"]

from typing import Any

from morphogen.conditioning.specs import Classes
from morphogen.families.flow import Bijection, RationalQuadraticSpline, SingleScale
from morphogen.model import Model
from morphogen.representations.tabular import Tabular
from morphogen.systems import Size
from morphogen.systems.table_flow import CODES, flow_of_rows

SIZES: dict[Size, dict[str, Any]] = {
    "tiny": {"width": 16, "layers": 1, "couplings": 4, "dropout": 0.0},
    "small": {"width": 32, "layers": 1, "couplings": 4, "dropout": 0.2},
    "paper": {"width": 256, "layers": 2, "couplings": 10, "dropout": 0.0},
}
SPLINES: dict[Size, dict[str, Any]] = {
    "tiny": {"bins": 4, "bound": 4.0},
    "small": {"bins": 8, "bound": 4.0},
    "paper": {"bins": 8, "bound": 3.0},
}
TRAINING: dict[Size, dict[str, Any]] = {
    # noise: standard deviation of noise added to the scores of the training rows
    "tiny": {"noise": 0.1, "lr": 3e-3, "batch": 32, "ema": 0.9},
    "small": {"noise": 0.2, "lr": 1e-3, "batch": 64, "ema": 0.99},
    "paper": {"noise": 0.0, "lr": 5e-4, "batch": 512, "ema": 0.999},
}


def neural_spline_flow(table: Tabular, label: Classes | None = None, size: Size = "small") -> Model:
    r"""Spline couplings of numbers given categories (Durkan et al. 2019), or a class too.

    "paper" is RQ-NSF (C) for tables in the authors' code (bayesiains/nsf, experiments/uci.py): ten couplings
    with two residual blocks of 256, 8 bins in [-3, 3], gradients clipped at 5, a cosine schedule. Batches of
    512, a rate of 5e-4 and no dropout are for POWER; the defaults of that code are 64, 3e-4 and 0.25. The
    halves alternate here, where the paper mixes the columns by linear maps. The autoregressive RQ-NSF (AR) is
    `MaskedAutoregressiveFlow` with the same splines. Bits per cell: not measured.
    """

    def scores(dims: int, vector: int) -> Bijection:
        transform = RationalQuadraticSpline(**SPLINES[size])
        return SingleScale(dims, vector=vector, transform=transform, **SIZES[size])

    return flow_of_rows("neural_spline_flow", table, label, scores, CODES[size], **TRAINING[size])
