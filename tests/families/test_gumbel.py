"""Discrete VAE: relaxed samples, the divergence, the temperature, and the bound by all ids, one by one."""

import itertools
import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Categorical, kl_divergence

from morphogen.component import Component, ConfigError
from morphogen.contract import Context, Encoded
from morphogen.families.vae import Bernoulli, DiscreteVAE
from morphogen.families.vae.gumbel import gumbel_softmax
from morphogen.numerics.randomness import Rng

CODES, SIDES = 3, (2,)
IDS = torch.tensor(list(itertools.product(range(CODES), repeat=2)))
PICTURES = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=4)))


class AffineLogits(Component, nn.Module):
    """A linear map of a row, to the given shape."""

    def __init__(self, inputs: int, shape: tuple[int, ...]):
        super().__init__()
        self.inputs, self.shape = inputs, tuple(shape)
        self.layer = nn.Linear(inputs, math.prod(shape))

    def forward(self, x: Tensor, context: Context | None) -> Tensor:
        return 2 * self.layer(x.flatten(1)).view(-1, *self.shape)


def discrete(**options: float) -> DiscreteVAE:
    """Two ids of three codes, for four black or white pixels."""
    torch.manual_seed(0)
    encoder, decoder = AffineLogits(4, (CODES, *SIDES)), AffineLogits(CODES * 2, (4,))
    return DiscreteVAE(encoder, decoder, Bernoulli(), CODES, SIDES, **options)  # type: ignore[arg-type]


def encoded(x: Tensor) -> Encoded:
    return Encoded(x, torch.zeros(len(x)), torch.full((len(x),), 4.0))


def test_the_largest_entry_of_a_relaxed_sample_is_an_exact_sample() -> None:
    """n = 20000 samples of four categories, seed 0, at two temperatures; within 4 standard errors."""
    n, logits = 20_000, torch.tensor([0.5, -1.0, 1.5, 0.0])
    u = Rng(0, n).uniform(4)
    warm, cold = (gumbel_softmax(logits.expand(n, 4), tau, u) for tau in (1.0, 0.01))
    torch.testing.assert_close(warm.sum(1), torch.ones(n))
    p, frequency = logits.softmax(0), torch.bincount(warm.argmax(1), minlength=4) / n
    assert ((frequency - p).abs() < 4 * (p * (1 - p) / n).sqrt()).all()
    assert torch.equal(warm.argmax(1), cold.argmax(1))
    assert cold.amax(1).mean() > 0.98 > 0.8 > warm.amax(1).mean()  # it tends to a one-hot vector


def test_the_kl_term_is_that_of_torch_distributions() -> None:
    vae = discrete(beta=2.5)
    losses = vae.losses(encoded(PICTURES), None, Rng(0, 16), "model")
    q = Categorical(logits=vae.encoder(PICTURES, None).transpose(1, 2))
    uniform = Categorical(probs=torch.full((CODES,), 1 / CODES))
    torch.testing.assert_close(losses.terms["kl"], 2.5 * kl_divergence(q, uniform).sum(1))
    torch.testing.assert_close(losses.statistics["usage"], q.probs.sum((0, 1)))


def test_the_temperature_decreases_with_finished_steps() -> None:
    vae, x = discrete(temperature=0.25, annealing=4), encoded(PICTURES)
    taus = []
    for step in range(6):
        losses = vae.losses(x, None, Rng(step, 16), "model")
        taus.append(losses.metrics["tau"][0].item())
        vae.update_from_statistics(losses.statistics, step)
    assert taus == pytest.approx([1, 0.25**0.25, 0.5, 0.25**0.75, 0.25, 0.25])
    assert vae.state_dict()["cooling.finished"] == 6
    relaxed = vae.losses(x, None, Rng(0, 16), "model").terms["reconstruction"]
    y = gumbel_softmax(
        vae.encoder(PICTURES, None).log_softmax(1), 0.25, Rng(0, 16).fork("gumbel").uniform(CODES, *SIDES)
    )
    torch.testing.assert_close(relaxed, -vae.likelihood.log_prob(PICTURES, vae.network(y, None)))


def test_the_bound_is_on_average_the_sum_over_all_ids() -> None:
    """Of one picture, n = 20000 draws, seed 1: the mean is sum_z q (log p(x, z) - log q), 4 standard errors.

    It is below log p(x) by KL(q || p(z | x)).
    """
    vae, n, x = discrete(), 20_000, PICTURES[5:6]
    with torch.no_grad():
        log_joint = vae.log_conditional(x.expand(9, 4), IDS) - 2 * math.log(CODES)
        log_q = vae.encoder(x, None).log_softmax(1)[0, IDS, torch.arange(2)].sum(1)
        nats = vae.log_prob(encoded(x.expand(n, 4)), None, Rng(1, n)).nats.double()
        ids, own = vae.encode(x.expand(n, 4), Rng(2, n))
    exact = (log_q.exp() * (log_joint - log_q)).sum().item()
    assert abs(nats.mean().item() - exact) < 4 * nats.std().item() / n**0.5
    assert exact < log_joint.logsumexp(0).item() - 0.01
    torch.testing.assert_close(own, log_q[(ids * torch.tensor([CODES, 1])).sum(1)])


def test_values_out_of_range_are_refused() -> None:
    for options in ({"temperature": 0.0}, {"beta": -1.0}, {"annealing": 0}):
        with pytest.raises(ConfigError, match="DiscreteVAE needs codes >= 2"):
            discrete(**options)
