"""Targets at the last time, where sampling starts, and the input of a preconditioned network."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded
from morphogen.families.diffusion import (
    EDM,
    Diffusion,
    GaussianDecoder,
    InverseBetas,
    LinearBetas,
    Preconditioned,
    RectifiedFlow,
    ZeroTerminal,
)
from morphogen.families.diffusion.targets import check_determined
from morphogen.numerics.randomness import Rng

NOISE_AT_THE_END = [ZeroTerminal(LinearBetas()), InverseBetas(10), RectifiedFlow()]  # alpha = 0 there


class Echo(nn.Module):
    """A network whose prediction is its input."""

    def forward(self, x_t: Tensor, t: Tensor, context: Context | None) -> Tensor:
        return x_t


@pytest.mark.parametrize("process", NOISE_AT_THE_END, ids=lambda process: type(process).__name__)
@pytest.mark.parametrize("target", ["eps", "score"])
def test_a_target_that_says_nothing_about_x_0_at_the_end_is_refused(process: Any, target: Any) -> None:
    with pytest.raises(ConfigError, match=f"target='{target}' does not determine x_0 at the last time"):
        Diffusion(Echo(), process, GaussianDecoder(), target)


@pytest.mark.parametrize("process", NOISE_AT_THE_END, ids=lambda process: type(process).__name__)
@pytest.mark.parametrize(
    ("target", "factor"), [("x0", 1), ("v", -1), ("velocity", 0), (Preconditioned(0.5), 0.5)], ids=str
)
def test_other_targets_determine_x_0_at_the_end(process: Any, target: Any, factor: float) -> None:
    """The prediction is x_t: v = -x_0, velocity = x_t - x_0, and x_0 = 0.5 F of Karras et al."""
    x_t = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    denoise = Diffusion(Echo(), process, GaussianDecoder(), target).predict
    x_0, eps, _ = denoise(x_t, torch.full((2,), process.t_max), None)
    assert torch.allclose(eps, x_t, atol=1e-5)  # alpha = 0 and sigma = 1: x_t is the noise
    assert torch.allclose(x_0, factor * x_t, atol=1e-5)


def test_a_schedule_with_values_is_checked_by_them_on_the_meta_device() -> None:
    """Its buffer is indexed by a time of its own device, not by one without values."""
    schedule = LinearBetas(1e-3, 0.4, 50)
    with torch.device("meta"):
        for _ in range(20):
            check_determined("eps", schedule)


class Remember(Echo):
    """A network that keeps its last input."""

    def forward(self, x_t: Tensor, t: Tensor, context: Context | None) -> Tensor:
        self.seen = x_t
        return super().forward(x_t, t, context)


def check_the_network_of_edm_sees_inputs_of_unit_variance() -> None:
    """c_in x_t, c_in = (sigma^2 + d^2)^-1/2, in sampling and, n = 4000 in 2-D, seed 0, in training."""
    network = Remember()
    objective = Diffusion(network, EDM(), GaussianDecoder(), Preconditioned(0.5))
    x_t, sigma = torch.tensor([[3.0, -2.0]] * 3), torch.tensor([0.01, 1.0, 80.0])
    objective.predict(x_t, sigma, None)
    assert torch.allclose(network.seen, x_t / (sigma.square() + 0.25).sqrt()[:, None])
    rng, dims = Rng(0, 4000), torch.full((4000,), 2.0)
    objective.losses(Encoded(0.5 * rng.normal(2), 0 * dims, dims), None, rng, "model")
    order = objective.schedule.sample_time(rng.fork("t")).argsort()
    for part in network.seen[order].chunk(4):  # quarters of the noise levels
        assert float(part.square().mean()) == pytest.approx(1, abs=4 * (2 / part.numel()) ** 0.5)


def test_the_network_of_edm_sees_inputs_of_unit_variance() -> None:
    check_the_network_of_edm_sees_inputs_of_unit_variance()
