"""EM equals scikit-learn's from the same initialization: parameters and likelihood after 20 iterations."""

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from morphogen.contract import Encoded
from morphogen.families.classical.mixture import Mixture
from morphogen.numerics.randomness import Rng

FLOOR, ITERATIONS = 1e-3, 20


@pytest.mark.filterwarnings(f"ignore::{ConvergenceWarning.__module__}.ConvergenceWarning")
@pytest.mark.parametrize(("covariance", "covariance_type"), [("full", "full"), ("diagonal", "diag")])
def test_em_equals_scikit_learn(covariance: str, covariance_type: str) -> None:
    random = np.random.default_rng(0)
    centres = random.normal(size=(4, 3)) * 1.5
    x = centres[random.integers(4, size=500)] + random.normal(size=(500, 3)) * [0.5, 1.0, 0.2]
    start = (
        np.stack([np.diag([0.5, 0.4, 0.3])] * 4)
        if covariance_type == "full"
        else np.tile([0.5, 0.4, 0.3], (4, 1))
    )
    weights = np.array([0.1, 0.2, 0.3, 0.4])

    precisions = np.linalg.inv(start) if covariance_type == "full" else 1 / start
    theirs = GaussianMixture(
        4,
        covariance_type=covariance_type,
        tol=0.0,
        reg_covar=FLOOR,
        max_iter=ITERATIONS,
        weights_init=weights,
        means_init=x[:4],
        precisions_init=precisions,
        random_state=0,
    ).fit(x)

    ours = Mixture(4, (3,), covariance=covariance, floor=FLOOR)  # type: ignore[arg-type]
    ours.weights.copy_(torch.from_numpy(weights)[None])
    ours.means.copy_(torch.from_numpy(x[:4]))
    ours.scatter.copy_(torch.from_numpy(start) - FLOOR * (torch.eye(3) if covariance_type == "full" else 1))
    encoded = Encoded(torch.from_numpy(x), torch.zeros(500), torch.full((500,), 3.0))
    for step in range(ITERATIONS):
        ours.update_from_statistics(ours.losses(encoded, None, Rng(0, 500), "model").statistics, step)
    assert theirs.n_iter_ == ITERATIONS
    np.testing.assert_allclose(ours.means, theirs.means_, rtol=0, atol=1e-8)
    np.testing.assert_allclose(ours.covariances, theirs.covariances_, rtol=0, atol=1e-8)
    np.testing.assert_allclose(ours.weights[0], theirs.weights_, rtol=0, atol=1e-8)
    np.testing.assert_allclose(
        ours.log_prob(encoded, None, Rng(0, 500)).nats, theirs.score_samples(x), rtol=0, atol=1e-8
    )
