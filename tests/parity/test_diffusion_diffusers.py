"""DDPM and DDIM against diffusers' schedulers: the same network and noise give the same samples (<= 1e-5)."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from morphogen.contract import Context
from morphogen.families.diffusion import DDIM, DDPM, Diffusion, DiscretizedGaussian, LinearBetas
from morphogen.numerics.randomness import Rng

scheduling_ddpm = pytest.importorskip("diffusers.schedulers.scheduling_ddpm")
scheduling_ddim = pytest.importorskip("diffusers.schedulers.scheduling_ddim")

BETAS = {"num_train_timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"}


class Waves(nn.Module):
    """An arbitrary smooth eps of x and t."""

    def forward(self, x: Tensor, time: Tensor, context: Context | None) -> Tensor:
        return 0.8 * x + 0.3 * torch.sin(3 * x + 5 * time[:, None])


def objective(variance: Any = "beta") -> Diffusion:
    return Diffusion(Waves(), LinearBetas(), DiscretizedGaussian(17), variance=variance)


def theirs(scheduler: Any, rng: Rng, monkeypatch: pytest.MonkeyPatch, module: Any, **options: Any) -> Tensor:
    x = rng.fork("start").normal(6)
    for i, t in enumerate(scheduler.timesteps):
        # If diffusers' last timestep is above 0, its last step adds noise to x_0; ours always returns x_0.
        noise_scale = float(i + 1 < len(scheduler.timesteps))
        noise = noise_scale * rng.fork("step", i).normal(6)
        monkeypatch.setattr(module, "randn_tensor", lambda *a, noise=noise, **k: noise)
        eps = Waves()(x, (t + 1).expand(len(x)) / 1000, None)
        x = scheduler.step(eps, t, x, **options).prev_sample
    return x


def timesteps(scheduler: Any) -> tuple[int, ...]:
    return tuple(int(t) + 1 for t in scheduler.timesteps)  # theirs start at 0, ours at 1, as 0 is the data


@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
@pytest.mark.parametrize(("variance", "name"), [("beta", "fixed_large"), ("posterior", "fixed_small")])
@pytest.mark.parametrize("clip", [True, False])
def test_ddpm(variance: Any, name: str, spacing: str, clip: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler = scheduling_ddpm.DDPMScheduler(
        **BETAS, variance_type=name, clip_sample=clip, timestep_spacing=spacing
    )
    scheduler.set_timesteps(25)
    if spacing == "linspace":  # a non-uniform grid
        scheduler.set_timesteps(timesteps=scheduler.timesteps.tolist())
    ours = DDPM(timesteps(scheduler), 1.0 if clip else None)(objective(variance), (6,), None, Rng(0, 5))
    expected = theirs(scheduler, Rng(0, 5), monkeypatch, scheduling_ddpm)
    assert torch.allclose(ours, expected, atol=1e-5, rtol=1e-5)


def test_ddpm_over_a_hundred_consecutive_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler = scheduling_ddpm.DDPMScheduler(**BETAS, variance_type="fixed_small", clip_sample=True)
    scheduler.set_timesteps(timesteps=list(range(99, -1, -1)))
    # Their fp32 tables have a relative error of 6e-4 in 1 - alpha^2 near t = 0, 1.6e-5 in x after 100 steps.
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    scheduler.betas, scheduler.alphas, scheduler.alphas_cumprod = betas, 1 - betas, (1 - betas).cumprod(0)
    ours = DDPM(tuple(range(100, 0, -1)))(objective("posterior"), (6,), None, Rng(0, 5))
    expected = theirs(scheduler, Rng(0, 5), monkeypatch, scheduling_ddpm)
    assert torch.allclose(ours, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("spacing", ["leading", "trailing"])
@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("clip", [True, False])
def test_ddim(eta: float, spacing: str, clip: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler = scheduling_ddim.DDIMScheduler(**BETAS, clip_sample=clip, timestep_spacing=spacing)
    scheduler.set_timesteps(25)
    ours = DDIM(timesteps(scheduler), eta, 1.0 if clip else None)(objective(), (6,), None, Rng(0, 5))
    expected = theirs(
        scheduler, Rng(0, 5), monkeypatch, scheduling_ddim, eta=eta, use_clipped_model_output=clip
    )
    assert torch.allclose(ours, expected, atol=1e-5, rtol=1e-5)


def test_the_uniform_grid_is_diffusers_trailing_spacing() -> None:
    scheduler = scheduling_ddim.DDIMScheduler(**BETAS, timestep_spacing="trailing")
    for steps in (1, 25, 50, 1000):
        scheduler.set_timesteps(steps)
        assert DDIM(steps).grid(LinearBetas()) == [*timesteps(scheduler), 0]
