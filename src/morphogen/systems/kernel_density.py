r"""A kernel density estimate of table rows: one bump for each training row, which it memorizes.

    p(x | c) = sum_m w_cm prod_j K_j(x_j | x_mj)

Papers: On estimation of a probability density function and mode, Parzen, 1962; Multivariate binary
discrimination by the kernel method, Aitchison & Aitken, 1976. **It memorizes**: the training rows are in the
saved model, and samples are near copies of them. It is a yardstick, and no model to release.
"""

__all__ = ["kernel_density"]

from typing import Any

from morphogen.conditioning.conditions import Conditions
from morphogen.conditioning.given_cells import GivenCells
from morphogen.conditioning.label import OneHot
from morphogen.conditioning.specs import Classes
from morphogen.families.classical.kernel_density import KernelDensity
from morphogen.model import Model
from morphogen.plan import SGD, Plan
from morphogen.representations.tabular import NormalScores, Tabular
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {
    # rows that are kept
    "tiny": {"capacity": 256},
    "small": {"capacity": 4096},
    "paper": {"capacity": 2**16},
}


def kernel_density(table: Tabular, label: Classes | None = None, size: Size = "small") -> Model:
    """Kernel density estimate (Parzen 1962; Aitchison & Aitken 1976); any columns are a condition.

    It memorizes its training rows. Each column's bandwidth maximizes the likelihood of every row under the
    others. "paper" keeps more rows; there is no published size. Bits per cell: not measured.
    """
    scores, classes = NormalScores(table), len(label or ())
    objective = KernelDensity(scores, classes, SIZES[size]["capacity"])
    cells = GivenCells(scores)
    em = Plan(SGD(0.0), batch=0, rounds=20)  # no parameter has a gradient: a step is one round of EM
    conditioner = Conditions(label=OneHot(classes, label.weights), cells=cells) if label else cells
    return Model(objective, scores, conditioner, em)
