"""Solvers against diffusers' schedulers: the same network, noise and times give the same samples.

Within 1e-4 over 20 steps.
"""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from morphogen.contract import Context
from morphogen.families.diffusion import (
    EDM,
    Diffusion,
    DPMSolver,
    DPMSolverSDE,
    Euler,
    GaussianDecoder,
    Heun,
    LinearBetas,
    RectifiedFlow,
)
from morphogen.numerics.randomness import Rng

schedulers = pytest.importorskip("diffusers.schedulers")

BETAS = {"num_train_timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"}


class Waves(nn.Module):
    """An arbitrary smooth function of x and t."""

    def forward(self, x: Tensor, time_input: Tensor, context: Context | None) -> Tensor:
        return 0.8 * x + 0.3 * torch.sin(3 * x + 5 * time_input[:, None])


def chain(target: Any) -> Diffusion:
    return Diffusion(Waves(), LinearBetas(), GaussianDecoder(), target)


def timesteps(scheduler: Any) -> tuple[int, ...]:
    # theirs start at 0, ours at 1; Heun's are duplicated
    return tuple(dict.fromkeys(int(t) + 1 for t in scheduler.timesteps))


@pytest.mark.parametrize(("target", "kind"), [("eps", "epsilon"), ("x0", "sample"), ("v", "v_prediction")])
def test_dpm_solver(target: Any, kind: str) -> None:
    scheduler = schedulers.DPMSolverMultistepScheduler(
        **BETAS,
        prediction_type=kind,
        timestep_spacing="trailing",
        final_sigmas_type="zero",
        euler_at_final=True,
    )
    scheduler.set_timesteps(20)
    x = Rng(0, 5).fork("start").normal(6)
    for t in scheduler.timesteps:
        x = scheduler.step(Waves()(x, (t + 1).expand(5) / 1000, None), t, x).prev_sample
    ours = DPMSolver(timesteps(scheduler), None)(chain(target), (6,), None, Rng(0, 5))
    assert torch.allclose(ours, x, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("target", "kind"), [("eps", "epsilon"), ("v", "v_prediction")])
def test_dpm_solver_sde(target: Any, kind: str) -> None:
    scheduler = schedulers.DPMSolverMultistepScheduler(
        **BETAS,
        prediction_type=kind,
        timestep_spacing="trailing",
        final_sigmas_type="zero",
        euler_at_final=True,
        algorithm_type="sde-dpmsolver++",
    )
    scheduler.set_timesteps(20)
    rng = Rng(0, 5)
    x = rng.fork("start").normal(6)
    for i, t in enumerate(scheduler.timesteps):
        noise = rng.fork("step", i).normal(6)
        x = scheduler.step(Waves()(x, (t + 1).expand(5) / 1000, None), t, x, variance_noise=noise).prev_sample
    ours = DPMSolverSDE(timesteps(scheduler), None)(chain(target), (6,), None, rng)
    assert torch.allclose(ours, x, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("target", "kind"), [("eps", "epsilon"), ("v", "v_prediction")])
@pytest.mark.parametrize(
    ("ours", "theirs"), [(Euler, "EulerDiscreteScheduler"), (Heun, "HeunDiscreteScheduler")]
)
def test_euler_and_heun(ours: Any, theirs: str, target: Any, kind: str) -> None:
    """diffusers integrates x / alpha over sigma / alpha."""
    scheduler = getattr(schedulers, theirs)(**BETAS, prediction_type=kind, timestep_spacing="trailing")
    scheduler.set_timesteps(20)
    start = Rng(0, 5).fork("start").normal(6)
    x = start / LinearBetas().alpha(torch.tensor([1000]))
    for t in scheduler.timesteps:
        model_input = scheduler.scale_model_input(x, t)
        x = scheduler.step(Waves()(model_input, (t + 1).expand(5) / 1000, None), t, x).prev_sample
    samples = ours(timesteps(scheduler), None)(chain(target), (6,), None, Rng(0, 5))
    assert torch.allclose(samples, x, atol=1e-4, rtol=1e-4)


def test_flow_matching_euler() -> None:
    scheduler = schedulers.FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(20)
    x = Rng(0, 5).fork("start").normal(6)
    for t, sigma in zip(scheduler.timesteps, scheduler.sigmas, strict=False):
        x = scheduler.step(Waves()(x, sigma.expand(5), None), t, x).prev_sample
    flow = Diffusion(Waves(), RectifiedFlow(), GaussianDecoder(), "velocity")
    ours = Euler(tuple(scheduler.sigmas[:-1].double().tolist()), None)(flow, (6,), None, Rng(0, 5))
    assert torch.allclose(ours, x, atol=1e-4, rtol=1e-4)


def test_edm_uses_karras_timesteps() -> None:
    scheduler = schedulers.EDMEulerScheduler(sigma_min=0.002, sigma_max=80.0, rho=7.0)
    scheduler.set_timesteps(18)
    assert torch.allclose(torch.tensor(Euler(18).grid(EDM())[:-1]).float(), scheduler.sigmas[:-1], rtol=1e-4)
