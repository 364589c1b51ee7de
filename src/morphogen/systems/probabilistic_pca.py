r"""Probabilistic PCA of dequantised images: the linear model of a VAE, in closed form.

    x = W z + mu_c + sigma eps

Paper: Probabilistic principal component analysis, Tipping & Bishop, 1999. A VAE with more bits/dim has not
learned what a linear decoder does. The paper has no natural images, and publishes no rank for them.
"""

__all__ = ["probabilistic_pca"]

import math
from typing import Any

from morphogen.conditioning.label import OneHot
from morphogen.conditioning.specs import Classes
from morphogen.families.classical.linear_latent import ProbabilisticPCA
from morphogen.model import Model
from morphogen.plan import SGD, Plan
from morphogen.representations.pixels import Dequantised, Pixels
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {"tiny": {"rank": 8}, "small": {"rank": 32}, "paper": {"rank": 128}}


def probabilistic_pca(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Model:
    """Probabilistic PCA of images (Tipping & Bishop 1999); a class has its own mean.

    Above 3072 dimensions it is fitted by EM, which needs no covariance. Bits/dim: not measured.
    """
    d, classes = math.prod(pixels.shape), len(label or ())
    method, rounds = ("closed form", 2) if d <= 3072 else ("em", 50)
    rank = min(SIZES[size]["rank"], d - 1)
    objective = ProbabilisticPCA(pixels.shape, rank, classes, method)  # type: ignore[arg-type]
    # no parameter has a gradient: a step is one round over all rows
    plan = Plan(SGD(0.0), batch=0, rounds=rounds)
    return Model(objective, Dequantised(pixels), OneHot(classes, label.weights) if label else None, plan)
