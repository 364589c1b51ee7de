"""Hidden Markov models equal hmmlearn's: likelihood, posteriors, Viterbi paths, and each round of EM."""

from typing import Any

import numpy as np
import pytest
import torch
from hmmlearn.hmm import CategoricalHMM, GaussianHMM

from morphogen.contract import Encoded
from morphogen.families.autoregressive import Ancestral
from morphogen.families.classical import (
    CategoricalEmissions,
    GaussianEmissions,
    HiddenChain,
    HiddenMarkov,
    HiddenMarkovSampler,
    TokenChain,
)
from morphogen.numerics.randomness import Rng

K, V, D, ROWS, LENGTH, ROUNDS = 4, 6, 3, 12, 30, 6
LENGTHS = [30, 1, 17, 30, 2, 29, 30, 11, 30, 8, 23, 30]


def sequences(kind: str) -> Encoded:
    """Rows of different lengths; seed 0. A word is emitted by a noisy cycle of states."""
    random = np.random.default_rng(0)
    states = (np.arange(LENGTH) // 3 + random.integers(K, size=(ROWS, 1))) % K
    mask = torch.arange(LENGTH) < torch.tensor(LENGTHS)[:, None]
    if kind == "tokens":
        x = torch.from_numpy(
            np.where(random.random((ROWS, LENGTH)) < 0.7, states, 0) + random.integers(3, size=(ROWS, LENGTH))
        )
        x = x.masked_fill(~mask, -1)
    else:
        centres = random.normal(size=(K, D)) * 2
        x = torch.from_numpy(centres[states] + random.normal(size=(ROWS, LENGTH, D)))
    return Encoded(x, torch.zeros(ROWS), mask.sum(1).float(), mask=mask)


def flat(x: Encoded) -> np.ndarray:
    assert x.mask is not None
    return x.x[x.mask].numpy().reshape(sum(LENGTHS), -1)


def dirichlet(*shape: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(shape[-1]), size=shape[:-1])


def pair(kind: str) -> tuple[HiddenMarkov, Any]:
    """Our model and hmmlearn's, with equal probabilities."""
    initial, transition = dirichlet(1, K, seed=1)[0], dirichlet(K, K, seed=2)
    if kind == "tokens":
        chain: HiddenChain = TokenChain(CategoricalEmissions(V, K))
        emissions = dirichlet(K, V, seed=3)
        chain.emissions.counts.copy_(torch.from_numpy(emissions))
        theirs = CategoricalHMM(
            K, n_features=V, init_params="", n_iter=ROUNDS, tol=-np.inf, implementation="log"
        )
        theirs.emissionprob_ = emissions
    else:
        covariance = "full" if kind == "full" else "diagonal"
        chain = HiddenChain(GaussianEmissions(D, K, covariance, floor=1e-12))  # type: ignore[arg-type]
        means = np.random.default_rng(4).normal(size=(K, D)) * 2
        chain.emissions.means.copy_(torch.from_numpy(means))
        theirs = GaussianHMM(
            K, covariance_type="full" if kind == "full" else "diag", init_params="", n_iter=ROUNDS,
            tol=-np.inf, min_covar=0, covars_prior=0, covars_weight=D if kind == "full" else 1,
            implementation="log",
        )  # fmt: skip
        theirs.n_features, theirs.means_ = D, means
        theirs.covars_ = np.stack([np.eye(D)] * K) if kind == "full" else np.ones((K, D))
    theirs.startprob_, theirs.transmat_ = initial, transition
    chain.started.copy_(torch.from_numpy(initial)[None])
    chain.moved.copy_(torch.from_numpy(transition)[None])
    sampler = Ancestral() if kind == "tokens" else HiddenMarkovSampler()
    return HiddenMarkov(chain, sampler), theirs


@pytest.mark.parametrize("kind", ["tokens", "full", "diagonal"])
def test_likelihood_posterior_and_path_equal_hmmlearn(kind: str) -> None:
    ours, theirs = pair(kind)
    x = sequences(kind)
    rows = np.split(flat(x), np.cumsum(LENGTHS)[:-1])
    nats = ours.log_prob(x, None, Rng(0, ROWS)).nats
    np.testing.assert_allclose(nats, [theirs.score(row) for row in rows], rtol=0, atol=1e-8)
    posterior, path = ours.state_probabilities(x), ours.decode_states(x)
    for i, (row, length) in enumerate(zip(rows, LENGTHS, strict=True)):
        np.testing.assert_allclose(posterior[i, :length], theirs.predict_proba(row), rtol=0, atol=1e-8)
        assert path[i, :length].tolist() == theirs.predict(row).tolist()
        assert (path[i, length:] == -1).all()


@pytest.mark.parametrize("kind", ["tokens", "full", "diagonal"])
def test_every_round_of_em_equals_hmmlearn(kind: str) -> None:
    """6 rounds from one start: likelihood before each, and all probabilities after the last, to 1e-8."""
    ours, theirs = pair(kind)
    x, trace = sequences(kind), []
    for step in range(ROUNDS):
        losses = ours.losses(x, None, Rng(0, ROWS), "model")
        assert losses.weight is not None
        trace.append(-(losses.total * losses.weight).sum().item())
        ours.update_from_statistics(losses.statistics, step)
    theirs.fit(flat(x), LENGTHS)
    np.testing.assert_allclose(trace, list(theirs.monitor_.history), rtol=1e-9, atol=1e-8)
    chain = ours.network
    np.testing.assert_allclose(chain.initial[0], theirs.startprob_, rtol=0, atol=1e-8)
    np.testing.assert_allclose(chain.transition[0], theirs.transmat_, rtol=0, atol=1e-8)
    if kind == "tokens":
        np.testing.assert_allclose(chain.emissions.probabilities, theirs.emissionprob_, rtol=0, atol=1e-8)
    else:
        np.testing.assert_allclose(chain.emissions.means, theirs.means_, rtol=0, atol=1e-8)
        full = chain.emissions.covariances if kind == "full" else chain.emissions.covariances.diag_embed()
        np.testing.assert_allclose(full, theirs.covars_, rtol=0, atol=1e-7)
