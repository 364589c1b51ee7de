"""PNDM: its order of convergence and its calls; spacings that leave out steps next to the data."""

from typing import Any

import pytest
import torch

from morphogen.component import ConfigError
from morphogen.contract import Context
from morphogen.families.diffusion import (
    DDIM,
    PNDM,
    Diffusion,
    Euler,
    GaussianDecoder,
    LeadingTimesteps,
    LinearBetas,
    UniformTimesteps,
    WithoutLast,
    ZeroBased,
)
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import expand_like

CHAIN = LinearBetas()


class ExactEps(torch.nn.Module):
    """The optimal prediction for data ~ N(0, 1/4): eps = sigma x / (alpha^2 / 4 + sigma^2)."""

    def forward(self, x: torch.Tensor, time_input: torch.Tensor, context: Context | None) -> torch.Tensor:
        t = (time_input * 1000).round().long()
        alpha, sigma = expand_like(CHAIN.alpha(t), x), expand_like(CHAIN.sigma(t), x)
        return sigma * x / (alpha.square() / 4 + sigma.square())


@pytest.fixture
def objective() -> Diffusion:
    return Diffusion(ExactEps(), CHAIN, GaussianDecoder())


def error(sampler: Any, objective: Diffusion) -> float:
    """The largest distance from the solution of the ODE in 1000 steps."""
    exact = Euler(1000, clip=None)(objective, (4,), None, Rng(0, 8))
    return (sampler(objective, (4,), None, Rng(0, 8)) - exact).abs().max().item()


def test_pndm_is_more_accurate_than_ddim_for_the_same_number_of_calls(objective: Diffusion) -> None:
    assert error(PNDM(26, None), objective) < error(DDIM(26, clip=None), objective) / 3


@pytest.mark.parametrize(("steps", "intervals"), [(1, 1), (3, 2), (26, 25)])
def test_pndm_takes_one_call_more_than_intervals(steps: int, intervals: int, objective: Diffusion) -> None:
    sampler = PNDM(steps)
    assert len(sampler.grid(CHAIN)) - 1 == intervals
    assert sampler.calls(objective) == steps


def test_leading_times_are_those_of_stable_diffusion() -> None:
    assert DDIM(50, spacing=LeadingTimesteps()).grid(CHAIN)[:2] == [982, 962]
    assert DDIM(50, spacing=LeadingTimesteps()).grid(CHAIN)[-2:] == [2, 1]
    assert DDIM(50, spacing=LeadingTimesteps(0, 0)).grid(CHAIN)[-2:] == [1, 0]


def test_without_last_keeps_the_end_and_the_number_of_times() -> None:
    full = UniformTimesteps().timesteps(CHAIN, 6)
    assert WithoutLast(UniformTimesteps()).timesteps(CHAIN, 5) == full[:-1]
    assert WithoutLast(LeadingTimesteps()).end == 1


def test_a_trajectory_that_ends_at_x_1_has_its_noise(objective: Diffusion) -> None:
    """x_1 = alpha_1 x_0 + sigma_1 eps of the last prediction, where sampling to t = 0 returns x_0."""
    to_x_1 = DDIM(20, clip=None, spacing=LeadingTimesteps(1, 1))(objective, (4,), None, Rng(0, 8))
    to_x_0 = DDIM(20, clip=None, spacing=LeadingTimesteps(1, 0))(objective, (4,), None, Rng(0, 8))
    assert 0 < (to_x_1 - to_x_0).abs().max() < 3 * CHAIN.sigma(torch.tensor([1]))


@pytest.mark.parametrize(("offset", "end"), [(0, 1), (1, 2)])
def test_an_end_beyond_the_last_step_is_refused(offset: int, end: int) -> None:
    with pytest.raises(ConfigError, match="end <= 1 and offset >= end"):
        LeadingTimesteps(offset, end)


def test_more_steps_than_the_chain_has_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"1 \.\. 999 from its step 2"):
        DDIM(1000, spacing=LeadingTimesteps()).grid(CHAIN)
    assert DDIM(999, spacing=LeadingTimesteps()).grid(CHAIN)[0] == 1000


def test_a_zero_based_chain_is_the_same_chain_with_another_time_input() -> None:
    zero_based, t = ZeroBased(CHAIN), torch.arange(1, 1001)
    assert torch.allclose(zero_based.alpha_sigma(t)[1], CHAIN.alpha_sigma(t)[1], atol=1e-12)
    assert zero_based.time_input(t[:2]).tolist() == pytest.approx([0, 0.001])
