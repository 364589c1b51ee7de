r"""Column shapes: how close the distribution of each column of a synthetic table is to that of the real one.

    numbers, dates   1 - sup_x |F(x) - G(x)|            complement of the Kolmogorov-Smirnov distance
    categories       1 - 1/2 sum_k |p_k - q_k|          complement of the total variation distance
    both             |P(missing) - Q(missing)|          difference of the missing rates

The first two are of the cells that are not missing, as "Column Shapes" of SDMetrics (DataCebo 2020) is; the
average over columns is its score. "total_variation", of categories and of numbers with at most 50 values,
counts missing cells as a category. Massey 1951, "The Kolmogorov-Smirnov test for goodness of fit".

"least_total_variation" is what m independent rows of the real distribution p have on average: no model whose
rows are independent can expect less. With k = floor(m p) + 1 (de Moivre 1730; Diaconis & Zabell 1991)

    1/2 sum E |X / m - p| = sum (1 - p) k / m P(X = k),    X binomial (m, p)

About (K / (2 pi m))^{1/2} for K equally frequent values, it is large where a column has many.
"""

__all__ = ["Shapes", "column_shapes", "least_total_variation"]

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float64, Int
from scipy.stats import binom

from morphogen.evaluation.intervals import proportion
from morphogen.evaluation.tables.cells import Cells
from morphogen.evaluation.tables.halved import Halved
from morphogen.evaluation.tables.resampling import absolute, average_of, counts, distances, interval, masses

DECIMALS = 14  # to which numbers are rounded before they are compared, as in SDMetrics
FEW_VALUES = 50  # of a number whose total variation is given
BARS = 24  # of a histogram


class Shapes(NamedTuple):
    """The figures of the columns, and of the whole table."""

    score: Any
    missing_difference: Any
    columns: dict[str, dict[str, Any]]


def column_shapes(tables: tuple[Halved, Halved]) -> tuple[Shapes, Float64[np.ndarray, " s"]]:
    """Shapes of all columns, with the `distances` of their average score.

    Arguments:
        tables: the real one and the synthetic one, with as many halves.
    """
    real, synthetic = (table.cells for table in tables)
    n = min(len(real), len(synthetic))
    columns, scores, differences = {}, [], []
    for name in real.order:
        pair = _joint_codes(name, real, synthetic)
        size = max(int(max(codes.max() for codes in pair)) + 1, 1)
        tallies = [
            counts(codes + 1, size + 1, table.weight) for codes, table in zip(pair, tables, strict=True)
        ]
        ordered = name in real.numbers
        score = 1 - (_largest_gap if ordered else _total_variation)(*(tally[1:] for tally in tallies))
        rates = [masses(tally)[0] for tally in tallies]
        scores.append(score)
        differences.append(absolute(rates[0] - rates[1]))
        has_levels = not ordered or len(np.unique(pair[0])) <= FEW_VALUES
        columns[name] = {
            "kind": "number" if ordered else "category",
            "shape": interval(score, n, 0, 1),
            "total_variation": interval(_total_variation(*tallies), n, 0, 1) if has_levels else None,
            "least_total_variation": least_total_variation(tallies[0][:, 0], len(synthetic))
            if has_levels
            else None,
            "missing": proportion(torch.from_numpy(synthetic.missing(name))),
            "missing_real": proportion(torch.from_numpy(real.missing(name))),
            "histogram": _histogram(name, real, synthetic),
        }
    average = average_of(scores, tables[1].weight.shape[1])
    difference = np.mean(differences, axis=0)
    return Shapes(interval(average, n, 0, 1), interval(difference, n, 0, 1), columns), average


def least_total_variation(tally: Float64[np.ndarray, " k"], m: int) -> float:
    """The expected total variation of m independent draws from a distribution (de Moivre 1730).

    Arguments:
        tally: the counts of its values, or their probabilities.
        m: number of draws.
    """
    p = tally / tally.sum()
    k = np.floor(m * p) + 1
    return float(((1 - p) * k / m * binom.pmf(k, m, p)).sum())


def _joint_codes(name: str, real: Cells, synthetic: Cells) -> list[Int[np.ndarray, " n"]]:
    """Codes of a column of both tables, -1 where missing; those of numbers are their ranks."""
    if name in real.codes:
        return [real.codes[name], synthetic.codes[name]]
    values = [cells.numbers[name].round(DECIMALS) for cells in (real, synthetic)]
    distinct = np.unique(np.concatenate([value[~np.isnan(value)] for value in values]))
    return [np.where(np.isnan(value), -1, np.searchsorted(distinct, value)) for value in values]


def _largest_gap(real: np.ndarray, synthetic: np.ndarray) -> Float64[np.ndarray, " s"]:
    """The Kolmogorov-Smirnov distance of counts of ordered values."""
    gap = masses(real).cumsum(0) - masses(synthetic).cumsum(0)
    return distances(gap, lambda each: np.abs(each).max(0))


def _total_variation(real: np.ndarray, synthetic: np.ndarray) -> Float64[np.ndarray, " s"]:
    """Half the sum of the absolute differences of the masses."""
    return distances(masses(real) - masses(synthetic), lambda each: np.abs(each).sum(0) / 2)


def _histogram(name: str, real: Cells, synthetic: Cells) -> dict[str, Any]:
    """What a picture shows: fractions of the cells that are not missing, in bins or by category.

    The bins are between the 0.5 % and the 99.5 % quantile of the real numbers; the outer ones hold the rest.
    Categories are the most frequent of the real ones; the last bar holds all others.
    """
    if name in real.codes:
        tally = np.bincount(real.codes[name] + 1, minlength=len(real.levels[name]) + 1)[1:]
        other = np.bincount(synthetic.codes[name] + 1, minlength=len(tally) + 1)[1:]
        top = np.argsort(-tally, kind="stable")[:BARS]
        labels = [real.levels[name][k] for k in top]
        parts = [np.append(t[top], t.sum() - t[top].sum()) / max(t.sum(), 1) for t in (tally, other)]
        if len(tally) <= BARS:
            parts = [part[:-1] for part in parts]
        else:
            labels.append("others")
        return {"levels": labels, "real": parts[0].tolist(), "synthetic": parts[1].tolist()}
    values = [cells.numbers[name][~cells.missing(name)] for cells in (real, synthetic)]
    if not len(values[0]):
        return {"edges": [], "real": [], "synthetic": []}
    low, high = np.quantile(values[0], [0.005, 0.995])
    edges = np.linspace(low, high if high > low else low + 1, min(BARS, len(np.unique(values[0]))) + 1)
    tallies = [np.histogram(value.clip(edges[0], edges[-1]), edges)[0] for value in values]
    real_part, part = ((tally / max(tally.sum(), 1)).tolist() for tally in tallies)
    return {"edges": edges.tolist(), "real": real_part, "synthetic": part}
