"""Rows of a table: the likelihood is exact for any model of the codes, and normal scores are its bound."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import stats

from morphogen.component import ConfigError, from_config, to_config
from morphogen.data.columns import Dates, Numbers
from morphogen.data.words import Words
from morphogen.numerics.distributions import gaussian_log_prob
from morphogen.numerics.randomness import Rng
from morphogen.numerics.trees import same
from morphogen.representations.tabular import (
    CategoryColumn,
    ContinuousCodes,
    GridColumn,
    NormalScores,
    RealColumn,
    Tabular,
)

RNG = np.random.default_rng(0)
N = 300
ROWS = np.arange(N)
CELLS = {
    "weight": RNG.normal(70, 12, N),
    "rain": np.where(RNG.random(N) < 0.5, 0.0, RNG.exponential(size=N)),
    "size": np.round(RNG.lognormal(1, 1, N), 1),
    "count": np.where(RNG.random(N) < 0.2, np.nan, RNG.poisson(3, N)),
    "day": RNG.integers(15_000, 15_400, N).astype(float),
}
COLUMNS = [Numbers(name, cells).column(ROWS) for name, cells in CELLS.items() if name != "day"]
COLUMNS += [Dates("day", CELLS["day"]).column(ROWS)]
WORDS = np.array([("a", "b", None)[i] for i in RNG.integers(0, 3, N)], dtype=object)
COLUMNS += [Words("kind", WORDS).column(ROWS)]
MEDIUM = torch.from_numpy(np.stack([*CELLS.values(), Words("kind", WORDS).values], 1))
TABLE = Tabular(tuple(COLUMNS))


def test_decode_inverts_encode_for_any_noise() -> None:
    for seed in range(5):
        back = TABLE.decode(TABLE.encode(MEDIUM, Rng(seed, N)).x)
        torch.testing.assert_close(back, MEDIUM, rtol=1e-14, atol=1e-14, equal_nan=True)


def test_log_weight_is_that_of_a_histogram() -> None:
    encoded = TABLE.encode(MEDIUM, Rng(0, N))
    assert encoded.exact and encoded.dims.eq(6).all()
    rows = []
    for row in MEDIUM.tolist():
        total = 0.0
        for column, value in zip(TABLE.columns, row, strict=True):
            if isinstance(column, RealColumn) and value not in column.atoms.tolist():
                edges = sorted(set(column.edges))
                total -= math.log(next(b - a for a, b in pairwise(edges) if value <= b))
            if isinstance(column, GridColumn) and value == value:
                step = round(value / column.step)
                ends = [*column.starts, column.last + 1]
                total -= math.log(next(b - a for a, b in pairwise(ends) if a <= step < b))
        rows.append(total)
    torch.testing.assert_close(encoded.log_weight, torch.tensor(rows), atol=1e-4, rtol=1e-5)


def test_the_masses_of_a_small_table_sum_to_one() -> None:
    columns = (
        GridColumn("n", (0, 2, 3), 5, 0, (1.0, 2.0, 1.0, 4.0)),
        CategoryColumn("c", ("x", "y"), (2.0, 1, 1)),
    )
    table = Tabular(columns)
    n = [math.nan, *range(6)]
    rows = torch.tensor([[a, b] for a in n for b in (math.nan, 0, 1)], dtype=torch.float64)
    encoded = table.encode(rows, Rng(0, len(rows)))
    log_p = sum(c.masses.log()[encoded.x["codes"][:, j]] for j, c in enumerate(columns))
    assert table.medium_discrete
    assert (log_p + encoded.log_weight).exp().sum().item() == pytest.approx(1, abs=1e-6)


def test_rows_are_presented_as_in_the_original_table() -> None:
    kind = CategoryColumn("kind", ("a", "b", "c"), (1.0, 1, 1, 1))
    shown = Tabular((RealColumn("x", (0.0, 200.0)), GridColumn("n", (0,), 9), kind)).present(
        torch.tensor([[71.23456789, 3.0, 2.0], [1.0, 4.0, math.nan]], dtype=torch.float64)
    )
    assert shown == [{"x": 71.2346, "n": 3, "kind": "c"}, {"x": 1.0, "n": 4, "kind": None}]
    assert isinstance(shown[0]["n"], int)


@pytest.mark.parametrize("wrapped", [lambda table: table, NormalScores, ContinuousCodes])
def test_a_table_is_rebuilt_from_its_config(wrapped) -> None:
    table = wrapped(TABLE)
    one, other = (t.encode(MEDIUM, Rng(1, N)) for t in (table, from_config(to_config(table))))
    assert same(one.x, other.x) and one.log_weight.equal(other.log_weight)


def test_missing_cells_are_refused_where_training_had_none() -> None:
    with pytest.raises(ConfigError, match="column 'weight' has missing cells, and had none in training"):
        TABLE.check(torch.full((2, 6), torch.nan, dtype=torch.float64))
    assert TABLE.read(torch.full((2, 6), torch.nan, dtype=torch.float64)).isnan().all()
    beyond = TABLE.check(torch.where(torch.arange(6) == 3, 99.0, MEDIUM))
    assert TABLE.support.fault(beyond).startswith(
        "row 0, column 'count': 99 is outside of what the model knows, 0 to"
    )
    assert TABLE.encode(beyond, Rng(0, N)).log_weight.isneginf().all()
    assert TABLE.support.contains(beyond).sum() == 5 * N
    assert TABLE.support.contains(TABLE.support.nearest(beyond)).all()
    with pytest.raises(ConfigError, match="at least one column"):
        Tabular(())


def test_normal_scores_are_standard_normal_and_decode_inverts_encode() -> None:
    table = NormalScores(TABLE)
    x = table.encode(MEDIUM, Rng(0, N)).x
    assert x["codes"].shape == (N, 6) and x["scores"].shape == (N, 5) and not table.exact
    assert x["codes"][:, :5].unique().tolist() == [0, 1] and x["scores"].dtype == torch.float32
    for k, j in enumerate(table.numbers):
        known = x["codes"][:, j] > 0
        scores = x["scores"][known, k].numpy()
        assert stats.kstest(scores, "norm").pvalue > 0.01, "seeded; F is that of these rows"
        assert not x["scores"][~known, k].any()
    back = table.decode(x)
    torch.testing.assert_close(back[:, 2:], MEDIUM[:, 2:], rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(back, MEDIUM, rtol=1e-5, atol=1e-3, equal_nan=True)


def test_normal_scores_have_an_exact_density_where_no_number_repeats() -> None:
    column = COLUMNS[0]
    table, values = NormalScores(Tabular((column,))), MEDIUM[:, :1]
    encoded = table.encode(values, Rng(0, N))
    nats = gaussian_log_prob(encoded.x["scores"]).sum(1) + encoded.log_weight
    direct = Tabular((column,)).encode(values, Rng(0, N))
    want = column.masses.log()[direct.x["codes"][:, 0]] + direct.log_weight
    assert encoded.exact and table.exact
    torch.testing.assert_close(nats.double(), want.double(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("wrapped", [NormalScores, ContinuousCodes])
def test_scores_of_a_grid_have_a_lower_bound_of_its_mass(wrapped) -> None:
    """At a density that is not the uniform one of u, over 4000 draws of the noise."""
    column, n = COLUMNS[2], 4000
    table = wrapped(Tabular((column,)))
    code = int(column.masses[1:].argmax()) + 1
    value = column.decode(torch.tensor([code]), torch.tensor([0.0]))
    encoded = table.encode(value.expand(n)[:, None], Rng(0, n))
    z = encoded.x["scores"] if isinstance(encoded.x, dict) else encoded.x
    bound = (gaussian_log_prob(z, 0.5).sum(1) + encoded.log_weight).double().mean().item()
    ends = torch.special.ndtri(column.cumulative[code - 1 : code + 1]).numpy()
    mass = math.log(np.diff(stats.norm(0.5).cdf(ends)).item()) - column.log_sizes[code].item()
    assert not encoded.exact and bound <= mass + 0.01 and bound == pytest.approx(mass, abs=0.05)


def test_sampled_scores_never_leave_the_range_of_the_data() -> None:
    table = NormalScores(TABLE)
    codes = torch.ones(200, 6, dtype=torch.int64)
    for scores in (torch.full((200, 5), -40.0), torch.full((200, 5), 40.0), 5 * torch.randn(200, 5)):
        medium = table.decode({"codes": codes, "scores": scores})
        TABLE.check(medium)
        assert medium.isfinite().all()
