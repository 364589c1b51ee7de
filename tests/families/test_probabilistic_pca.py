r"""A linear VAE that is trained by its ELBO attains the maximum likelihood of probabilistic PCA.

    max log p = -1/2 (d log 2 pi + sum_(i <= q) log l_i + (d - q) log s^2 + d),   s^2 = mean of l_(q+1) .. l_d

l_1 >= l_2 >= .. are the eigenvalues of the sample covariance (Tipping & Bishop 1999, eq. 8). With a diagonal
posterior the ELBO has no further optima (Lucas, Tucker, Grosse & Norouzi 2019).
"""

import math

import pytest
import torch
from torch import Tensor, nn

from linear_vae import AffineNetwork
from morphogen.closed_form import LinearGaussian
from morphogen.contract import Context, Encoded
from morphogen.families.vae import VAE, LearnedGaussian
from morphogen.numerics.randomness import Rng

ROWS, D, Q, STEPS = 500, 5, 2, 500


class IsotropicDecoder(nn.Module):
    """h = (W z + mu, log sigma), all learned."""

    def __init__(self, weight: Tensor):
        super().__init__()
        self.weight, self.mean = nn.Parameter(weight), nn.Parameter(torch.zeros(len(weight)))
        self.log_sigma = nn.Parameter(torch.zeros(()))

    def forward(self, z: Tensor, context: Context | None) -> Tensor:
        mean = z @ self.weight.T + self.mean
        return torch.cat([mean, self.log_sigma.expand_as(mean)], 1)


class LinearEncoder(AffineNetwork):
    """mu and log sigma of q, all learned."""

    def __init__(self, weight: Tensor):
        super().__init__(weight, torch.zeros(len(weight)))
        self.bias, self.constants = nn.Parameter(self.bias), nn.Parameter(torch.zeros(len(weight)))


@pytest.fixture(scope="module")
def sample() -> Tensor:
    """500 rows of probabilistic PCA in 5 dimensions with 2 latents, seed 1."""
    weight = torch.tensor([[1.0, 0.5], [2.0, -0.25], [-1.0, 0.3], [0.2, 0.9], [0.0, -0.7]])
    truth = LinearGaussian(weight, torch.tensor([0.3, -1.0, 2.0, 0.0, 0.5]), sigma=0.6)
    return truth.sample(Rng(1, ROWS)).float()


def maximum(x: Tensor) -> float:
    """The mean log-likelihood of the best probabilistic PCA, in nats."""
    eigenvalues = torch.linalg.eigvalsh(torch.cov(x.double().T, correction=0)).flip(0)
    noise = eigenvalues[Q:].mean()
    log_det = eigenvalues[:Q].log().sum() + (D - Q) * noise.log()
    return -0.5 * (D * math.log(2 * math.pi) + log_det.item() + D)


def cubature() -> Tensor:
    """[2 q, q]: points +-sqrt(q) e_i, whose mean is the exact expectation of a quadratic under N(0, I)."""
    return math.sqrt(Q) * torch.cat([torch.eye(Q), -torch.eye(Q)])


def test_the_elbo_of_a_trained_linear_vae_is_the_maximum_likelihood(sample: Tensor) -> None:
    """n = 500 rows, all in each of 500 steps, seed 1: within 0.01 nats per row of the maximum, and not above.

    The bound is computed by its KL term, and as the mean logarithm of the importance weights.
    """
    torch.manual_seed(1)
    vae = VAE(
        LinearEncoder(0.1 * torch.randn(Q, D)),
        IsotropicDecoder(0.1 * torch.randn(D, Q)),
        LearnedGaussian(),
        latent_shape=(Q,),
    )
    x = Encoded(sample, torch.zeros(ROWS), torch.full((ROWS,), float(D)))
    optimizer = torch.optim.Adam(vae.parameters())
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = 0.05 * (1 - step / STEPS)
        optimizer.zero_grad()
        vae.losses(x, None, Rng(2, ROWS).fork(step), "model").total.mean().backward()
        optimizer.step()
    with torch.no_grad():
        inferred = vae.infer(sample, None)
        draws = [vae.draw(inferred, None, eps.expand(ROWS, Q)) for eps in cubature()]
        terms = [vae.log_conditional(sample, draw.z) - vae.kl(draw, None).sum(1) for draw in draws]
        weights = vae.log_importance_weights(sample, None, cubature().expand(ROWS, -1, -1))
    exact = maximum(sample)
    for bound in (torch.stack(terms), weights):
        assert exact - 0.01 < bound.double().mean().item() < exact + 1e-4
