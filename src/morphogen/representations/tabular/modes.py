r"""Mode-specific normalization of a column: which component of a mixture a number is of, and where in it.

    p(v) = sum_k w_k N(v; mu_k, sigma_k^2),     k ~ p(k | v),     alpha = (v - mu_k) / (4 sigma_k)

"Modeling tabular data using conditional GAN" (Xu, Skoularidou, Cuesta-Infante & Veeramachaneni, 2019, section
4.2). The mixture is fitted to the histogram that the column has of the training rows. The paper's variational
fit removes components that explain little; here each costs one row (Figueiredo & Jain 2002, "Unsupervised
learning of finite mixture models", eq. 17):

    w_k <- max(0, sum_i p(k | v_i) - 1) / sum_l max(0, sum_i p(l | v_i) - 1)

Two kinds of modes make the code exact, so that no value is clipped: a value that many rows have, an atom, is
a mode of width 0, and what is farther than 4 sigma from every mode is covered by one without a component.
"""

__all__ = ["CategoryBlock", "ColumnBlock", "NumberBlock", "block_of"]

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from morphogen.numerics.distributions import gaussian_log_prob
from morphogen.numerics.randomness import invert_cdf
from morphogen.representations.tabular.columns import Column
from morphogen.representations.tabular.numbers import NumberColumn

MOST = 10  # components of a column, as in the paper's code
REACH = 4.0  # standard deviations that a mode extends to both sides
ITERATIONS = 200
NARROWEST = 1e-3  # standard deviation of a component, in those of the column
UNSEEN = 1e-9  # weight of modes that cover what no component does


class ColumnBlock(ABC):
    """The codes of a column, 0 where a cell is missing, and the position of a number in its mode.

    Attributes:
        column: of the table.
        masses: the fraction of the training rows with each code; that of code 0 is 0 if no cell is missing.
        has_position: of each code, whether the cells with it differ in their position.
    """

    column: Column
    masses: Float64[Tensor, " k"]
    has_position: tuple[bool, ...]

    @abstractmethod
    def encode(
        self, values: Float64[Tensor, " b"], u: Float[Tensor, " b"]
    ) -> tuple[Int[Tensor, " b"], Float64[Tensor, " b"]]:
        """The code and the position, in [-1, 1], of each cell; u: uniform, chooses among modes."""

    @abstractmethod
    def decode(self, codes: Int[Tensor, " b"], positions: Float[Tensor, " b"]) -> Float64[Tensor, " b"]:
        """The values of codes and positions, NaN for code 0."""


class CategoryBlock(ColumnBlock):
    """The codes of a column of categories, which have no position."""

    def __init__(self, column: Column):
        self.column, self.masses = column, column.masses
        self.has_position = (False,) * len(self.masses)

    def encode(
        self, values: Float64[Tensor, " b"], u: Float[Tensor, " b"]
    ) -> tuple[Int[Tensor, " b"], Float64[Tensor, " b"]]:
        return self.column.encode(values, u)[0], torch.zeros_like(values)

    def decode(self, codes: Int[Tensor, " b"], positions: Float[Tensor, " b"]) -> Float64[Tensor, " b"]:
        return self.column.decode(codes, torch.zeros_like(positions))


