r"""A Gaussian copula of table rows: each column as it is, and one correlation matrix.

    z ~ N(0, R),    a number has the score z_j,    a category k is where t_jk < z_j <= t_j(k+1)

The distribution of every column is that of the training rows, and all dependence is in R. It is the
"GaussianCopula" of synthetic data, with the likelihood of its categories in place of noise (Song, Li & Yuan
2009; Zhao & Udell 2020).
"""

__all__ = ["gaussian_copula"]

from typing import Any

from morphogen.conditioning.conditions import Conditions
from morphogen.conditioning.given_cells import GivenCells
from morphogen.conditioning.label import OneHot
from morphogen.conditioning.specs import Classes
from morphogen.families.classical.copula import GaussianCopula
from morphogen.model import Model
from morphogen.plan import SGD, Plan
from morphogen.representations.tabular import NormalScores, Tabular
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {
    # draws of the latent scores of each row's categories
    "tiny": {"draws": 4},
    "small": {"draws": 16},
    "paper": {"draws": 64},
}


def gaussian_copula(table: Tabular, label: Classes | None = None, size: Size = "small") -> Model:
    """Gaussian copula of numbers and categories (Song et al. 2009); any columns are a condition.

    A class has a mean and a covariance of its own, shrunk as `table_mixture` shrinks its components. There is
    no published size: more draws tighten the bound. Bits per cell: not measured.
    """
    scores, classes = NormalScores(table), len(label or ())
    objective = GaussianCopula(scores, classes, floor=1e-3, prior=15.0, draws=SIZES[size]["draws"])
    cells = GivenCells(scores)
    # a step is one round of EM; without categories and missing cells the first is the closed form
    em = Plan(SGD(0.0), batch=0, accumulate=8, rounds=10)
    conditioner = Conditions(label=OneHot(classes, label.weights), cells=cells) if label else cells
    return Model(objective, scores, conditioner, em)
