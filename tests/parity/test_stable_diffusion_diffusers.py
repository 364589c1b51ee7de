"""Components of Stable Diffusion against diffusers' own, on the same random weights: equal within 1e-4."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from morphogen.contract import Context
from morphogen.families.diffusion import Diffusion, GaussianDecoder
from morphogen.interop.diffusers_scheduler import SCHEDULER, read_scheduler, write_scheduler
from morphogen.interop.diffusers_unet import read_unet, write_unet
from morphogen.numerics.randomness import Rng

diffusers: Any = pytest.importorskip("diffusers")

UNETS: dict[str, dict[str, Any]] = {
    "1.x": {"attention_head_dim": 4},
    "2.x": {"attention_head_dim": (2, 4), "use_linear_projection": True},
}
BETAS = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ddim-leading": (
        "DDIMScheduler",
        {"clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1, "prediction_type": "epsilon"},
    ),
    "ddim-v": (
        "DDIMScheduler",
        {
            "clip_sample": False,
            "set_alpha_to_one": False,
            "steps_offset": 1,
            "prediction_type": "v_prediction",
        },
    ),
    "ddim-zero-snr": (
        "DDIMScheduler",
        {
            "clip_sample": False,
            "timestep_spacing": "trailing",
            "prediction_type": "v_prediction",
            "rescale_betas_zero_snr": True,
        },
    ),
    "pndm": ("PNDMScheduler", {"skip_prk_steps": True, "steps_offset": 1}),
    "dpm-linspace": ("DPMSolverMultistepScheduler", {}),
    "dpm-leading": (
        "DPMSolverMultistepScheduler",
        {"timestep_spacing": "leading", "steps_offset": 1, "prediction_type": "v_prediction"},
    ),
    "dpm-trailing": ("DPMSolverMultistepScheduler", {"timestep_spacing": "trailing"}),
}


def unet(kind: str) -> Any:
    torch.manual_seed(0)
    theirs = diffusers.UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(32, 64),
        layers_per_block=1,
        cross_attention_dim=16,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        **UNETS[kind],
    ).eval()
    for parameter in theirs.parameters():  # biases initialized to 0 would hide a misplaced one
        parameter.data += 0.05 * torch.randn_like(parameter)
    return theirs


@pytest.mark.parametrize("kind", UNETS)
@torch.no_grad()
def test_the_unet_of_a_folder_gives_the_same_output_and_is_written_back(kind: str, tmp_path: Path) -> None:
    theirs = unet(kind)
    theirs.save_pretrained(tmp_path / "theirs")
    ours = read_unet(tmp_path / "theirs").eval()
    x, tokens, t = torch.randn(3, 4, 8, 8), torch.randn(3, 5, 16), torch.tensor([0, 321, 999])
    expected = theirs(x, t, tokens).sample
    assert expected.std() > 0.1
    assert (ours(x, t / 1000, Context(tokens=tokens)) - expected).abs().max() <= 1e-4
    assert (ours(x, t / 1000, Context(tokens=tokens + 1)) - expected).abs().max() > 1e-2
    write_unet(ours, tmp_path / "ours")
    again = diffusers.UNet2DConditionModel.from_pretrained(tmp_path / "ours")
    assert all(torch.equal(p, q) for p, q in zip(again.parameters(), theirs.parameters(), strict=True))
    assert torch.equal(again.eval()(x, t, tokens).sample, expected)


class Waves(nn.Module):
    """An arbitrary smooth function of x and of the position that the time embedding gets."""

    def forward(self, x: Tensor, time_input: Tensor, context: Context | None) -> Tensor:
        return 0.8 * x + 0.3 * torch.sin(3 * x + 5 * time_input[:, None])


@pytest.mark.parametrize("steps", [5, 13, 20])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedulers(name: str, steps: int, tmp_path: Path) -> None:
    if (name, steps) == ("ddim-zero-snr", 13):
        pytest.skip("diffusers steps by 1000 // 13 from times that are 1000 / 13 apart")
    kind, settings = SCHEDULERS[name]
    theirs = getattr(diffusers, kind)(**BETAS, **settings)
    theirs.save_pretrained(tmp_path)
    ours = read_scheduler(tmp_path)
    theirs.set_timesteps(steps)
    x = start = Rng(0, 5).fork("start").normal(6)
    for t in theirs.timesteps:
        output = Waves()(x, t.expand(5) / 1000, None)
        x = theirs.step(output, t, x).prev_sample
    sampler = type(ours.sampler)(len(theirs.timesteps), clip=None, spacing=ours.sampler.spacing)
    objective = Diffusion(Waves(), ours.schedule, GaussianDecoder(), ours.target, sampler=ours.sampler)
    assert sampler.calls(objective) == len(theirs.timesteps)
    samples = sampler(objective, (6,), None, Rng(0, 5))
    assert not torch.allclose(samples, start, atol=0.1)
    assert torch.allclose(samples, x, atol=1e-4, rtol=1e-4)
    if (kind, steps) != ("DDIMScheduler", 20):
        return
    written = tmp_path / "written"
    write_scheduler(objective, written)
    again = getattr(diffusers, kind).from_pretrained(written)
    again.set_timesteps(steps)
    assert torch.equal(again.timesteps, theirs.timesteps)
    assert torch.equal(again.alphas_cumprod, theirs.alphas_cumprod)
    assert json.loads((written / SCHEDULER).read_text())["prediction_type"] == theirs.config.prediction_type
