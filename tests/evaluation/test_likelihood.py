"""bits/dim for a model with known likelihood, and None for a model without one."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from morphogen.catalogue import build_system
from morphogen.contract import Likelihood, Objective, Sampler
from morphogen.data import load_data
from morphogen.evaluation.likelihood import bits_per_dim, evenly_spaced_indices
from morphogen.model import Model
from morphogen.representations.pixels import Pixels

DIGITS = load_data("digits")


class _Uniform(Objective):
    """Uniform over 17 levels: log2(17) bits per subpixel; row 0 of the data takes `extra` more nats."""

    def __init__(self, extra: float = 0.0):
        super().__init__()
        self.extra, self.offset = extra, nn.Parameter(torch.zeros(()))

    def losses(self, x, context, rng, player): ...

    def default_sampler(self) -> Sampler: ...

    def log_prob(self, x, context, rng):
        nats = torch.full((len(x),), -64 * math.log(17.0)) - self.extra * (rng.rows == 0)
        return Likelihood(nats, x.dims, "exact", "mass")


class _WithoutLikelihood(_Uniform):
    def log_prob(self, x, context, rng):
        return Objective.log_prob(self, x, context, rng)


def test_a_uniform_distribution_has_log2_of_its_levels():
    result = bits_per_dim(Model(_Uniform(), DIGITS.representation), DIGITS.test)
    assert result == {
        "kind": "exact",
        "measure": "mass",
        "draws": 1,
        "bits_per_dim": pytest.approx(math.log2(17)),
        "low": pytest.approx(math.log2(17)),
        "high": pytest.approx(math.log2(17)),
        "n": len(DIGITS.test),
    }


def test_rows_are_averaged_and_their_variance_widens_the_interval():
    result = bits_per_dim(Model(_Uniform(extra=64.0), DIGITS.representation), DIGITS.test, n=50)
    assert result["n"] == 50 and result["bits_per_dim"] == pytest.approx(math.log2(17) + 1 / 50 / math.log(2))
    assert result["high"] - result["low"] == pytest.approx(2 * 2.0096 / 50 / math.log(2), rel=1e-3)


def test_a_bound_says_how_many_importance_weights_it_averages():
    model = build_system("vae", DIGITS, size="tiny", changes={"objective.bound_samples": 7})
    result = bits_per_dim(model, DIGITS.test, n=4)
    assert (result["kind"], result["draws"]) == ("lower_bound", 7)


class _Sized(Pixels):
    """Pixels that count as 1 to 40 units of the medium, by the number of the row."""

    def encode(self, medium, rng, measure=True):
        return replace(super().encode(medium, rng, measure), dims=1 + (rng.rows * 7 % 40).float())


class _OfDims(_Uniform):
    """3 bits per unit, and `extra` times 0 to 4 bits per row."""

    def log_prob(self, x, context, rng):
        bits = self.extra * (rng.rows % 5) + 3 * x.dims
        return Likelihood(-math.log(2) * bits, x.dims, "exact", "mass")


def test_the_interval_of_rows_of_unequal_sizes_is_that_of_the_ratio():
    """By the jackknife (Quenouille 1956) of sum(bits) / sum(dims); no width if each row has the same rate."""
    rows = evenly_spaced_indices(len(DIGITS.test), 100).double()
    for extra in (0.0, 6.0):
        model = Model(_OfDims(extra), _Sized(17, (1, 8, 8)))
        result = bits_per_dim(model, DIGITS.test, n=100)
        dims = 1 + rows * 7 % 40
        bits = extra * (rows % 5) + 3 * dims
        ratio = float(bits.sum() / dims.sum())
        left_out = (bits.sum() - bits) / (dims.sum() - dims)
        error = float((99 * left_out.var(correction=0)).sqrt())
        assert result["bits_per_dim"] == pytest.approx(ratio)
        assert (result["high"] - result["low"]) / 2 == pytest.approx(1.96 * error, rel=0.03, abs=1e-6)


def test_a_model_without_a_likelihood_returns_none():
    assert bits_per_dim(Model(_WithoutLikelihood(), DIGITS.representation), DIGITS.test) is None


@pytest.mark.parametrize(("total", "n"), [(10, 3), (1000, 999), (7, 7), (7, 20), (5, None)])
def test_indices_are_evenly_spaced_and_unique(total, n):
    rows = evenly_spaced_indices(total, n)
    assert len(rows) == min(total, n or total) == len(rows.unique()) and rows.max() < total
    assert rows.diff().max() - rows.diff().min() <= 1
