"""Sequences of known density: likelihoods sum to 1, entropies and rates agree with what is known of them."""

import math

import pytest
import torch

from morphogen.closed_form_chains import HiddenMarkovText, LinearGaussianChain, noisy_cycle
from morphogen.numerics.randomness import Rng


def test_probabilities_of_all_texts_sum_to_one() -> None:
    truth = noisy_cycle(states=3, vocabulary=3, length=5)
    everything = torch.cartesian_prod(*[torch.arange(3)] * 5)
    log_p = truth.log_prob(everything)
    assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-12)
    exact = -(log_p.exp() * log_p).sum().item()
    estimate = truth.entropy(20_000)
    assert abs(estimate.nats - exact) < 4 * estimate.stderr < 0.1


def test_the_rate_of_a_markov_chain_is_exact() -> None:
    """Each state emits a token of its own: h = - sum_i pi_i sum_j A_ij log A_ij (Cover & Thomas 2006)."""
    transition = torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.5, 0.3], [0.1, 0.1, 0.8]]).double()
    transition = transition / transition.sum(1, keepdim=True)
    truth = HiddenMarkovText(transition, torch.eye(3).double(), 30)
    exact = (truth.initial * torch.special.entr(transition).sum(1)).sum().item()
    estimate = truth.entropy_rate(20_000)
    assert abs(estimate.nats - exact) < 4 * estimate.stderr < 0.02


def test_the_rate_is_that_of_blocks() -> None:
    """H(x_1 .. x_n) - H(x_1 .. x_(n-1)) decreases to h; n = 6, by enumeration, and 20,000 sequences."""
    truth, h = noisy_cycle(2, 3, 40, sharpness=3.0), noisy_cycle(2, 3, 40, sharpness=3.0).entropy_rate()
    entropies = []
    for n in (5, 6, 7):
        log_p = truth.log_prob(torch.cartesian_prod(*[torch.arange(3)] * n))
        entropies.append(-(log_p.exp() * log_p).sum().item())
    first, second = entropies[1] - entropies[0], entropies[2] - entropies[1]
    assert first >= second > h.nats - 4 * h.stderr
    assert second - h.nats < 4 * h.stderr + (first - second) * 4


def test_a_text_refuses_what_is_no_distribution() -> None:
    even = torch.full((2, 2), 0.5)
    with pytest.raises(ValueError, match="sum to 1"):
        HiddenMarkovText(even, even * 0.9, 5)
    with pytest.raises(ValueError, match="length >= 1"):
        HiddenMarkovText(even, even, 0)


def chain(length: int = 6) -> LinearGaussianChain:
    dynamics = torch.tensor([[0.8, 0.3], [-0.2, 0.7]])
    loading = torch.tensor([[1.0, 0.0], [0.5, -1.0], [0.2, 0.3]])
    return LinearGaussianChain(
        dynamics, loading, 0.5 * torch.eye(2), torch.diag(torch.tensor([0.1, 0.4, 1.0])), length
    )


def test_samples_of_a_linear_chain_have_its_covariance() -> None:
    """n = 20,000, seed 0: every second moment within 4.5 standard errors, and the entropy."""
    truth, n = chain(3), 20_000
    x = truth.sample(Rng(0, n)).flatten(1).double()
    products = torch.einsum("bd,be->bde", x, x)
    error = products.std(0) / math.sqrt(n)
    assert ((products.mean(0) - truth.marginal.covariance).abs() < 4.5 * error).all()
    surprise = -truth.log_prob(x.unflatten(1, (3, 3)))
    assert abs(surprise.mean().item() - truth.entropy().nats) < 4 * surprise.std().item() / math.sqrt(n)


def test_the_posterior_of_a_linear_chain_predicts_its_latents() -> None:
    """n = 5,000, seed 1: the mean squared error of the posterior mean is the trace of its covariance."""
    truth, n = chain(), 5000
    x, z = truth.sample_joint(Rng(1, n))
    mean, covariance = truth.posterior(x)
    squared = (mean - z).square().sum(2)
    expected = torch.stack([each.trace() for each in covariance])
    assert ((squared.mean(0) - expected).abs() < 4 * squared.std(0) / math.sqrt(n)).all()


def test_dynamics_that_grow_are_refused() -> None:
    with pytest.raises(ValueError, match="absolute value"):
        LinearGaussianChain(1.1 * torch.eye(1), torch.eye(1), torch.eye(1), torch.eye(1), 3)
