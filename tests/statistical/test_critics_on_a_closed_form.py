r"""Trained critics against what they estimate: a log density ratio, and a Wasserstein distance.

The optimal score of the minimax game is log p/q, of data p and samples q. In one dimension, the penalty of
WGAN-GP changes the optimal slope of a critic, which can be integrated: with Delta = |F_p - F_q| and r the
density of the points x_hat where the penalty is evaluated,

    integral s Delta - lambda r (s - 1)^2 dx   is largest for   s = 1 + Delta / (2 lambda r)
    E_p D - E_q D = W + integral Delta^2 / (2 lambda r) dx

A linear critic has a single slope s = 1 + W / (2 lambda), for q the shift of p by W. The generators have
nothing to learn: x = shift + scale z.
"""

import pytest
import torch
from torch import Tensor, nn

from morphogen.closed_form import GaussianMixture
from morphogen.component import Component
from morphogen.contract import Batch, Context, Encoded
from morphogen.families.gan import Adversarial, Game, GradientPenalty, Minimax, NonSaturating, Wasserstein
from morphogen.model import Model
from morphogen.networks.mlp import MLP
from morphogen.numerics.randomness import Rng
from morphogen.plan import SGD, Adam, Cosine, Plan
from morphogen.representations.points import Points
from morphogen.training.loop import train


class FixedGenerator(Component, nn.Module):
    """x = shift + scale z, whose shift is a parameter that a learning rate of 0 keeps."""

    def __init__(self, shift: float, scale: float):
        super().__init__()
        self.scale = scale
        self.shift = shift
        self.mean = nn.Parameter(torch.tensor(shift))

    def forward(self, z: Tensor, context: Context | None = None) -> Tensor:
        return self.mean + self.scale * z


class PolynomialCritic(Component, nn.Module):
    """D(x) = sum_i w_i x^i, i = 0 .. degree."""

    def __init__(self, degree: int):
        super().__init__()
        self.degree = degree
        self.weight = nn.Parameter(torch.full((degree + 1,), 0.1))

    def forward(self, x: Tensor, context: Context | None = None) -> Tensor:
        return torch.cat([x**i for i in range(self.degree + 1)], 1) @ self.weight


class MLPCritic(Component, nn.Module):
    """A network with scores [B]."""

    def __init__(self, width: int):
        super().__init__()
        self.width = width
        self.network = MLP(1, 1, width, 2)

    def forward(self, x: Tensor, context: Context | None = None) -> Tensor:
        return self.network(x, None)[:, 0]


class Rows:
    """Rows in memory."""

    def __init__(self, medium: Tensor):
        self.medium = medium

    def __len__(self) -> int:
        return len(self.medium)

    def __getitem__(self, rows: Tensor) -> Batch:
        return Batch(self.medium[rows])


def gaussian(mean: float, std: float) -> GaussianMixture:
    return GaussianMixture(
        torch.ones(1), torch.full((1, 1), float(mean)), torch.full((1, 1, 1), float(std**2))
    )


def minimized(objective: Adversarial, real: Tensor) -> None:
    """The critic at the least loss for these rows and as many samples, whose noise is fixed: by L-BFGS."""
    x = Encoded(real, torch.zeros(len(real)), torch.ones(len(real)))
    optimizer = torch.optim.LBFGS(objective.critic.parameters(), max_iter=50, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = objective.losses(x, None, Rng(1, len(real)), "critic").total.mean()
        value.backward()
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]


def trained(objective: Adversarial, real: Tensor, steps: int, lr: float) -> None:
    """The critic after a training of so many turns, of which 1 % are the generator's."""
    objective.turns = ("critic",) * 99 + ("generator",)
    plan = Plan({"generator": SGD(0.0), "critic": Adam(lr, betas=(0.9, 0.99))}, batch=2048, schedule=Cosine())
    train(Model(objective, Points(1), plan=plan), Rows(real), steps=steps)


@pytest.mark.parametrize("game", [Minimax(), NonSaturating()])
def test_the_logit_is_the_log_density_ratio_of_two_gaussians(game: Game) -> None:
    """p = N(0, 1), q = N(1, 1.5^2); |error| <= 0.05 for -2 <= x <= 2; n = 50,000 rows of each, seeds 0, 1.

    log p/q is a polynomial of degree 2, as the critic is; its standard error is about 0.006 there.
    """
    p, q = gaussian(0.0, 1.0), gaussian(1.0, 1.5)
    objective = Adversarial(FixedGenerator(1.0, 1.5), PolynomialCritic(2), 1, game)
    minimized(objective, p.sample(Rng(0, 50_000)))
    x = torch.linspace(-2, 2, 41)[:, None]
    assert (objective.critic(x) - (p.log_prob(x) - q.log_prob(x))).abs().max() <= 0.05


