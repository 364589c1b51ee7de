r"""A mixture model of table rows: the baseline for tables, and often the best model of small ones.

    p(x | c) = sum_k pi_ck prod_j P_kj(code_j) N(z_o; mu_k, Sigma_k)_o

Categories and missing cells are independent within a component, and the normal scores z of the numbers that
exist are Gaussian. It is fitted by expectation-maximisation on all rows at once, from incomplete data
(Dempster, Laird & Rubin 1977; Ghahramani & Jordan 1994). A dozen EM steps suffice.
"""

__all__ = ["table_mixture"]

from typing import Any

from morphogen.conditioning.conditions import Conditions
from morphogen.conditioning.given_cells import GivenCells
from morphogen.conditioning.label import OneHot
from morphogen.conditioning.specs import Classes
from morphogen.families.classical.mixed_mixture import MixedMixture
from morphogen.model import Model
from morphogen.plan import SGD, Plan
from morphogen.representations.tabular import NormalScores, Tabular
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {
    # components per class; without labels, four times as many in all
    "tiny": {"components": 1},
    "small": {"components": 2},
    "paper": {"components": 5},
}


def table_mixture(table: Tabular, label: Classes | None = None, size: Size = "small") -> Model:
    """Mixture of categories and Gaussian scores (Ghahramani & Jordan 1994); any columns are a condition.

    Components of few rows are shrunk towards the pooled covariance and masses (Friedman 1989). The shrinkage
    counts as 15 rows per component: the best of 2, d / 2 and 15 on the validation sets of scikit-learn's wine
    and breast cancer, and a tie on iris, of Gaussian mixtures. The floor keeps a covariance from collapsing.
    Bits per cell of this system: not measured.
    """
    scores, classes = NormalScores(table), len(label or ())
    components = SIZES[size]["components"] * (classes or 4)
    objective = MixedMixture(components, scores, classes, floor=1e-3, prior=15.0)
    cells = GivenCells(scores)
    em = Plan(SGD(0.0), batch=0, rounds=12)  # no parameter has a gradient: a step is one round of EM
    conditioner = Conditions(label=OneHot(classes, label.weights), cells=cells) if label else cells
    return Model(objective, scores, conditioner, em)
