"""Every time is trained, also the last one; the cosine schedule ends as its paper has it."""

import math
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded
from morphogen.families.diffusion import (
    D3PM,
    EDM,
    VE,
    VP,
    AbsorbingNoise,
    CosineAlphas,
    Diffusion,
    GaussianDecoder,
    InverseBetas,
    LinearBetas,
    RectifiedFlow,
    Shifted,
    SubVP,
    ZeroTerminal,
)
from morphogen.numerics.randomness import Rng

T, N = 12, 12_000
CHAINS = (LinearBetas(1e-3, 0.4, T), CosineAlphas(T), InverseBetas(T), ZeroTerminal(LinearBetas(steps=T)))
SHIFTED = Shifted(CosineAlphas(T), 2.0), Shifted(InverseBetas(T), 0.5)
CONTINUOUS = (VP(), SubVP(), VE(0.01, 20.0), RectifiedFlow())


def name(part: Any) -> str:
    return type(part).__name__


class Times(nn.Module):
    """A network that keeps the times at which it was called."""

    def forward(self, x_t: Tensor, time: Tensor, context: Context | None) -> Tensor:
        self.seen = time
        return x_t if x_t.is_floating_point() else F.one_hot(x_t, 4).float()[..., :3]


def check_uniform(times: Tensor) -> None:
    """n = 12,000, seed 0: each of 1 .. T occurs, by chi-square with p > 0.001."""
    counts = (times * T).round().long().bincount(minlength=T + 1)
    assert len(counts) == T + 1 and counts[0] == 0 and stats.chisquare(counts[1:]).pvalue > 1e-3


def check_every_step_of_a_chain_is_trained(chain: Any) -> None:
    network, dims = Times(), torch.ones(N)
    x = Encoded(torch.zeros(N, 1), 0 * dims, dims)
    Diffusion(network, chain, GaussianDecoder(), "v").losses(x, None, Rng(0, N), "model")
    check_uniform(network.seen)


@pytest.mark.parametrize("chain", CHAINS + SHIFTED, ids=name)
def test_every_step_of_a_chain_is_trained(chain: Any) -> None:
    check_every_step_of_a_chain_is_trained(chain)


def test_every_step_of_a_chain_of_tokens_is_trained() -> None:
    network, dims = Times(), torch.ones(N)
    x = Encoded(torch.zeros(N, 1, dtype=torch.long), 0 * dims, dims)
    D3PM(network, AbsorbingNoise(3, T)).losses(x, None, Rng(0, N), "model")
    check_uniform(network.seen)


@pytest.mark.parametrize("process", CONTINUOUS, ids=name)
def test_every_time_up_to_the_last_is_trained(process: Any) -> None:
    """n = 12,000, seed 0: uniform by Kolmogorov-Smirnov with p > 0.001, and close to both ends."""
    times = process.sample_time(Rng(0, N)) / process.t_max
    assert stats.kstest(times.numpy(), "uniform").pvalue > 1e-3
    assert 0 < times.min() < 2e-3 and 0.998 < times.max() <= 1


def test_noise_levels_of_edm_are_log_normal() -> None:
    sigma = EDM().sample_time(Rng(0, N))
    assert stats.kstest(sigma.log().numpy(), "norm", (-1.2, 1.2)).pvalue > 1e-3


def check_the_cosine_schedule_keeps_a_thousandth_of_the_last_step() -> None:
    """alpha_t^2 = f(t) / f(0) but at T, where beta is 0.999 (Nichol & Dhariwal 2021, section 3.2)."""
    for steps in (4, 50, 1000):
        f = [math.cos((t / steps + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(steps)]
        expected = torch.tensor([*f, f[-1] * 0.001], dtype=torch.float64) / f[0]
        torch.testing.assert_close(CosineAlphas(steps).alpha_squared, expected, rtol=1e-6, atol=0)


def test_the_cosine_schedule_keeps_a_thousandth_of_the_last_step() -> None:
    check_the_cosine_schedule_keeps_a_thousandth_of_the_last_step()


@pytest.mark.parametrize("shifted", SHIFTED)
def test_a_shifted_schedule_has_a_multiple_of_the_noise_at_every_step(shifted: Shifted) -> None:
    t = torch.arange(1, T + 1)
    torch.testing.assert_close(shifted.ratio(t), shifted.factor * shifted.schedule.ratio(t))
    assert shifted.alpha(torch.zeros(1)).item() == 1 and shifted.coordinates == "flow"


@pytest.mark.parametrize("factor", [0.0, -1.0, math.nan])
def test_a_schedule_is_shifted_by_a_positive_factor(factor: float) -> None:
    with pytest.raises(ConfigError, match="factor must be above 0"):
        Shifted(CosineAlphas(T), factor)
