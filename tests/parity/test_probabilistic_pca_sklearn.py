"""Probabilistic PCA equals scikit-learn's; EM reaches the closed form; classes, samples and bad input."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded
from morphogen.families.classical import ProbabilisticPCA
from morphogen.numerics.randomness import Rng

N, D, Q = 300, 6, 2


def data() -> torch.Tensor:
    weight = Rng(1, Q).normal(D).double()
    return Rng(0, N).normal(Q).double() @ weight + 0.4 * Rng(2, N).normal(D).double() + 1.5


def rows(x: torch.Tensor) -> Encoded:
    return Encoded(x, torch.zeros(len(x)), torch.full((len(x),), float(D)))


def fit(
    model: ProbabilisticPCA, x: torch.Tensor, rounds: int = 2, context: Context | None = None
) -> list[float]:
    model.prepare(rows(x), context, Rng(0, len(x)))
    trace = []
    for step in range(rounds):
        losses = model.losses(rows(x), context, Rng(0, len(x)), "model")
        trace.append(-losses.total.mean().item())
        model.update_from_statistics(losses.statistics, step)
    return trace


def test_the_closed_form_equals_scikit_learn() -> None:
    """scikit-learn divides by n - 1, maximum likelihood by n: its covariance is n / (n - 1) times ours."""
    x, model = data(), ProbabilisticPCA((D,), Q)
    fit(model, x)
    theirs = PCA(Q).fit(x.numpy())
    factor = N / (N - 1)
    covariance = factor * (model.loadings @ model.loadings.T + model.noise * torch.eye(D).double())
    np.testing.assert_allclose(covariance, theirs.get_covariance(), rtol=0, atol=1e-9)
    model.loadings.mul_(factor**0.5)
    model.noise.mul_(factor)
    nats = model.log_prob(rows(x), None, Rng(0, N)).nats
    np.testing.assert_allclose(nats, theirs.score_samples(x.numpy()), rtol=0, atol=1e-9)
    assert nats.mean().item() == pytest.approx(theirs.score(x.numpy()), abs=1e-9)


def test_em_rises_to_the_closed_form() -> None:
    x, exact, em = data(), ProbabilisticPCA((D,), Q), ProbabilisticPCA((D,), Q, method="em")
    best = fit(exact, x)[-1]
    trace = fit(em, x, 300)
    assert all(after >= before - 1e-9 for before, after in pairwise(trace))
    assert trace[-1] == pytest.approx(best, abs=1e-6)
    torch.testing.assert_close(em.noise, exact.noise, rtol=1e-3, atol=0)


def test_micro_batches_add_up_and_the_gradient_is_the_score() -> None:
    x, model = data(), ProbabilisticPCA((D,), Q, method="em")
    fit(model, x, 3)
    full = model.losses(rows(x), None, Rng(0, N), "model").statistics
    parts = [model.losses(rows(part), None, Rng(0, len(part)), "model").statistics for part in x.split(110)]
    for name, total in full.items():
        torch.testing.assert_close(sum(part[name] for part in parts), total)
    points = x[:3].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model.log_prob(rows(points), None, Rng(0, 3)).nats.sum(), points)
    covariance = model.loadings @ model.loadings.T + model.noise * torch.eye(D).double()
    expected = -torch.linalg.solve(covariance, (x[:3] - model.means[0]).T).T
    torch.testing.assert_close(gradient, expected)


def test_classes_have_means_and_samples_their_moments() -> None:
    """n = 20,000, seed 3: means within 4.5 standard errors; the marginal is the mixture of the classes."""
    y = torch.arange(N) % 2
    x, context = data() + 3.0 * y[:, None], Context(vector=torch.nn.functional.one_hot(y, 2).float())
    model = ProbabilisticPCA((D,), Q, classes=2)
    fit(model, x, 2, context)
    torch.testing.assert_close(model.means[1], x[y == 1].mean(0))
    of_class = [
        model.log_prob(rows(x), Context(vector=torch.eye(2)[c].expand(N, -1)), Rng(0, N)).nats for c in (0, 1)
    ]
    marginal = (torch.stack(of_class, 1) + model.weights.log()).logsumexp(1)
    torch.testing.assert_close(marginal, model.log_prob(rows(x), None, Rng(0, N)).nats)
    n = 20_000
    drawn = model.default_sampler()(model, (D,), Context(vector=torch.eye(2)[1].expand(n, -1)), Rng(3, n))
    assert ((drawn.double().mean(0) - model.means[1]).abs() < 4.5 * drawn.double().std(0) / n**0.5).all()


def test_bad_input_is_refused_and_constant_columns_have_a_floor() -> None:
    for rank in (0, D):
        with pytest.raises(ConfigError, match=f"rank={rank}"):
            ProbabilisticPCA((D,), rank)
    x = data()
    x[4, 2] = torch.inf
    with pytest.raises(ConfigError, match="row 4, column 2 is inf"):
        ProbabilisticPCA((D,), Q).prepare(rows(x), None, Rng(0, N))
    model = ProbabilisticPCA((D,), Q)
    fit(model, torch.ones(20, D).double())
    assert model.log_prob(rows(torch.ones(20, D).double()), None, Rng(0, 20)).nats.isfinite().all()
