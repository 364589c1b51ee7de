r"""The trace of a Jacobian from products with vectors, exact or estimated.

    ExactTrace    tr J = sum_i e_i^T J e_i                                    d products
    Hutchinson    tr J = E[v^T J v],  v random signs                          one product per probe

(Hutchinson 1990, "A stochastic estimator of the trace of the influence matrix for Laplacian smoothing
splines".) With the same probes for all times, the integral of the estimate is an unbiased estimate of the
integral of the trace (FFJORD, Grathwohl et al. 2019, section 3.1).
"""

__all__ = ["ExactTrace", "Hutchinson", "Trace"]

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.component import Component, ConfigError
from morphogen.numerics.randomness import Rng


class Trace(Component, ABC):
    """A way to evaluate the trace of the Jacobian of a map of rows.

    Attributes:
        estimates: independent estimates of the trace, whose mean is the result.
    """

    estimates: int = 1

    @abstractmethod
    def probes(self, x: Float[Tensor, "b d"], rng: Rng) -> Float[Tensor, "k b d"]:
        """The vectors v that J is multiplied by, [K, B, d]."""

    @abstractmethod
    def of_products(self, products: Float[Tensor, "k b"]) -> Float[Tensor, "b e"]:
        """The estimates [B, E] from v^T J v of each probe."""


class ExactTrace(Trace):
    """The sum of the diagonal, with as many products as x has entries."""

    def probes(self, x: Float[Tensor, "b d"], rng: Rng) -> Float[Tensor, "k b d"]:
        dims = x.shape[1]
        return torch.eye(dims, dtype=x.dtype, device=x.device)[:, None].expand(-1, len(x), -1)

    def of_products(self, products: Float[Tensor, "k b"]) -> Float[Tensor, "b e"]:
        return products.sum(0)[:, None]


class Hutchinson(Trace):
    """Random signs, of the random numbers of each row (Hutchinson 1990).

    Arguments:
        estimates: probes per row, at least 1; 2 or more give a standard error.

    Errors: ConfigError without a probe.
    """

    def __init__(self, estimates: int = 1):
        if estimates < 1:
            raise ConfigError(f"Hutchinson: estimates={estimates}: give 1 probe or more")
        self.estimates = estimates

    def probes(self, x: Float[Tensor, "b d"], rng: Rng) -> Float[Tensor, "k b d"]:
        signs = [2 * rng.fork("probe", i).integers(2, x.shape[1]) - 1 for i in range(self.estimates)]
        return torch.stack(signs).to(x)

    def of_products(self, products: Float[Tensor, "k b"]) -> Float[Tensor, "b e"]:
        return products.T
