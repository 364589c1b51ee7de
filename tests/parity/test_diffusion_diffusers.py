"""Our chains against diffusers' schedulers: the same network, the same noise, the same x at every end (<= 1e-5)."""

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
    """Some smooth eps of x and t."""

    def forward(self, x: Tensor, time: Tensor, context: Context | None) -> Tensor:
        return 0.8 * x + 0.3 * torch.sin(3 * x + 5 * time[:, None])


def objective(variance: Any = "beta") -> Diffusion:
    return Diffusion(Waves(), LinearBetas(), DiscretizedGaussian(17), variance=variance)


def theirs(scheduler: Any, rng: Rng, monkeypatch: pytest.MonkeyPatch, module: Any, **options: Any) -> Tensor:
    x = rng.fork("start").normal(6)
    for i, t in enumerate(scheduler.timesteps):
        # A chain that ends at their t > 0 adds noise to its last x_0; ours lands on x_0, as theirs does where it ends at t = 0.
        last = float(i + 1 < len(scheduler.timesteps))
        monkeypatch.setattr(module, "randn_tensor", lambda *a, i=i, last=last, **k: last * rng.fork("step", i).normal(6))
        eps = Waves()(x, (t + 1).expand(len(x)) / 1000, None)
        x = scheduler.step(eps, t, x, **options).prev_sample
    return x


def times(scheduler: Any) -> tuple[int, ...]:
    return tuple(int(t) + 1 for t in scheduler.timesteps)  # theirs count from 0, ours from 1: 0 is the data


@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
@pytest.mark.parametrize(("variance", "name"), [("beta", "fixed_large"), ("posterior", "fixed_small")])
@pytest.mark.parametrize("clip", [True, False])
def test_ddpm(variance: Any, name: str, spacing: str, clip: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler = scheduling_ddpm.DDPMScheduler(**BETAS, variance_type=name, clip_sample=clip, timestep_spacing=spacing)
    scheduler.set_timesteps(25)
    if spacing == "linspace":  # an uneven grid: both must know which time follows
        scheduler.set_timesteps(timesteps=scheduler.timesteps.tolist())
    ours = DDPM(times(scheduler), 1.0 if clip else None)(objective(variance), (6,), None, Rng(0, 5))
    assert torch.allclose(ours, theirs(scheduler, Rng(0, 5), monkeypatch, scheduling_ddpm), atol=1e-5, rtol=1e-5)


def test_ddpm_over_a_hundred_neighbouring_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler = scheduling_ddpm.DDPMScheduler(**BETAS, variance_type="fixed_small", clip_sample=True)
    scheduler.set_timesteps(timesteps=list(range(99, -1, -1)))
    # Their tables are fp32: 1 - alpha^2 near the data is off by 6e-4 of itself, which 100 such steps let grow to 1.6e-5.
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    scheduler.betas, scheduler.alphas, scheduler.alphas_cumprod = betas, 1 - betas, (1 - betas).cumprod(0)
    ours = DDPM(tuple(range(100, 0, -1)))(objective("posterior"), (6,), None, Rng(0, 5))
    assert torch.allclose(ours, theirs(scheduler, Rng(0, 5), monkeypatch, scheduling_ddpm), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("spacing", ["leading", "trailing"])
@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("clip", [True, False])
def test_ddim(eta: float, spacing: str, clip: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler = scheduling_ddim.DDIMScheduler(**BETAS, clip_sample=clip, timestep_spacing=spacing)
    scheduler.set_timesteps(25)
    ours = DDIM(times(scheduler), eta, 1.0 if clip else None)(objective(), (6,), None, Rng(0, 5))
    want = theirs(scheduler, Rng(0, 5), monkeypatch, scheduling_ddim, eta=eta, use_clipped_model_output=clip)
    assert torch.allclose(ours, want, atol=1e-5, rtol=1e-5)


def test_our_even_grid_is_their_trailing_spacing() -> None:
    scheduler = scheduling_ddim.DDIMScheduler(**BETAS, timestep_spacing="trailing")
    for steps in (1, 25, 50, 1000):
        scheduler.set_timesteps(steps)
        assert DDIM(steps).grid(LinearBetas()) == [*times(scheduler), 0]
