"""EM equals scikit-learn's from the same initialization: parameters, log p, BIC and AIC along the path."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import FactorAnalysis
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from morphogen.contract import Encoded
from morphogen.families.classical import FactorMixture
from morphogen.families.classical.mixture import Mixture, akaike_criterion, bayesian_criterion
from morphogen.numerics.randomness import Rng

FLOOR, PATH = 1e-3, (1, 2, 3, 5, 10, 20)
VARIANCES = np.array([0.5, 0.4, 0.3])
STARTS = {
    "full": np.stack([np.diag(VARIANCES)] * 4),
    "tied": np.diag(VARIANCES),
    "diag": np.tile(VARIANCES, (4, 1)),
}


def rows() -> np.ndarray:
    random = np.random.default_rng(0)
    centres = random.normal(size=(4, 3)) * 1.5
    return centres[random.integers(4, size=500)] + random.normal(size=(500, 3)) * [0.5, 1.0, 0.2]


@pytest.mark.filterwarnings(f"ignore::{ConvergenceWarning.__module__}.ConvergenceWarning")
@pytest.mark.parametrize(
    ("covariance", "covariance_type"), [("full", "full"), ("tied", "tied"), ("diagonal", "diag")]
)
def test_em_equals_scikit_learn_along_the_whole_path(covariance: str, covariance_type: str) -> None:
    """500 rows, 4 components; after 1, 2, 3, 5, 10 and 20 rounds, to 1e-8."""
    x, start, weights = rows(), STARTS[covariance_type], np.array([0.1, 0.2, 0.3, 0.4])
    ours = Mixture(4, (3,), covariance=covariance, floor=FLOOR)  # type: ignore[arg-type]
    ours.weights.copy_(torch.from_numpy(weights)[None])
    ours.means.copy_(torch.from_numpy(x[:4]))
    ours.scatter.copy_(torch.from_numpy(start) - FLOOR * (1 if covariance_type == "diag" else torch.eye(3)))
    encoded = Encoded(torch.from_numpy(x), torch.zeros(500), torch.full((500,), 3.0))
    for step in range(max(PATH)):
        ours.update_from_statistics(ours.losses(encoded, None, Rng(0, 500), "model").statistics, step)
        if (rounds := step + 1) not in PATH:
            continue
        theirs = GaussianMixture(
            4,
            covariance_type=covariance_type,
            tol=0.0,
            reg_covar=FLOOR,
            max_iter=rounds,
            weights_init=weights,
            means_init=x[:4],
            precisions_init=1 / start if covariance_type == "diag" else np.linalg.inv(start),
            random_state=0,
        ).fit(x)
        assert theirs.n_iter_ == rounds
        np.testing.assert_allclose(ours.means, theirs.means_, rtol=0, atol=1e-8)
        found = ours.covariances[0] if covariance == "tied" else ours.covariances
        np.testing.assert_allclose(found, theirs.covariances_, rtol=0, atol=1e-8)
        np.testing.assert_allclose(ours.weights[0], theirs.weights_, rtol=0, atol=1e-8)
        nats = ours.log_prob(encoded, None, Rng(0, 500)).nats
        np.testing.assert_allclose(nats, theirs.score_samples(x), rtol=0, atol=1e-8)
        assert bayesian_criterion(ours, encoded) == pytest.approx(theirs.bic(x), abs=1e-6)
        assert akaike_criterion(ours, encoded) == pytest.approx(theirs.aic(x), abs=1e-6)


def test_one_factor_analyser_reaches_the_likelihood_of_scikit_learn() -> None:
    """500 rows in 5 dimensions, 2 factors, 3,000 rounds: the mean log p within 1e-4 of the maximum."""
    random = np.random.default_rng(0)
    x = random.normal(size=(500, 2)) @ random.normal(size=(2, 5)) + random.normal(size=(500, 5)) * 0.5
    theirs = FactorAnalysis(2, tol=1e-12, max_iter=20_000, svd_method="lapack").fit(x)
    ours = FactorMixture(1, (5,), rank=2, floor=1e-9)
    encoded = Encoded(torch.from_numpy(x), torch.zeros(500), torch.full((500,), 5.0))
    ours.prepare(encoded, None, Rng(0, 500))
    last = -np.inf
    for step in range(3000):
        losses = ours.losses(encoded, None, Rng(0, 500), "model")
        assert -losses.total.mean().item() >= last - 1e-10  # EM never decreases it
        last = -losses.total.mean().item()
        ours.update_from_statistics(losses.statistics, step)
    assert last == pytest.approx(theirs.score(x), abs=1e-4)
