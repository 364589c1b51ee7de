"""A classifier of noisy points learns Bayes' rule, and what it learned steers."""

import pytest
import torch

from knowing import Knowing
from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Unsupported
from morphogen.families.diffusion import DDPM, VP, ClassifierGuided, NoisyClassifier
from morphogen.networks.mlp import MLP
from morphogen.networks.timed import Timed
from morphogen.numerics.randomness import Rng
from morphogen.worlds import GaussianMixture

MEANS = torch.tensor([[-0.6, 0.0], [0.6, 0.4]])
WORLD = GaussianMixture(torch.tensor([0.6, 0.4], dtype=torch.float64), MEANS, 0.05 * torch.eye(2).expand(2, 2, 2))


def rows(n: int, step: int) -> tuple[Encoded, Context]:
    labels = (Rng(step, n, ("label",)).uniform() < 0.4).long()
    x = MEANS[labels] + 0.05**0.5 * Rng(step, n).normal(2)
    return Encoded(x, torch.zeros(n), torch.full((n,), 2.0)), Context(condition=labels)


@pytest.fixture(scope="module")
def classifier() -> NoisyClassifier:
    torch.manual_seed(0)
    found = NoisyClassifier(Timed(MLP(2, 2, 32, 2, vector=16), 16), VP())
    optimizer = torch.optim.Adam(found.parameters(), 3e-3)
    for step in range(400):
        loss = found.losses(*rows(256, step), Rng(step, 256), "model").total.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return found


def test_it_learns_bayes_rule_at_every_level(classifier: NoisyClassifier) -> None:
    """n = 2000, another seed: p(1 | x_t) within 0.05 of the world's own on average, near the data, half way and in the noise."""
    x, _ = rows(2000, 10_000)
    for time in (0.05, 0.4, 0.9):
        t = torch.full((2000,), time, dtype=torch.float64)
        x_t = VP().diffuse(x.x, Rng(5, 2000).normal(2), t)
        alpha, sigma = (float(level[0]) for level in VP().levels(t))
        known = WORLD.diffused(alpha, sigma).responsibilities(x_t)[:, 1]
        said = classifier(x_t, VP().told(t)).softmax(1)[:, 1]
        assert (said - known).abs().mean() < 0.05


def test_each_row_gets_the_class_that_it_asks_for(classifier: NoisyClassifier) -> None:
    """n = 400, seed 1: 97 % lie nearer to the mean asked for; unguided it is the share of the class."""
    asked = torch.arange(400) % 2
    guided = ClassifierGuided(DDPM(100, clip=None), classifier)
    objective = Knowing(VP(), WORLD)
    x = guided(objective, (2,), Context(condition=asked), Rng(1, 400))
    assert ((x - MEANS[0]).norm(dim=1) > (x - MEANS[1]).norm(dim=1)).eq(asked == 1).float().mean() > 0.97
    with pytest.raises(ConfigError, match="no class is asked for"):
        guided(objective, (2,), None, Rng(1, 4))


def test_it_draws_nothing_and_needs_labels(classifier: NoisyClassifier) -> None:
    with pytest.raises(Unsupported, match="draws nothing"):
        classifier.sampler()
    with pytest.raises(Unsupported, match="no likelihood"):
        classifier.log_prob(rows(4, 0)[0], None, Rng(0, 4))
    with pytest.raises(ConfigError, match="give data that have classes"):
        classifier.losses(rows(4, 0)[0], None, Rng(0, 4), "model")
