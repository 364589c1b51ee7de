"""Masses of a mixed table with missing cells sum to 1; samples have the data's conditional proportions."""

import math

import pytest
import torch
from scipy import stats

from morphogen.catalogue import build_system
from morphogen.training.loop import train
from systems.mixed_table import MIXED, PROPORTIONS, Rows, every_row, mixed_rows

FLOWS = "table_flow", "maf", "iaf", "neural_spline_flow", "ffjord"
FITTED = "table_mixture", "gaussian_copula", "kernel_density"
DRAWS = 200  # of the dequantisation


@pytest.fixture(scope="module")
def trained():
    """Each system, trained on 4000 rows, seed 0; large batches of the transformer take fewer steps."""
    models = {}
    for name, steps, batch in (
        ("table_transformer", 100, 1000),
        ("table_mixture", 12, 0),
        ("gaussian_copula", 10, 0),
        ("kernel_density", 20, 0),
        ("table_flow", 40, 32),
        ("ffjord", 60, 32),
        ("maf", 40, 32),
        ("iaf", 40, 32),
        ("neural_spline_flow", 40, 32),
        ("table_vae", 100, 128),
    ):
        torch.manual_seed(0)
        models[name] = build_system(name, MIXED, {}, "tiny")
        models[name].plan.batch = batch
        train(models[name], Rows(mixed_rows(4000)), steps=steps)
    return models


def test_masses_of_the_transformer_sum_to_one(trained):
    likelihood = trained["table_transformer"].log_prob(every_row())
    assert (likelihood.kind, likelihood.measure) == ("exact", "mass")
    assert likelihood.nats.double().exp().sum().item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", [*FITTED, *FLOWS, "table_vae"])
def test_masses_of_a_bound_sum_to_one_on_average(name, trained):
    """The mean of exp over the noise is the mass: 200 draws, seed 0, 1 within 4 standard errors of < 0.01."""
    likelihood = trained[name].log_prob(every_row().repeat(DRAWS, 1), seed=0)
    kind = "estimate" if name == "ffjord" else "lower_bound"
    assert (likelihood.kind, likelihood.measure) == (kind, "mass")
    totals = likelihood.nats.double().exp().view(DRAWS, -1).sum(1)
    error = totals.std().item() / math.sqrt(DRAWS)
    assert error < 0.01
    assert abs(totals.mean().item() - 1) < 4 * error + 1e-5


@pytest.mark.parametrize("name", ["table_transformer", *FITTED, *FLOWS, "table_vae"])
def test_a_trained_likelihood_approaches_the_entropy_from_above(name, trained):
    """2000 other rows; the bound of the dequantised grid and the mixture's independence cost the most."""
    entropy = -(PROPORTIONS * PROPORTIONS.clamp_min(1e-12).log()).sum().item()
    nats = -trained[name].log_prob(mixed_rows(2000, seed=1)).nats.double()
    error = nats.std().item() / math.sqrt(2000)
    assert entropy - 4 * error < nats.mean().item() < entropy + {"table_transformer": 0.1}.get(name, 0.35)


@pytest.mark.parametrize(("condition", "row"), [("x", 1), ("y", 2), ("z", 3)])
@pytest.mark.parametrize("column", ["c", "g"])
def test_conditional_proportions_are_those_of_the_data(trained, condition, row, column):
    """1000 samples given one cell, 4000 rows: chi-square p > 0.01, and against other rows p < 1e-6."""
    given = {"c": condition} if column == "c" else {"g": row - 1}
    samples = trained["table_transformer"].sample(1000, {"cells": given}, seed=1).tensor
    own, other = (0, 1) if column == "c" else (1, 0)
    assert samples[:, own].eq(row - 1).all()
    rows = mixed_rows(4000)
    these, others = (_counts(rows[rows[:, own] == k][:, other]) for k in (row - 1, 2 if row < 3 else 0))
    drawn = _counts(samples[:, other])
    assert stats.chi2_contingency(torch.stack([drawn, these])).pvalue > 0.01
    assert stats.chi2_contingency(torch.stack([drawn, others])).pvalue < 1e-6


def _counts(cells):
    """The number of missing cells and of each value."""
    return torch.bincount(cells.nan_to_num(-1).long() + 1, minlength=4)
