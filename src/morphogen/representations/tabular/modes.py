r"""Mode-specific normalization of a column: which component of a mixture a number is of, and where in it.

    p(v) = sum_k w_k N(v; mu_k, sigma_k^2),     k ~ p(k | v),     alpha = (v - mu_k) / (4 sigma_k)

"Modeling tabular data using conditional GAN" (Xu, Skoularidou, Cuesta-Infante & Veeramachaneni, 2019, section
4.2). The mixture is fitted to the histogram that the column has of the training rows. The paper's variational
fit removes components that explain little; here the number of them, at most 10, has the smallest Bayesian
information criterion ("Estimating the dimension of a model", Schwarz 1978).

Two kinds of modes make the code exact, so that no value is clipped: a value that many rows have, an atom, is
a mode of width 0, and what is farther than 4 sigma from every mode is covered by one without a component. A
value on a grid is uniform in its cell, so that alpha has no gaps that a generator would have to learn.
"""

__all__ = ["CategoryBlock", "ColumnBlock", "NumberBlock", "block_of"]

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from morphogen.numerics.randomness import invert_cdf
from morphogen.representations.tabular.columns import Column
from morphogen.representations.tabular.numbers import NumberColumn

MOST = 10  # components of a column, as in the paper's code
REACH = 4.0  # standard deviations that a mode extends to both sides
ITERATIONS = 50  # for each number of components
NARROWEST = 1e-3  # standard deviation of a component, in those of the column
ATOM = 1e-300  # reach of a mode of width 0: its density is above all others where it is not 0
INSIDE = 0.98  # of a cell of a grid, in which a value is uniform
UNSEEN = 1e-9  # weight of modes that cover what no component does
Components: TypeAlias = Sequence[Sequence[float]]


class ColumnBlock(ABC):
    """The codes of a column, 0 where a cell is missing, and the position of a number in its mode.

    Attributes:
        column: of the table.
        components: means, standard deviations and weights of the mixture of a column of numbers; of
            categories, nothing.
        masses: the fraction of the training rows with each code; that of code 0 is 0 if no cell is missing.
        has_position: of each code, whether the cells with it differ in their position.
    """

    column: Column
    components: Components = ()
    masses: Float64[Tensor, " k"]
    has_position: tuple[bool, ...]

    @abstractmethod
    def encode(
        self, values: Float64[Tensor, " b"], u: Float[Tensor, "b 2"]
    ) -> tuple[Int[Tensor, " b"], Float64[Tensor, " b"]]:
        """The code and the position, in [-1, 1], of each cell.

        Arguments:
            values: NaN where a cell is missing.
            u: uniform: chooses among the modes, and places a value in its cell of a grid.
        """

    @abstractmethod
    def decode(self, codes: Int[Tensor, " b"], positions: Float[Tensor, " b"]) -> Float64[Tensor, " b"]:
        """The values of codes and positions, NaN for code 0."""


class CategoryBlock(ColumnBlock):
    """The codes of a column of categories, which have no position."""

    def __init__(self, column: Column):
        self.column, self.masses = column, column.masses
        self.has_position = (False,) * len(self.masses)

    def encode(
        self, values: Float64[Tensor, " b"], u: Float[Tensor, "b 2"]
    ) -> tuple[Int[Tensor, " b"], Float64[Tensor, " b"]]:
        return self.column.encode(values, u[:, 0])[0], torch.zeros_like(values)

    def decode(self, codes: Int[Tensor, " b"], positions: Float[Tensor, " b"]) -> Float64[Tensor, " b"]:
        return self.column.decode(codes, torch.zeros_like(positions))


