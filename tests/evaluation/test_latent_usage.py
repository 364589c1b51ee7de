"""Active units, divergences and mutual information of linear VAEs whose figures are known."""

import math

import pytest
import torch

from linear_vae import TRUTH, AffineNetwork, PlainPoints, linear
from morphogen.catalogue import build_system
from morphogen.evaluation.latent_usage import latent_usage, usage_lines
from morphogen.families.vae import VAE, Gaussian
from morphogen.inference import LatentSpace
from morphogen.model import Model
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Pixels

N = 1000
SPACE_OF_PIXELS = Pixels(17, (1, 8, 8))


def usage_of(objective, n: int = N, seed: int = 0):
    x = TRUTH.sample(Rng(seed, n)).float()
    return latent_usage(LatentSpace(Model(objective, PlainPoints((3,)))), x, seed=seed)


def test_a_linear_vae_has_the_mutual_information_of_its_gaussians() -> None:
    """I(x; z) = 1/2 log det(I + W^T W / sigma^2) = 1.62 nats; n = 1000, 5 seeds, within 0.06 on average.

    The aggregate posterior of the true model is its prior; 1000 examples leave it a divergence below 0.1.
    """
    gram = TRUTH.weight.T @ TRUTH.weight / TRUTH.sigma**2
    expected = 0.5 * torch.logdet(torch.eye(2, dtype=torch.float64) + gram).item()
    found = [usage_of(linear(), seed=seed) for seed in range(5)]
    assert all(usage["active"] == usage["units"] == 2 and usage["n"] == N for usage in found)
    information = [usage["mutual_information"]["value"] for usage in found]
    assert sum(information) / 5 == pytest.approx(expected, abs=0.06)
    assert all(-0.02 < usage["marginal_kl"]["value"] < 0.1 for usage in found)
    for usage in found:
        parts = usage["mutual_information"]["value"] + usage["marginal_kl"]["value"]
        assert parts == pytest.approx(usage["kl"]["value"], abs=0.15)  # the KL in closed form, one draw here
        assert sum(usage["kl_of_groups"]) == pytest.approx(usage["kl"]["value"], rel=1e-5)


def test_covariances_are_those_of_the_posterior_means() -> None:
    """A_u = 1 - the posterior variance, for the true model; n = 1000, within 4 standard errors of 0.045."""
    covariances = torch.tensor(usage_of(linear())["covariances"])
    inverse = torch.linalg.inv(TRUTH.weight.T @ TRUTH.weight + TRUTH.sigma**2 * torch.eye(2).double())
    expected = 1 - TRUTH.sigma**2 * inverse.diagonal()
    assert torch.allclose(covariances.double(), expected, atol=4 * 0.045)


@pytest.mark.parametrize("n", [100, N])
def test_units_that_ignore_x_are_not_active(n: int) -> None:
    """3 of 5 units equal the prior; seeds 0 to 3 find exactly the 2 others, though draws are noisy."""
    truth = linear()
    gain = torch.zeros(5, 3)
    gain[:2] = truth.encoder.weight.detach()
    bias, log_sigma = torch.zeros(5), torch.zeros(5)
    bias[:2], log_sigma[:2] = truth.encoder.bias, truth.encoder.constants.float()
    decoder = AffineNetwork(torch.cat([TRUTH.weight, torch.zeros(3, 3)], 1), TRUTH.mean)
    vae = VAE(AffineNetwork(gain, bias, log_sigma), decoder, Gaussian(TRUTH.sigma), (5,))
    for seed in range(4):
        usage = usage_of(vae, n, seed)
        assert usage["active"] == 2 and usage["units"] == 5
        assert usage["kl_of_groups"][2:] == pytest.approx([0.0] * 3, abs=1e-6)


def test_a_collapsed_model_says_so_and_names_the_remedy() -> None:
    encoder = AffineNetwork(torch.zeros(2, 3), torch.zeros(2), torch.zeros(2))
    collapsed = VAE(encoder, AffineNetwork(TRUTH.weight, TRUTH.mean), Gaussian(TRUTH.sigma), (2,))
    usage = usage_of(collapsed)
    assert usage["active"] == 0 and usage["kl"]["value"] == 0
    assert usage["mutual_information"]["value"] == pytest.approx(0, abs=1e-6)
    *_, last = usage_lines(usage)
    assert last.startswith("posterior collapse") and "free_nats" in last and "warm-up" in last
    assert not any("collapse" in line for line in usage_lines(usage_of(linear())))


def test_the_mutual_information_is_at_most_log_n() -> None:
    """A posterior far narrower than the examples' distances tells each of 50 examples from the others."""
    usage = usage_of(linear(log_scale=-8.0), n=50)
    assert usage["mutual_information"]["value"] == pytest.approx(math.log(50), abs=1e-3)
    assert f"log 50 = {math.log(50):.2f}" in usage_lines(usage)[2]


def test_levels_of_a_hierarchy_are_groups_without_a_mutual_information() -> None:
    torch.manual_seed(0)
    model = build_system("hierarchical_vae", SPACE_OF_PIXELS, {}, "tiny")
    x = torch.round(Rng(5, 16).uniform(1, 8, 8) * 16) / 8 - 1
    usage = latent_usage(LatentSpace(model), x)
    assert len(usage["kl_of_groups"]) == len(model.objective.latent_shape)
    assert usage["mutual_information"] is None and len(usage_lines(usage)) >= 2
    assert usage["units"] == sum(math.prod(shape) for shape in model.objective.latent_shape.values())