class NumberBlock(ColumnBlock):
    """The modes of a column of numbers, in the order atoms, components, what they do not cover.

    Attributes:
        centres, reaches, weights: of the modes: half of their width, and their mass among the existing cells.
    """

    def __init__(self, column: NumberColumn):
        self.column = column
        exist, atoms = column.cumulative.diff(), column.widths == 0
        means, deviations, weights = _fit_components(column, torch.where(atoms, 0.0, exist))
        gaps = _gaps(column, means - REACH * deviations, means + REACH * deviations)
        self.centres = torch.cat([column.middles[atoms], means, gaps.mean(1)])
        self.reaches = torch.cat([exist[atoms] * 0, REACH * deviations, gaps.diff(dim=1)[:, 0] / 2])
        self.weights = torch.cat([exist[atoms], weights, torch.full_like(gaps[:, 0], UNSEEN)])
        missing = column.masses[:1]
        self.masses = torch.cat([missing, (1 - missing) * self.weights / self.weights.sum()])
        self.has_position = (False, *(self.reaches > 0).tolist())

    def encode(
        self, values: Float64[Tensor, " b"], u: Float[Tensor, " b"]
    ) -> tuple[Int[Tensor, " b"], Float64[Tensor, " b"]]:
        centres, reaches = self.centres.to(values.device), self.reaches.to(values.device)
        distance = values.nan_to_num(self.column.low)[:, None] - centres
        positions = distance / torch.where(reaches > 0, reaches, 1.0)
        logits = self.weights.to(values.device).log() - torch.where(reaches > 0, reaches, 1.0).log()
        logits = logits + gaussian_log_prob(REACH * positions.clamp(-2, 2))
        logits = torch.where((distance == 0) & (reaches == 0), torch.inf, logits)  # an atom is one
        logits = torch.where((distance != 0) & (reaches == 0), -torch.inf, logits)
        logits = torch.where(positions.abs() > 1 + 1e-9, -torch.inf, logits)
        modes = invert_cdf(logits.clamp(max=1e3), u)
        inside = torch.where(reaches[modes] > 0, positions.gather(1, modes[:, None])[:, 0], 0.0).clamp(-1, 1)
        missing = values.isnan()
        return torch.where(missing, 0, modes + 1), torch.where(missing, 0.0, inside)

    def decode(self, codes: Int[Tensor, " b"], positions: Float[Tensor, " b"]) -> Float64[Tensor, " b"]:
        modes = (codes - 1).clamp_min(0)
        centres, reaches = self.centres.to(codes.device), self.reaches.to(codes.device)
        values = self.column.nearest(centres[modes] + reaches[modes] * positions.double())
        return torch.where(codes == 0, torch.nan, values)


def block_of(column: Column) -> ColumnBlock:
    """The block of a column."""
    return NumberBlock(column) if isinstance(column, NumberColumn) else CategoryBlock(column)


def _fit_components(
    column: NumberColumn, masses: Float64[Tensor, " n"]
) -> tuple[Float64[Tensor, " k"], Float64[Tensor, " k"], Float64[Tensor, " k"]]:
    """Means, standard deviations and weights of a mixture of the intervals with these masses."""
    total = masses.sum()
    if total == 0:
        return masses[:0], masses[:0], masses[:0]
    rows = max(column.weights, default=0.0) and sum(column.weights[1:]) * float(total)
    x, within, m = column.middles, column.widths.square() / 12, masses / total
    places = (torch.arange(MOST, dtype=torch.float64) + 0.5) / MOST
    means = x[torch.searchsorted(m.cumsum(0), places).clamp_max(len(x) - 1)].unique()
    variance = torch.full_like(means, column.std**2 / len(means))
    weights, floor = torch.full_like(means, 1 / len(means)), (NARROWEST * column.std) ** 2
    for _ in range(ITERATIONS):
        spread = (x[:, None] - means).square() + within[:, None]
        share = (weights.log() - 0.5 * variance.log() - 0.5 * spread / variance).softmax(1) * m[:, None]
        kept = rows * share.sum(0) > 1
        if not kept.any():  # fewer rows than components: those with the most remain
            kept = share.sum(0) == share.sum(0).max()
        share, means = share[:, kept], means[kept]
        mass = share.sum(0)
        weights = (mass - 1 / max(rows, 1.0)).clamp_min(1e-12 * mass)
        weights, means = weights / weights.sum(), (share * x[:, None]).sum(0) / mass
        spread = (x[:, None] - means).square() + within[:, None]
        variance = ((share * spread).sum(0) / mass).clamp_min(floor)
    return means, variance.sqrt(), weights * total


def _gaps(
    column: NumberColumn, starts: Float64[Tensor, " k"], ends: Float64[Tensor, " k"]
) -> Float64[Tensor, "g 2"]:
    """The parts of the column's range that no interval [start, end] covers."""
    gaps, covered = [], column.low
    for start, end in sorted(zip(starts.tolist(), ends.tolist(), strict=True)):
        if start > covered:
            gaps.append((covered, min(start, column.high)))
        covered = max(covered, end)
    if covered < column.high:
        gaps.append((covered, column.high))
    return torch.tensor(gaps, dtype=torch.float64).reshape(-1, 2)
