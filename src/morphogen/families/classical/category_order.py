r"""The order of the categories of each column that shows most of its dependence on the others.

A copula places the categories of a column one after the other on the axis of a score, and a correlation sees
of their dependence only what is monotone in that order. The codes of a table are in the order of the
alphabet. So the categories are ordered by numbers q that are optimal in turn, given the other columns:

    q_j = leading left singular vector of  sqrt(m_jk) E[y_i | code_j = k],   i != j,  divided by sqrt(m_jk)

and y are the scores of numbers, and the q of the codes of other categories, standardized (optimal scaling:
Young, de Leeuw & Takane 1976; Gifi 1990, "Nonlinear multivariate analysis"). They begin as those of the
leading factor of all columns, by reciprocal averaging (Hill 1973). Of the two directions that are equally
good, it is the one that agrees more with the codes.
"""

__all__ = ["category_order"]

from collections.abc import Sequence

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

TINY = 1e-12
AVERAGED, SCALED = 30, 4  # rounds of reciprocal averaging, and of optimal scaling


def category_order(
    codes: Int[Tensor, "b d"], scores: Float[Tensor, "b k"], numbers: Sequence[int], sizes: Sequence[int]
) -> list[Int[Tensor, " v"]]:
    """The place of each code in the order of its column; code 0, a missing cell, remains the first.

    Arguments:
        codes: of all columns.
        scores: of the columns of numbers, 0 where they are missing.
        numbers: which columns these are.
        sizes: number of codes of each column.
    """
    categories = [j for j in range(len(sizes)) if j not in numbers]
    places = [torch.arange(size, device=codes.device) for size in sizes]
    y = codes.double()
    y[:, list(numbers)] = scores.double()
    y = _standardized(y)
    total = y.sum(1, keepdim=True)
    for _ in range(AVERAGED if len(categories) > 1 else 0):
        total = _standardized(total)
        for j in categories:
            y[:, j] = _means(codes[:, j], total, sizes[j])[codes[:, j], 0]
        y[:, list(numbers)] = _standardized(y[:, list(numbers)]) * (y[:, list(numbers)] * total).mean(0)
        total = y.sum(1, keepdim=True)
    y = _standardized(y)
    for _ in range(SCALED):
        for j in categories:
            others = torch.cat([y[:, :j], y[:, j + 1 :]], 1)
            if others.shape[1]:
                q = _scaled(codes[:, j], others, sizes[j])
                y[:, j] = _standardized(q[codes[:, j]][:, None])[:, 0]
                places[j][1:] = 1 + q[1:].argsort(stable=True).argsort()
    return places


def _scaled(codes: Int[Tensor, " b"], others: Float64[Tensor, "b e"], size: int) -> Float64[Tensor, " v"]:
    """The numbers q of the codes that are most correlated with the other columns."""
    mass = codes.bincount(minlength=size).double().sqrt()
    means = _means(codes, others, size)
    q = torch.linalg.svd(mass[:, None] * means, full_matrices=False)[0][:, 0] / mass.clamp_min(TINY)
    q = torch.where(mass > 0, q, 0.0)  # codes that no row has are in the middle
    rank = torch.arange(size).to(q)
    agree = (mass.square() * q * (rank - (mass.square() * rank).sum() / mass.square().sum())).sum()
    return q if agree >= 0 else -q


def _means(codes: Int[Tensor, " b"], y: Float64[Tensor, "b e"], size: int) -> Float64[Tensor, "v e"]:
    """The mean of y in the rows of each code."""
    sums = y.new_zeros(size, y.shape[1]).index_add(0, codes, y)
    return sums / codes.bincount(minlength=size).clamp_min(1)[:, None]


def _standardized(y: Float64[Tensor, "b e"]) -> Float64[Tensor, "b e"]:
    """Columns of mean 0 and variance 1; constant ones are 0."""
    centred = y - y.mean(0)
    return centred / centred.square().mean(0).sqrt().clamp_min(TINY)
