"""Stable Diffusion's pipeline of diffusers against ours: the same folder, noise and times.

Components agree within 1e-4, sampled latents within 1e-5 of their largest value, which is up to 30.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.peers.diffusers_pipeline import SCHEDULER, write_pipeline
from morphogen.conditioning.caption import caption_bytes
from morphogen.conditioning.guidance import Guided
from morphogen.families.diffusion import (
    DDIM,
    PNDM,
    DPMSolver,
    LeadingTimesteps,
    UniformTimesteps,
    WithoutLast,
)
from morphogen.interop.stable_diffusion import read_stable_diffusion, write_stable_diffusion
from morphogen.numerics.randomness import Rng

diffusers: Any = pytest.importorskip("diffusers")
PROMPTS, NEGATIVE, SCALE = ["a red cat", "Blue, 3 dogs and many many more words"], "red", 3.0
CALLS = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("stable-diffusion")
    return folder, write_pipeline(folder)


def theirs(pipeline: Any, calls: int, negative: str | None, output: str = "latent") -> Tensor:
    """The latents of their pipeline, or its pictures ("pt"), from the noise of ours."""
    noise = Rng(0, torch.arange(2), ("sample",)).fork("x").fork("start").normal(4, 8, 8)
    negatives = None if negative is None else [negative] * len(PROMPTS)
    return pipeline(
        PROMPTS, num_inference_steps=calls, guidance_scale=SCALE, latents=noise, output_type=output,
        negative_prompt=negatives,
    ).images  # fmt: skip


SAMPLERS = {
    "DDIMScheduler": DDIM(CALLS, spacing=LeadingTimesteps()),
    "PNDMScheduler": PNDM(CALLS + 1, spacing=LeadingTimesteps()),
    "DPMSolverMultistepScheduler": DPMSolver(CALLS, spacing=WithoutLast(UniformTimesteps())),
}


@pytest.mark.parametrize(
    ("kind", "negative"), [*((kind, None) for kind in SAMPLERS), ("DDIMScheduler", NEGATIVE)]
)
def test_pictures_of_captions(folder: tuple[Path, Any], kind: str, negative: str | None) -> None:
    path, pipeline = folder
    settings = {"skip_prk_steps": True} if kind == "PNDMScheduler" else {}
    settings |= {"timestep_spacing": "linspace"} if kind.startswith("DPM") else {}
    pipeline.scheduler = getattr(diffusers, kind).from_config(SCHEDULER | settings)
    model = read_stable_diffusion(path)
    sampler = Guided(SAMPLERS[kind], SCALE)
    ours = latents(model, PROMPTS, sampler, negative)
    expected = theirs(pipeline, CALLS, negative)
    assert expected.std() > 0.1
    assert (ours - expected).abs().max() <= 1e-5 * max(10.0, float(expected.abs().max()))
    assert (latents(model, PROMPTS[::-1], sampler, negative) - expected).abs().max() > 1e-3
    pictures = model.sample(2, PROMPTS, sampler, seed=0, negative=negative).tensor  # of 256 levels
    assert (pictures - (2 * theirs(pipeline, CALLS, negative, "pt") - 1)).abs().max() <= 1 / 255 + 1e-4


def latents(model: Any, prompts: list[str], sampler: Any, negative: str | None) -> Tensor:
    rng = Rng(0, torch.arange(2), ("sample",)).fork("x")
    given, unwanted = model.conditions(prompts, 2), model.conditions(negative, 2, "negative")
    return model.sample_batch(rng, given, sampler, unwanted)


@torch.no_grad()
def test_text_encoder_and_autoencoder(folder: tuple[Path, Any]) -> None:
    path, pipeline = folder
    model = read_stable_diffusion(path)
    words = pipeline.tokenizer(PROMPTS, padding="max_length", truncation=True, return_tensors="pt").input_ids
    context = model.context({"caption": caption_bytes(PROMPTS)}, 2)
    assert context is not None and context.tokens is not None and context.null is not None
    assert (context.tokens - pipeline.text_encoder(words).last_hidden_state).abs().max() <= 1e-4
    z = torch.randn(2, 4, 8, 8)
    expected = pipeline.vae.decode(z / pipeline.vae.config.scaling_factor).sample
    inner = model.representation.inner.first_stage.objective
    network = getattr(inner, "network", None)
    assert network is not None
    assert (network(z / model.representation.scale) - expected).abs().max() <= 1e-4


def test_the_folder_is_written_back(folder: tuple[Path, Any], tmp_path: Path) -> None:
    path, pipeline = folder
    write_stable_diffusion(read_stable_diffusion(path), tmp_path)
    again = diffusers.StableDiffusionPipeline.from_pretrained(tmp_path)
    again.set_progress_bar_config(disable=True)
    for part in ("unet", "vae", "text_encoder"):
        states = (getattr(one, part).state_dict() for one in (pipeline, again))
        assert all(torch.equal(p, q) for p, q in zip(*(state.values() for state in states), strict=True))
    pipeline.scheduler = diffusers.DDIMScheduler.from_config(again.scheduler.config)
    assert torch.equal(theirs(pipeline, CALLS, NEGATIVE), theirs(again, CALLS, NEGATIVE))
