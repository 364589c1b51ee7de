"""Constant columns and linear functions of others: refused or noted by name, with a remedy."""

import warnings

import pytest
import torch
from torch import Tensor

import morphogen as mg
from morphogen.component import ConfigError
from morphogen.contract import Encoded
from morphogen.families.classical import GaussianEmissions, HiddenChain, HiddenMarkov, HiddenMarkovSampler
from morphogen.families.classical.factor_mixture import FactorMixture
from morphogen.families.classical.linear_latent import ProbabilisticPCA
from morphogen.families.classical.mixture import Mixture
from morphogen.families.classical.state_space import StateSpace
from morphogen.numerics.randomness import Rng
from morphogen.representations.degenerate import Singular, check_columns
from morphogen.representations.points import Points

N, D = 60, 4
LINEAR = "columns 1 and 3 are linear functions of each other"


def rows(scale: float = 1.0, dtype: torch.dtype = torch.float32) -> Tensor:
    return (scale * torch.randn(N, D, generator=torch.Generator().manual_seed(0))).to(dtype)


def encoded(x: Tensor) -> Encoded:
    return Encoded(x, torch.zeros(len(x)), torch.full((len(x),), float(x[0].numel())))


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("slope", [1.0, -3.0, 1e-4])
def test_linear_functions_are_found_at_any_scale(scale: float, slope: float) -> None:
    x = rows(scale, torch.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_columns(x)
    x[:, 3] = slope * x[:, 1] + 7 * scale
    with pytest.warns(Singular, match=f"^{LINEAR}: the density has no bound"):
        check_columns(x)
    x[5, 3] += 1e-2 * slope * scale
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_columns(x)


def test_points_with_a_constant_coordinate_are_refused_by_train() -> None:
    x = rows()
    x[:, 2] = 3.25
    model = mg.Model(Mixture(2, (D,)), Points(D), plan=mg.Plan(mg.Adam(), batch=0, rounds=2))
    with pytest.raises(ConfigError, match=r"column 2 is always 3\.25, which has no density: leave it out"):
        mg.train(model, mg.Batch(x), steps=2)
    x[4, 2] = torch.nan
    with pytest.raises(ConfigError, match=r"row 4, column 2 is nan"):
        mg.train(model, mg.Batch(x), steps=2)
    x = x[:, [0, 1, 3]]  # the remedy
    model = mg.Model(Mixture(2, (3,)), Points(3), plan=mg.Plan(mg.Adam(), batch=0, rounds=2))
    assert mg.train(model, mg.Batch(x), steps=2).finished


@pytest.mark.parametrize(
    "model",
    [Mixture(2, (D,)), FactorMixture(2, (D,), rank=1), ProbabilisticPCA((D,), rank=2), StateSpace(D, 1),
     HiddenMarkov(HiddenChain(GaussianEmissions(D, 2)), HiddenMarkovSampler())],
    ids=lambda model: type(model).__name__,
)  # fmt: skip
def test_a_floor_of_variances_is_not_silent(model: mg.Objective) -> None:
    sequences = type(model).__name__ in ("StateSpace", "HiddenMarkov")
    for change, match in (
        (lambda x: x[:, 1], LINEAR),
        (lambda x: torch.full((N,), 2.5), r"column 3 is always 2\.5: the density of [A-Z]\w+ has no bound"),
    ):
        x = rows()
        x[:, 3] = change(x)
        shaped = x.reshape(6, 10, D) if sequences else x
        with pytest.warns(Singular, match=match):
            model.prepare(encoded(shaped), None, Rng(0, len(shaped)))
        for step in range(3):
            statistics = model.losses(encoded(shaped), None, Rng(0, len(shaped)), "model").statistics
            model.update_from_statistics(statistics, step)
        assert model.log_prob(encoded(shaped), None, Rng(0, len(shaped))).nats.isfinite().all()


def test_a_full_covariance_keeps_duplicate_columns_equal() -> None:
    """The difference of two equal columns has the standard deviation sqrt(2 floor)."""
    x = rows()
    x[:, 3] = x[:, 1]
    for floor in (1e-3, 1e-9):
        model = Mixture(2, (D,), floor=floor)
        with pytest.warns(Singular):
            model.prepare(encoded(x), None, Rng(0, N))
        for step in range(5):
            model.update_from_statistics(model.losses(encoded(x), None, Rng(0, N), "model").statistics, step)
        samples = model.default_sampler()(model, (D,), None, Rng(1, 500))
        assert (samples[:, 3] - samples[:, 1]).abs().max() < 5 * (2 * floor) ** 0.5