@pytest.mark.slow
def test_a_trained_network_is_the_log_density_ratio_of_a_mixture() -> None:
    """p = N(-1, 0.6^2) / 2 + N(1.2, 0.8^2) / 2, q = N(0, 1.5^2): |error| <= 0.05 in the central 95 % of p.

    2000 turns of 2048 rows; n = 400,000, seed 0.
    """
    torch.manual_seed(0)
    p = GaussianMixture(
        torch.full((2,), 0.5), torch.tensor([[-1.0], [1.2]]), torch.tensor([[[0.36]], [[0.64]]])
    )
    q = gaussian(0.0, 1.5)
    objective = Adversarial(FixedGenerator(0.0, 1.5), MLPCritic(32), 1, Minimax())
    real = p.sample(Rng(0, 400_000))
    trained(objective, real, 2000, 5e-3)
    x = torch.linspace(*real.flatten().quantile(torch.tensor([0.025, 0.975])).tolist(), 41)[:, None]
    error = objective.critic(x) - (p.log_prob(x) - q.log_prob(x))
    assert error.abs().max() <= 0.05


@pytest.mark.parametrize("shift", [0.5, 1.0])
@pytest.mark.parametrize("weight", [1.0, 10.0])
def test_a_linear_critic_has_the_slope_of_its_penalty(shift: float, weight: float) -> None:
    """Slope 1 + d / (2 lambda); E D(x) - E D(G(z)) divided by it is W = d, to 5 %.

    n = 100,000 rows of each, seeds 0, 1: a standard error of d below 0.9 %. With lambda = 1 and d = 1 the
    slope is 1.5, and an estimate of W that ignores it is 50 % too large.
    """
    objective = Adversarial(
        FixedGenerator(-shift, 1.0), PolynomialCritic(1), 1, Wasserstein(), GradientPenalty(weight)
    )
    real = gaussian(0.0, 1.0).sample(Rng(0, 100_000))
    minimized(objective, real)
    slope = objective.critic.weight[1].item()
    assert slope == pytest.approx(1 + shift / (2 * weight), rel=0.02)
    assert critic_distance(objective, real) / slope == pytest.approx(shift, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("weight", [1.0, 10.0])
def test_a_trained_network_is_the_wasserstein_distance_and_the_known_bias(weight: float) -> None:
    """p = N(1, 1), q = N(0, 1), W = 1: E D(x) - E D(G(z)) less its bias is W to 5 %; n = 200,000, seed 0.

    1500 turns of 2048 rows. The bias is the integral above: 0.56 for lambda = 1.
    """
    torch.manual_seed(0)
    objective = Adversarial(
        FixedGenerator(0.0, 1.0), MLPCritic(32), 1, Wasserstein(), GradientPenalty(weight)
    )
    real = gaussian(1.0, 1.0).sample(Rng(0, 200_000))
    trained(objective, real, 1500, 5e-3)
    assert critic_distance(objective, real) - bias(1.0, weight) == pytest.approx(1.0, rel=0.05)


def critic_distance(objective: Adversarial, real: Tensor) -> float:
    """E D(x) - E D(G(z)), of fresh samples."""
    with torch.no_grad():
        fake = objective.fake(real, None, Rng(2, len(real)))
        return float(objective.critic(real, None).mean() - objective.critic(fake, None).mean())


def bias(shift: float, weight: float) -> float:
    """The integral of Delta^2 / (2 lambda r) for N(0, 1) and its shift; r is a mixture over alpha."""
    x = torch.linspace(-9, 9 + shift, 4001, dtype=torch.float64)
    alpha = (torch.arange(400, dtype=torch.float64) + 0.5) / 400
    std = (alpha.square() + (1 - alpha).square()).sqrt()
    r = torch.distributions.Normal(alpha * shift, std).log_prob(x[:, None]).exp().mean(1)
    delta = torch.special.ndtr(x) - torch.special.ndtr(x - shift)
    return torch.trapezoid(delta.square() / (2 * weight * r), x).item()
