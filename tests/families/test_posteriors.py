"""Posteriors: log q is the density of z by the change of variables; the flow's factors are triangular."""

import pytest
import torch
from torch import Tensor

from morphogen.families.vae import DiagonalGaussian, InverseAutoregressive, Posterior
from morphogen.networks.made import MADE
from morphogen.numerics.distributions import gaussian_log_prob
from morphogen.numerics.randomness import Rng

DIMS = 4


def flow() -> InverseAutoregressive:
    """Two steps with random weights."""
    torch.manual_seed(0)
    networks = {f"step_{i}": MADE(DIMS, 2, 12, 2, vector=DIMS) for i in range(2)}
    posterior = InverseAutoregressive(**networks).double()
    for parameter in posterior.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return posterior


@pytest.mark.parametrize("posterior", [DiagonalGaussian(), flow()], ids=["diagonal", "flow"])
def test_log_q_is_the_change_of_variables_from_the_noise(posterior: Posterior) -> None:
    """log q(z) = log N(eps; 0, I) - log |det dz/deps|, the determinant by autograd, for 20 rows in fp64."""
    parameters, eps = [Rng(i, 20).normal(n).double() for i, n in enumerate((posterior.outputs(DIMS), DIMS))]
    draw = posterior.draw(parameters, eps)
    for row in range(20):
        one = slice(row, row + 1)

        def z(noise: Tensor, one: slice = one) -> Tensor:
            return posterior.draw(parameters[one], noise[None]).z[0]

        jacobian = torch.autograd.functional.jacobian(z, eps[row])
        expected = gaussian_log_prob(eps[row]).sum() - jacobian.slogdet().logabsdet
        assert abs(draw.log_q[row] - expected) <= 1e-10


def test_a_step_of_the_flow_is_autoregressive_and_the_next_one_in_reversed_order() -> None:
    posterior = flow()
    only = InverseAutoregressive(step_1=posterior.networks["step_1"])
    parameters, eps = Rng(0, 1).normal(3 * DIMS).double(), Rng(1, 1).normal(DIMS).double()
    one, both = (
        torch.autograd.functional.jacobian(lambda noise, p=p: p.draw(parameters, noise[None]).z[0], eps[0])
        for p in (only, posterior)
    )
    assert torch.equal(one.triu(1), torch.zeros_like(one)) and one.tril(-1).abs().max() > 1e-3
    assert (both.fliplr().triu(1).abs().max() > 1e-3) and (both.abs() > 1e-6).sum() > DIMS * (DIMS + 1) / 2


def test_the_flow_is_the_diagonal_gaussian_whose_scale_is_gated_at_initialisation() -> None:
    """The networks return 0, so every step multiplies z by sigmoid(2)."""
    fresh = InverseAutoregressive(step_1=MADE(DIMS, 2, 12, 1, vector=DIMS))
    parameters, eps = Rng(0, 3).normal(3 * DIMS), Rng(1, 3).normal(DIMS)
    diagonal = DiagonalGaussian().draw(parameters[:, : 2 * DIMS], eps)
    gate = torch.tensor(2.0).sigmoid()
    assert torch.allclose(fresh.draw(parameters, eps).z, gate * diagonal.z)
