"""Autoregressive columns: masses sum to 1 in any order, cached decoding is exact, given cells are kept."""

import itertools

import pytest
import torch

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded
from morphogen.families.autoregressive import AutoregressiveColumns, ColumnSampler
from morphogen.families.autoregressive.columns import column_order
from morphogen.networks.attention import Attention
from morphogen.networks.blocks import Block
from morphogen.networks.column_transformer import ColumnTransformer
from morphogen.networks.feed_forward import FeedForward
from morphogen.networks.normalization import LayerNorm
from morphogen.numerics.randomness import Rng
from morphogen.representations.tabular import CategoryColumn, GridColumn, Tabular

TABLE = Tabular(
    (
        CategoryColumn("a", ("x", "y"), (1.0, 3.0, 2.0)),
        GridColumn("b", (0, 1, 2), 2, weights=(0.0, 2.0, 2.0, 1.0)),  # never missing
        CategoryColumn("c", ("p", "q", "r"), (1.0, 1.0, 4.0, 2.0)),
    )
)
SHAPE = {"codes": (3,), "offsets": (3,)}


@pytest.fixture(scope="module")
def objective() -> AutoregressiveColumns:
    """With random weights, those of the logits too."""
    torch.manual_seed(0)
    block = Block(Attention(8, 2), FeedForward(8, 16), LayerNorm(8))
    network = ColumnTransformer(TABLE, block, 2)
    for parameter in network.parameters():
        parameter.data.add_(0.5 * torch.randn_like(parameter))
    return AutoregressiveColumns(network).eval()


def encoded(codes: torch.Tensor) -> Encoded:
    return Encoded({"codes": codes}, torch.zeros(len(codes)), torch.full((len(codes),), 3.0))


def every_code() -> torch.Tensor:
    sizes = [len(masses) for masses in TABLE.masses]
    return torch.tensor(list(itertools.product(*map(range, sizes))))


def given(codes: list[int], rows: int) -> Context:
    return Context(given={"codes": torch.tensor(codes).expand(rows, -1)})


@pytest.mark.parametrize("cells", [[-1, -1, -1], [1, -1, -1], [-1, 2, -1], [-1, 3, 2]])
def test_masses_given_any_cells_sum_to_one(objective, cells):
    codes = every_code()
    nats = objective.log_prob(encoded(codes), given(cells, len(codes)), Rng(0, len(codes))).nats
    assert nats.double().exp().sum().item() == pytest.approx(1, abs=1e-5)
    wanted = torch.tensor(cells)
    kept = ((wanted < 0) | (codes == wanted)).all(1)
    assert nats[~kept].isinf().all()
    assert nats[codes[:, 1] == 0].isinf().all()  # a column without missing cells


def test_the_logits_of_a_column_depend_on_the_columns_before_it_in_any_order(objective):
    codes, order = torch.tensor([[1, 2, 3]]), torch.tensor([[2, 0, 1]])
    features = objective.network(codes, order, None)
    for i, changed in enumerate(order[0].tolist()):
        other = codes.clone()
        other[0, changed] -= 1
        moved = (objective.network(other, order, None) - features).abs().amax(2)[0] > 1e-6
        assert moved.nonzero()[:, 0].tolist() == sorted(order[0, i + 1 :].tolist())


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_cached_decoding_is_the_full_pass(objective, order):
    codes = every_code()[::5]
    features = objective.network(codes, torch.tensor(order).expand(len(codes), -1), None)
    for first in range(3):
        cache = objective.network.decode(len(codes), order, None)
        logits = cache.prefill(codes[:, order[:first]])
        for i in range(first, 3):
            expected = objective.network.logits(order[i], features[:, order[i]])
            torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)
            if i < 2:
                logits = cache.step(codes[:, order[i]])


def test_samples_have_the_masses_and_keep_given_cells(objective):
    """20,000 rows, seed 0: no fraction is 5 standard errors from its mass; the given cell is exact."""
    codes, n = every_code(), 20_000
    for cells in ([-1, -1, -1], [-1, 3, -1]):
        context = given(cells, n)
        drawn = ColumnSampler()(objective, SHAPE, context, Rng(0, n))
        assert drawn["codes"].shape == drawn["offsets"].shape == (n, 3)
        one = Context(given={"codes": torch.tensor(cells).expand(len(codes), -1)})
        masses = objective.log_prob(encoded(codes), one, Rng(0, len(codes))).nats.double().exp()
        counts = (drawn["codes"][:, None] == codes).all(2).sum(0) / n
        error = (masses * (1 - masses) / n).sqrt()
        assert ((counts - masses).abs() <= 5 * error + 1e-9).all()
        assert cells[1] == -1 or drawn["codes"][:, 1].eq(cells[1]).all()


def test_complete_rows_have_no_missing_cells(objective):
    drawn = ColumnSampler(complete=True)(objective, SHAPE, given([-1, -1, 0], 500), Rng(0, 500))["codes"]
    assert drawn[:, :2].ge(1).all() and drawn[:, 2].eq(0).all()  # a given missing cell stays


def test_rows_with_different_given_cells_are_drawn_as_alone(objective):
    cells = torch.tensor([[1, -1, -1], [-1, -1, -1], [-1, 2, 3], [1, -1, -1]])
    together = ColumnSampler()(objective, SHAPE, Context(given={"codes": cells}), Rng(3, 4))
    for i in range(4):
        part = Context(given={"codes": cells[i : i + 1]})
        alone = ColumnSampler()(objective, SHAPE, part, Rng(3, torch.tensor([i])))
        assert torch.equal(alone["codes"][0], together["codes"][i])


def test_many_rows_are_drawn_in_parts_so_that_memory_is_bounded(objective, monkeypatch):
    parts, decode = [], objective.network.decode
    monkeypatch.setattr(objective.network, "decode", lambda n, *rest: parts.append(n) or decode(n, *rest))
    cells = torch.tensor([[1, -1, -1], [-1, -1, -1]]).repeat(1500, 1)
    whole = ColumnSampler()(objective, SHAPE, Context(given={"codes": cells}), Rng(0, 3000))["codes"]
    assert sorted(parts) == [476, 476, 1024, 1024]
    monkeypatch.setattr("morphogen.families.autoregressive.columns.AT_ONCE", 3000)
    assert torch.equal(
        ColumnSampler()(objective, SHAPE, Context(given={"codes": cells}), Rng(0, 3000))["codes"], whole
    )


def test_half_of_the_training_rows_have_given_columns():
    """10,000 rows, seed 0, five standard errors: a third of those rows has 0, 1 and 2 given columns."""
    drawn = AutoregressiveColumns(torch.nn.Identity())._drawn_given(
        torch.zeros(10_000, 3).long(), Rng(0, 10_000)
    )
    number = drawn.sum(1)
    for count, share in ((0, 1 / 2 + 1 / 6), (1, 1 / 6), (2, 1 / 6), (3, 0.0)):
        assert number.eq(count).double().mean().item() == pytest.approx(share, abs=0.025)
    assert torch.equal(column_order(torch.tensor([[False, True, False]])), torch.tensor([[1, 0, 2]]))


def test_arguments_out_of_range_are_refused():
    with pytest.raises(ConfigError, match="given=1"):
        AutoregressiveColumns(torch.nn.Identity(), 1.0)
    with pytest.raises(ConfigError, match="temperature=0"):
        ColumnSampler(0)
