"""EM against scikit-learn's, from the same start: the same means, covariances, weights and likelihood after 20 rounds."""

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from morphogen.contract import Encoded
from morphogen.families.classical.mixture import Mixture
from morphogen.numerics.randomness import Rng

FLOOR, ROUNDS = 1e-3, 20


@pytest.mark.filterwarnings(f"ignore::{ConvergenceWarning.__module__}.ConvergenceWarning")
@pytest.mark.parametrize(("covariance", "theirs"), [("full", "full"), ("diagonal", "diag")])
def test_em_is_that_of_scikit_learn(covariance: str, theirs: str) -> None:
    random = np.random.default_rng(0)
    centres = random.normal(size=(4, 3)) * 1.5
    x = centres[random.integers(4, size=500)] + random.normal(size=(500, 3)) * [0.5, 1.0, 0.2]
    start = np.stack([np.diag([0.5, 0.4, 0.3])] * 4) if theirs == "full" else np.tile([0.5, 0.4, 0.3], (4, 1))
    weights = np.array([0.1, 0.2, 0.3, 0.4])

    precisions = np.linalg.inv(start) if theirs == "full" else 1 / start
    peer = GaussianMixture(
        4, covariance_type=theirs, tol=0.0, reg_covar=FLOOR, max_iter=ROUNDS, weights_init=weights, means_init=x[:4],
        precisions_init=precisions, random_state=0,
    ).fit(x)  # fmt: skip

    ours = Mixture(4, (3,), covariance=covariance, floor=FLOOR)  # type: ignore[arg-type]
    ours.weights.copy_(torch.from_numpy(weights)[None])
    ours.means.copy_(torch.from_numpy(x[:4]))
    ours.scatter.copy_(torch.from_numpy(start) - FLOOR * (torch.eye(3) if theirs == "full" else 1))
    encoded = Encoded(torch.from_numpy(x), torch.zeros(500), torch.full((500,), 3.0))
    for step in range(ROUNDS):
        ours.absorb(ours.losses(encoded, None, Rng(0, 500), "model").statistics, step)

    assert peer.n_iter_ == ROUNDS
    np.testing.assert_allclose(ours.means, peer.means_, rtol=0, atol=1e-8)
    np.testing.assert_allclose(ours.covariances, peer.covariances_, rtol=0, atol=1e-8)
    np.testing.assert_allclose(ours.weights[0], peer.weights_, rtol=0, atol=1e-8)
    np.testing.assert_allclose(ours.log_prob(encoded, None, Rng(0, 500)).nats, peer.score_samples(x), rtol=0, atol=1e-8)
