"""Kalman filter and smoother equal one dense joint Gaussian; EM rises; samples; bad input."""

from itertools import pairwise

import pytest
import torch

from morphogen.closed_form import GaussianMixture
from morphogen.closed_form_chains import LinearGaussianChain
from morphogen.component import ConfigError
from morphogen.contract import Encoded
from morphogen.families.classical import StateSpace
from morphogen.numerics.randomness import Rng


def chain(length: int = 7) -> LinearGaussianChain:
    dynamics = torch.tensor([[0.8, 0.3], [-0.2, 0.7]])
    loading = torch.tensor([[1.0, 0.0], [0.5, -1.0], [0.2, 0.3]])
    noise = torch.diag(torch.tensor([0.1, 0.4, 1.0]))
    return LinearGaussianChain(dynamics, loading, 0.5 * torch.eye(2), noise, length)


def rows(x: torch.Tensor) -> Encoded:
    return Encoded(x, torch.zeros(len(x)), torch.full((len(x),), float(x[0].numel())))


def model_of(truth: LinearGaussianChain) -> StateSpace:
    model = StateSpace(3, 2)
    values = (torch.zeros(2), truth.stationary, truth.dynamics, truth.process, truth.loading, truth.noise)
    for buffer, value in zip(model.dynamics, values, strict=True):
        buffer.copy_(value)
    return model


@pytest.mark.parametrize("length", [1, 2, 7])
def test_likelihood_and_posterior_equal_the_dense_gaussian(length: int) -> None:
    """To 1e-8, of samples and of rows far outside."""
    truth = chain(length)
    model, x = model_of(truth), torch.cat([truth.sample(Rng(0, 20)), torch.full((2, length, 3), 100.0)])
    nats = model.log_prob(rows(x), None, Rng(0, 22)).nats
    torch.testing.assert_close(nats, truth.log_prob(x), rtol=1e-10, atol=1e-8)
    z, (mean, covariance) = model.latent_moments(x), truth.posterior(x)
    torch.testing.assert_close(z.means, mean, rtol=1e-10, atol=1e-8)
    torch.testing.assert_close(z.covariances, covariance, rtol=0, atol=1e-8)


def test_em_never_lowers_the_likelihood_and_finds_the_chain() -> None:
    """1,000 rows of 12 positions, 150 rounds: within 0.02 nats per position of the truth, on 1,000 others."""
    truth = chain(12)
    x, fresh = truth.sample(Rng(0, 1000)), truth.sample(Rng(1, 1000))
    model, trace = StateSpace(3, 2, floor=1e-9), []
    model.prepare(rows(x), None, Rng(0, 1000))
    for step in range(150):
        losses = model.losses(rows(x), None, Rng(0, 1000), "model")
        trace.append(-losses.total.mean().item())
        model.update_from_statistics(losses.statistics, step)
    assert all(after >= before - 1e-7 for before, after in pairwise(trace))
    gap = (truth.log_prob(fresh) - model.log_prob(rows(fresh), None, Rng(0, 1000)).nats) / 12
    assert -4 * gap.std().item() / 1000**0.5 < gap.mean().item() < 0.02


@pytest.mark.parametrize("exists", [(1, 1, 1, 0, 0, 0, 0), (1, 0, 1, 1, 0, 0, 1), (0, 0, 1, 1, 1, 1, 1)])
def test_missing_positions_are_integrated_out(exists: tuple[int, ...]) -> None:
    """To 1e-8 the marginal of the dense Gaussian, whatever is at the missing positions; EM rises."""
    truth, seen = chain(), torch.tensor(exists).bool()
    model, x = model_of(truth), truth.sample(Rng(0, 20))
    padded = torch.where(seen[:, None], x, torch.nan)
    whole = Encoded(padded, torch.zeros(20), torch.ones(20), mask=seen.expand(20, -1))
    dense, places = truth.marginal, seen.repeat_interleave(3)
    marginal = GaussianMixture(
        dense.weights, dense.means[:, places], dense.covariances[:, places][:, :, places]
    )
    nats = model.log_prob(whole, None, Rng(0, 20)).nats
    torch.testing.assert_close(nats, marginal.log_prob(x[:, seen].flatten(1)), rtol=1e-10, atol=1e-8)
    fitted, trace = StateSpace(3, 2), []
    fitted.prepare(whole, None, Rng(0, 20))
    for step in range(10):
        losses = fitted.losses(whole, None, Rng(0, 20), "model")
        trace.append(-losses.total.mean().item())
        fitted.update_from_statistics(losses.statistics, step)
    assert all(after >= before - 1e-4 for before, after in pairwise(trace))


def test_rows_of_several_lengths_have_the_statistics_of_each_length() -> None:
    model, x = model_of(chain()), chain().sample(Rng(0, 30))
    mask = torch.arange(7) < torch.tensor([2, 5, 7])[torch.arange(30) % 3][:, None]
    mixed = model.losses(Encoded(x, torch.zeros(30), torch.ones(30), mask=mask), None, Rng(0, 30), "model")
    alone = [model.losses(rows(x[i::3, :n]), None, Rng(0, 10), "model") for i, n in enumerate((2, 5, 7))]
    for name, total in mixed.statistics.items():
        torch.testing.assert_close(sum(each.statistics[name] for each in alone), total)
    for i, each in enumerate(alone):
        torch.testing.assert_close(mixed.total[i::3], each.total)
    assert mixed.weight is not None and mixed.weight.tolist() == [2, 5, 7] * 10


def test_statistics_of_micro_batches_add_up() -> None:
    truth = chain()
    model, x = model_of(truth), truth.sample(Rng(0, 50))
    full = model.losses(rows(x), None, Rng(0, 50), "model").statistics
    parts = [model.losses(rows(part), None, Rng(0, len(part)), "model").statistics for part in x.split(20)]
    for name, total in full.items():
        torch.testing.assert_close(sum(part[name] for part in parts), total)


def test_samples_are_those_of_the_chain() -> None:
    """n = 20,000, seed 3: second moments within 4.5 standard errors."""
    truth, n = chain(3), 20_000
    model = model_of(truth)
    x = model.default_sampler()(model, (3, 3), None, Rng(3, n)).flatten(1).double()
    products = torch.einsum("bd,be->bde", x, x)
    assert (
        (products.mean(0) - truth.marginal.covariances[0]).abs() < 4.5 * products.std(0) / n**0.5
    ).all()  # fmt: skip


def test_bad_input_is_refused_in_one_line() -> None:
    with pytest.raises(ConfigError, match="latents=0"):
        StateSpace(3, 0)
    with pytest.raises(ConfigError, match="sequences are empty"):
        StateSpace(3, 2).losses(rows(torch.zeros(2, 0, 3)), None, Rng(0, 2), "model")
    x = torch.zeros(2, 4, 3)
    x[1, 2, 0] = torch.nan
    with pytest.raises(ConfigError, match="row 1, column 6 is nan"):
        StateSpace(3, 2).prepare(rows(x), None, Rng(0, 2))
