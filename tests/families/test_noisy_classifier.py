"""A noisy classifier of points learns Bayes' rule, and guides a diffusion model."""

import pytest
import torch

from exact_denoiser import ExactDenoiser
from morphogen.closed_form import GaussianMixture
from morphogen.component import ConfigError
from morphogen.conditioning.label import OneHot
from morphogen.contract import Context, Encoded, Unsupported
from morphogen.families.diffusion import DDPM, VP, ClassifierGuided, NoisyClassifier
from morphogen.model import Model
from morphogen.networks.mlp import MLP
from morphogen.networks.time_conditioned import TimeConditioned
from morphogen.numerics.randomness import Rng
from morphogen.representations.tabular import RealColumn, Tabular

MEANS = torch.tensor([[-0.6, 0.0], [0.6, 0.4]])
TRUTH = GaussianMixture(
    torch.tensor([0.6, 0.4], dtype=torch.float64), MEANS, 0.05 * torch.eye(2).expand(2, 2, 2)
)


def rows(n: int, step: int) -> tuple[Encoded, Context]:
    labels = (Rng(step, n, ("label",)).uniform() < 0.4).long()
    x = MEANS[labels] + 0.05**0.5 * Rng(step, n).normal(2)
    return Encoded(x, torch.zeros(n), torch.full((n,), 2.0)), Context(condition={"label": labels})


@pytest.fixture(scope="module")
def classifier() -> NoisyClassifier:
    torch.manual_seed(0)
    classifier = NoisyClassifier(TimeConditioned(MLP(2, 2, 32, 2, vector=16), 16), VP())
    optimizer = torch.optim.Adam(classifier.parameters(), 3e-3)
    for step in range(400):
        loss = classifier.losses(*rows(256, step), Rng(step, 256), "model").total.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return classifier


def test_it_learns_bayes_rule_at_every_noise_level(classifier: NoisyClassifier) -> None:
    """n = 2000, another seed: p(1 | x_t) has a mean error below 0.05 at low, medium and high noise."""
    x, _ = rows(2000, 10_000)
    for time in (0.05, 0.4, 0.9):
        t = torch.full((2000,), time, dtype=torch.float64)
        x_t = VP().diffuse(x.x, Rng(5, 2000).normal(2), t)
        alpha, sigma = (float(level[0]) for level in VP().alpha_sigma(t))
        exact = TRUTH.diffused(alpha, sigma).responsibilities(x_t)[:, 1]
        predicted = classifier(x_t, VP().time_input(t)).softmax(1)[:, 1]
        assert (predicted - exact).abs().mean() < 0.05


def test_each_row_is_guided_to_its_condition(classifier: NoisyClassifier) -> None:
    """n = 400, seed 1: more than 97 % are nearer to the mean of the requested class."""
    requested = torch.arange(400) % 2
    guided = ClassifierGuided(DDPM(100, clip=None), classifier)
    objective = ExactDenoiser(VP(), TRUTH)
    x = guided(objective, (2,), Context(condition={"label": requested}), Rng(1, 400))
    nearest = ((x - MEANS[0]).norm(dim=1) > (x - MEANS[1]).norm(dim=1)).long()
    assert (nearest == requested).float().mean() > 0.97
    with pytest.raises(ConfigError, match="requires a class"):
        guided(objective, (2,), None, Rng(1, 4))


def test_it_refuses_to_sample_and_requires_labels(classifier: NoisyClassifier) -> None:
    model = Model(
        classifier, Tabular((RealColumn("a", (-9.0, 9.0)), RealColumn("b", (-9.0, 9.0)))), OneHot(2)
    )
    for refused in (
        lambda: model.sample(2),
        lambda: model.sample(2, 1, DDPM(10)),
        lambda: model.log_prob(rows(4, 0)[0].x),
    ):
        with pytest.raises(Unsupported, match=r"^NoisyClassifier does not generate .*: use it to guide"):
            refused()
    with pytest.raises(ConfigError, match="use a data set that has classes"):
        classifier.losses(rows(4, 0)[0], None, Rng(0, 4), "model")
