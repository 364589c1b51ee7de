r"""The standard normal distribution between two bounds: its log-mass and its quantiles.

    log (Phi(b) - Phi(a)),     Phi^-1(Phi(a) + u (Phi(b) - Phi(a)))

Both are evaluated in the tail in which Phi does not cancel, so that an interval 30 standard deviations away
has a finite log-mass (Robert 1995, "Simulation of truncated normal variables", has the problem).
"""

__all__ = ["log_mass_between", "quantile_between"]

import torch
from jaxtyping import Float
from torch import Tensor


def log_mass_between(low: Float[Tensor, "*#x"], high: Float[Tensor, "*#x"]) -> Float[Tensor, "*#x"]:
    """log P(low < z <= high) in fp64; -inf for an empty interval."""
    _, below, above = _in_lower_tail(low, high)
    log_mass = above + torch.log(-torch.expm1(below - above))
    return torch.where(high > low, log_mass, -torch.inf)


def quantile_between(
    low: Float[Tensor, "*#x"], high: Float[Tensor, "*#x"], u: Float[Tensor, "*#x"]
) -> Float[Tensor, "*#x"]:
    """The u-quantile of a standard normal z given low < z <= high, u in (0, 1)."""
    flip, below, above = _in_lower_tail(low, high)
    u = torch.where(flip, 1 - u, u)
    p = below.exp() + u * (above.exp() - below.exp())
    z = torch.special.ndtri(p.clamp(1e-300, 1 - 1e-16))
    return torch.where(flip, -z, z).clamp(low, high)


def _in_lower_tail(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Whether the interval is mirrored at 0, and log Phi of its ends where it lies then."""
    low, high = torch.broadcast_tensors(low.double(), high.double())
    flip = low > 0
    below, above = torch.where(flip, -high, low), torch.where(flip, -low, high)
    return flip, torch.special.log_ndtr(below), torch.special.log_ndtr(above)
