r"""Columns that leave a density without a bound: constants, and linear functions of another column.

The likelihood of a Gaussian grows as its covariance becomes singular, -1/2 log det Sigma -> inf. A constant
column has variance 0. If x_j = a x_i + b in all rows, the covariance of both has rank 1. A floor of the
variances makes the likelihood finite, and is all that it then measures.

Linear functions are found without comparing all pairs: standardized columns, with the sign of their first
deviation, are equal, and so are their products with random weights of the rows.
"""

__all__ = ["Singular", "check_columns", "check_finite_rows", "warn_if_singular"]

import math
import warnings

from jaxtyping import Float
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.numerics.randomness import Rng

FIRST = 4_096  # rows that tell of a floor of variances: more cost time and memory where rows are pictures
CLOSE = 1e-6  # largest difference of standardized columns, relative to their deviation, that counts as equal


class Singular(UserWarning):
    """The warning of columns whose covariance is singular."""


def check_columns(x: Float[Tensor, "n d"]) -> None:
    """Check all rows that a density is to be fitted to.

    Errors: ConfigError for the first number that is not finite, and for a constant column. Warns: Singular.
    """
    check_finite_rows(x)
    if constant := _constant(x):
        raise ConfigError(f"{constant}, which has no density: leave it out, and put it back into samples")
    if linear := _linear(x.double()):
        warnings.warn(f"{linear}: the density has no bound; leave one out", Singular, stacklevel=3)


def warn_if_singular(x: Float[Tensor, "n d"], bounded: str) -> None:
    """Check the rows that a model with a floor of its variances is fitted to; columns by the first rows.

    Arguments:
        x: the rows.
        bounded: the likelihood, in words, such as "density of Mixture".

    Errors: ConfigError for the first number that is not finite. Warns: Singular.
    """
    check_finite_rows(x)
    if fault := _constant(x[:FIRST]) or _linear(x[:FIRST].double()):
        limit = f"{bounded} has no bound but the floor of its variances"
        warnings.warn(f"{fault}: the {limit}; leave one out", Singular, stacklevel=3)


def check_finite_rows(x: Float[Tensor, "n d"]) -> None:
    """Errors: ConfigError for the first number that is not finite."""
    if len(bad := (~x.isfinite()).nonzero()):
        row, column = bad[0].tolist()
        raise ConfigError(f"row {row}, column {column} is {x[row, column].item():g}: give finite numbers")


def _constant(x: Float[Tensor, "n d"]) -> str:
    """The columns that are constant, in words; "": there are none."""
    constant = (x == x[:1]).all(0).nonzero().flatten().tolist() if len(x) > 1 else []
    if not constant:
        return ""
    more = f" (as are {len(constant) - 1} more)" if len(constant) > 1 else ""
    return f"column {constant[0]} is always {x[0, constant[0]].item():g}{more}"


def _linear(x: Float[Tensor, "n d"]) -> str:
    """Columns that are linear functions of each other, in words; "": there are none."""
    if len(x) < 3 or x.shape[1] < 2:  # two rows are on a line
        return ""
    z = x - x.mean(0)
    z = z / z.square().mean(0).sqrt()
    first = (z.abs() > math.sqrt(CLOSE)).int().argmax(0, keepdim=True)
    z = z * z.gather(0, first).sign()
    weights = Rng(0, len(x), ("degenerate",)).normal(1).to(z)
    order = (weights * z).sum(0).argsort()
    equal = (z[:, order[1:]] - z[:, order[:-1]]).abs().amax(0) < CLOSE
    pairs = sorted(map(sorted, zip(order[:-1][equal].tolist(), order[1:][equal].tolist(), strict=True)))
    if not pairs:
        return ""
    more = f" (as are {len(pairs) - 1} more pairs)" if len(pairs) > 1 else ""
    return f"columns {pairs[0][0]} and {pairs[0][1]} are linear functions of each other{more}"
