"""`ConditionDropout`: every field of a row is dropped, all together, at the stated rate."""

from dataclasses import replace

import pytest
import torch
from scipy.stats import binom
from torch import Tensor

from conditioning.conditioned import TOKENS, VECTOR, conditions, parts
from morphogen.component import ConfigError
from morphogen.conditioning.conditions import Conditions
from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.prefix import Prefix
from morphogen.contract import Context
from morphogen.numerics.randomness import Rng

P, N = 0.3, 4000
LOW, HIGH = binom.interval(0.999, N, P)  # 1108 to 1295 rows


def subject() -> ConditionDropout:
    torch.manual_seed(0)
    dropout = ConditionDropout(Conditions(**parts()), P)
    for null in dropout.null.values():
        torch.nn.init.normal_(null)
    return dropout


def dropped_rows(context: Context, full: Context) -> dict[str, Tensor]:
    """Which rows are dropped, by field."""
    assert context.tokens is not None and context.mask is not None and full.tokens is not None
    return {
        "vector": (context.vector != full.vector).all(1),
        "tokens": (context.tokens != full.tokens)[:, 0].all(1),
        "mask": context.mask.sum(1) == 1,
        "spatial": (context.spatial == 0).flatten(1).all(1),  # type: ignore[union-attr]
    }


def test_every_field_of_a_row_is_dropped_at_the_stated_rate() -> None:
    """n = 4000 rows, seed 0: between the 0.05 % and the 99.95 % quantile of the binomial distribution."""
    dropout, given = subject(), conditions(N)
    given["caption"][:, :2] = given["caption"][:, :2].clamp_min(0)  # two valid tokens tell a null of one
    full, context = dropout(given), dropout(given, Rng(0, N))
    rows = dropped_rows(context, full)
    assert all(torch.equal(field, rows["vector"]) for field in rows.values())
    assert LOW <= int(rows["vector"].sum()) <= HIGH
    kept = ~rows["vector"]
    for name in ("vector", "tokens", "mask", "spatial"):
        assert torch.equal(getattr(context, name)[kept], getattr(full, name)[kept])
    assert context.null is None


@pytest.mark.parametrize("rate", [0.25, 0.35])
def test_the_interval_rejects_other_rates(rate: float) -> None:
    dropout, given = subject(), conditions(N)
    dropout.p = rate
    given["caption"][:, :2] = given["caption"][:, :2].clamp_min(0)
    count = int(dropped_rows(dropout(given, Rng(0, N)), dropout(given))["vector"].sum())
    assert not LOW <= count <= HIGH


def test_null_is_of_its_own_kind_and_independent_of_the_condition() -> None:
    dropout = subject()
    null = dropout(conditions(4)).null
    assert null is not None and null.vector is not None and null.tokens is not None
    assert torch.equal(null.vector, dropout.null["vector"].expand(4, VECTOR))
    assert torch.equal(null.tokens, dropout.null["tokens"].expand(4, 1, TOKENS)) and null.mask is None
    assert null.spatial is not None and not null.spatial.any() and null.spatial.shape == (4, 1, 8, 8)
    other = dropout(conditions(4, seed=8)).null
    for name in ("vector", "tokens", "spatial"):
        assert torch.equal(getattr(null, name), getattr(other, name))


def test_a_dropped_prompt_is_empty() -> None:
    prompts = Rng(0, 50).integers(9, 3)
    prefix = ConditionDropout(Prefix(), 0.5)(prompts, Rng(0, 50)).prefix
    assert prefix is not None
    dropped = (prefix == -1).all(1)
    assert 0 < int(dropped.sum()) < 50 and torch.equal(prefix[~dropped], prompts[~dropped])


def test_without_rng_nothing_is_dropped() -> None:
    dropout, given = subject(), conditions(20)
    bare, context = dropout.conditioner(given), replace(dropout(given), null=None)
    assert all(torch.equal(getattr(bare, n), getattr(context, n)) for n in ("vector", "tokens", "spatial"))
    absent = dropout.absent(3)
    assert absent.vector is not None and absent.vector.shape == (3, VECTOR) and absent.spatial is None


@pytest.mark.parametrize("p", [-0.1, 1.5])
def test_p_is_a_probability(p: float) -> None:
    with pytest.raises(ConfigError, match="p is a probability"):
        ConditionDropout(Prefix(), p)