class NumberBlock(ColumnBlock):
    """The modes of a column of numbers, in the order atoms, components, what they do not cover.

    Arguments:
        column: of the table.
        components: fitted before; None: they are fitted.

    Attributes:
        centres, reaches, weights: of the modes: half of their width, and their mass among the existing cells.
    """

    def __init__(self, column: NumberColumn, components: Components | None = None):
        self.column = column
        exist, atoms = column.cumulative.diff(), column.widths == 0
        if components is None:
            fitted = _fit_components(column, torch.where(atoms, 0.0, exist))
            components = [part.tolist() for part in fitted]
        self.components = tuple(map(tuple, components))
        means, deviations, weights = torch.tensor(self.components, dtype=torch.float64)
        gaps = _gaps(column, means - REACH * deviations, means + REACH * deviations)
        self.centres = torch.cat([column.middles[atoms], means, gaps.mean(1)])
        self.reaches = torch.cat(
            [torch.full_like(exist[atoms], ATOM), REACH * deviations, gaps.diff(dim=1)[:, 0] / 2]
        )
        self.weights = torch.cat([exist[atoms], weights, torch.full_like(gaps[:, 0], UNSEEN)])
        missing = column.masses[:1]
        self.masses = torch.cat([missing, (1 - missing) * self.weights / self.weights.sum()])
        self.has_position = (False, *(self.reaches > ATOM).tolist())

    def encode(
        self, values: Float64[Tensor, " b"], u: Float[Tensor, "b 2"]
    ) -> tuple[Int[Tensor, " b"], Float64[Tensor, " b"]]:
        centres, reaches = self.centres.to(values.device), self.reaches.to(values.device)
        positions = (values.nan_to_num(self.column.low)[:, None] - centres) / reaches
        logits = self.weights.to(values.device).log() - reaches.log() - (REACH * positions).square() / 2
        modes = invert_cdf(logits.masked_fill(positions.abs() > 1 + 1e-9, -torch.inf), u[:, 0])
        noise = INSIDE * self.column.step * (u[:, 1].double() - 0.5) / reaches[modes]
        inside = (positions.gather(1, modes[:, None])[:, 0] + noise).clamp(-1, 1)
        missing = values.isnan()
        return torch.where(missing, 0, modes + 1), torch.where(missing, 0.0, inside)

    def decode(self, codes: Int[Tensor, " b"], positions: Float[Tensor, " b"]) -> Float64[Tensor, " b"]:
        modes = (codes - 1).clamp_min(0)
        centres, reaches = self.centres.to(codes.device), self.reaches.to(codes.device)
        values = self.column.nearest(centres[modes] + reaches[modes] * positions.double())
        return torch.where(codes == 0, torch.nan, values)


def block_of(column: Column, components: Components | None = None) -> ColumnBlock:
    """The block of a column, with tensors of the CPU, whose values are needed, also on the meta device.

    Arguments:
        column: of the table.
        components: of a `NumberBlock`, fitted before; None: they are fitted.
    """
    with torch.device("cpu"):
        return NumberBlock(column, components) if isinstance(column, NumberColumn) else CategoryBlock(column)


def _fit_components(
    column: NumberColumn, masses: Float64[Tensor, " n"]
) -> tuple[Float64[Tensor, " k"], Float64[Tensor, " k"], Float64[Tensor, " k"]]:
    """Means, standard deviations and weights of a mixture of the intervals with these masses.

    Of mixtures with ever fewer components, the one with the smallest Bayesian information criterion.
    """
    total = masses.sum()
    if total == 0:
        return masses[:0], masses[:0], masses[:0]
    rows = max(2.0, sum(column.weights[1:]) * float(total))
    x, within, m = column.middles, column.widths.square() / 12, masses / total
    places = (torch.arange(MOST, dtype=torch.float64) + 0.5) / MOST
    means = x[torch.searchsorted(m.cumsum(0), places).clamp_max(len(x) - 1)].unique()
    fit = _Fit(means, torch.full_like(means, column.std**2 / len(means)), torch.ones_like(means) / len(means))
    best, least = fit, math.inf
    while len(fit.weights):
        fit, log_mass = _expectation_maximization(fit, x, within, m, (NARROWEST * column.std) ** 2)
        criterion = 3 * len(fit.weights) * math.log(rows) - 2 * rows * log_mass
        best, least = (fit, criterion) if criterion < least else (best, least)
        kept = torch.arange(len(fit.weights)) != fit.weights.argmin()
        fit = _Fit(fit.means[kept], fit.variances[kept], fit.weights[kept])
    return best.means, best.variances.sqrt(), best.weights * total


class _Fit(NamedTuple):
    """A mixture of normal distributions."""

    means: Float64[Tensor, " k"]
    variances: Float64[Tensor, " k"]
    weights: Float64[Tensor, " k"]


def _expectation_maximization(
    fit: _Fit, x: Float64[Tensor, " n"], within: Float64[Tensor, " n"], m: Float64[Tensor, " n"], floor: float
) -> tuple[_Fit, float]:
    """The mixture after some iterations, and a bound of its mean log-density.

    Arguments:
        fit: initial.
        x, within, m: mean, variance and mass of each interval.
        floor: smallest variance.
    """
    log_mass = -math.inf
    for _ in range(ITERATIONS):
        spread = (x[:, None] - fit.means).square() + within[:, None]
        logits = (fit.weights / (2 * math.pi * fit.variances).sqrt()).log() - 0.5 * spread / fit.variances
        log_mass = float((m * logits.logsumexp(1)).sum())
        share = logits.softmax(1) * m[:, None]
        weights = share.sum(0).clamp_min(1e-12)
        means = (share * x[:, None]).sum(0) / weights
        spread = (x[:, None] - means).square() + within[:, None]
        fit = _Fit(means, ((share * spread).sum(0) / weights).clamp_min(floor), weights / weights.sum())
    return fit, log_mass


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
