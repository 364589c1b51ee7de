"""bits/dim against a law whose likelihood is known, and None where there is none."""

import math

import pytest
import torch
from torch import nn

from morphogen.contract import Likelihood, Objective, Sampler
from morphogen.data import load
from morphogen.evaluation.likelihood import bits_per_dim, spread
from morphogen.model import Model

DIGITS = load("digits")


class _Uniform(Objective):
    """Every picture of 17 levels alike: log2(17) bits a subpixel; row 0 of the data takes `extra` nats more."""

    def __init__(self, extra: float = 0.0):
        super().__init__()
        self.extra, self.offset = extra, nn.Parameter(torch.zeros(()))

    def losses(self, x, context, rng, player): ...

    def sampler(self) -> Sampler: ...

    def log_prob(self, x, context, rng):
        nats = torch.full((len(x),), -64 * math.log(17.0)) - self.extra * (rng.rows == 0)
        return Likelihood(nats, x.dims, "exact", "mass")


class _Silent(_Uniform):
    def log_prob(self, x, context, rng):
        return Objective.log_prob(self, x, context, rng)


def test_a_uniform_law_costs_log2_of_its_levels():
    found = bits_per_dim(Model(_Uniform(), DIGITS.representation), DIGITS.test)
    assert found == {
        "kind": "exact", "measure": "mass", "bits_per_dim": pytest.approx(math.log2(17)), "low": pytest.approx(math.log2(17)),
        "high": pytest.approx(math.log2(17)), "n": len(DIGITS.test),
    }  # fmt: skip


def test_rows_are_averaged_and_their_spread_widens_the_interval():
    found = bits_per_dim(Model(_Uniform(extra=64.0), DIGITS.representation), DIGITS.test, n=50)
    assert found["n"] == 50 and found["bits_per_dim"] == pytest.approx(math.log2(17) + 1 / 50 / math.log(2))
    assert found["high"] - found["low"] == pytest.approx(2 * 1.96 / 50 / math.log(2), rel=0.02)


def test_a_model_without_a_likelihood_has_none():
    assert bits_per_dim(Model(_Silent(), DIGITS.representation), DIGITS.test) is None


@pytest.mark.parametrize(("total", "n"), [(10, 3), (1000, 999), (7, 7), (7, 20), (5, None)])
def test_rows_are_spread_evenly_and_stand_once(total, n):
    rows = spread(total, n)
    assert len(rows) == min(total, n or total) == len(rows.unique()) and rows.max() < total
    assert rows.diff().max() - rows.diff().min() <= 1
