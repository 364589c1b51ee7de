"""Folders of Stable Diffusion: what is refused, sizes, and what else the model of a folder can do."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import morphogen as mg
from benchmarks.peers.diffusers_pipeline import write_pipeline
from morphogen.component import ConfigError
from morphogen.conditioning.guidance import Guided
from morphogen.conditioning.label import Label
from morphogen.families.diffusion import DDIM, DynamicThreshold, LeadingTimesteps, LinearBetas
from morphogen.inference.editing import Inpaint, SDEdit, edit
from morphogen.interop.diffusers_scheduler import read_scheduler, write_scheduler
from morphogen.interop.stable_diffusion import read_stable_diffusion, write_stable_diffusion
from morphogen.model import Model

pytest.importorskip("diffusers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stable-diffusion")
    write_pipeline(folder)
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return mg.load(f"diffusers:{folder}")


def changed(folder: Path, copy: Path, file: str, **values: Any) -> Path:
    shutil.copytree(folder, copy)
    path = copy / file
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return path


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("model_index.json", {"_class_name": "StableDiffusionXLPipeline"}, "StableDiffusionXLPipeline"),
    ("model_index.json", {"unet": ["diffusers", "FluxTransformer2DModel"]}, "unsupported unet 'FluxTransf"),
    ("model_index.json", {"image_encoder": ["transformers", "CLIPVisionModel"]}, "image_encoder"),
    ("unet/config.json", {"class_embed_type": "timestep"}, "class_embed_type"),
    ("unet/config.json", {"transformer_layers_per_block": 2}, "transformer_layers_per_block"),
    ("unet/config.json", {"up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"]}, "mirror"),
    ("unet/config.json", {"out_channels": 8}, "out_channels must be in_channels"),
    ("unet/config.json", {"attention_head_dim": [2, 4]}, "require use_linear_projection"),
    ("unet/config.json", {"cross_attention_dim": 24}, r"attn2.to_k.weight has shape \(32, 16\)"),
    ("unet/config.json", {"block_out_channels": [32, 48]}, "multiples of the first"),
    ("scheduler/scheduler_config.json", {"_class_name": "LMSDiscreteScheduler"}, "LMSDiscreteScheduler"),
    ("scheduler/scheduler_config.json", {"clip_sample": True}, "clip_sample"),
    ("scheduler/scheduler_config.json", {"timestep_spacing": "linspace"}, "timestep_spacing"),
    ("scheduler/scheduler_config.json", {"steps_offset": 0}, "steps_offset must be at least 1"),
    ("scheduler/scheduler_config.json", {"trained_betas": [0.1]}, "trained_betas"),
    ("scheduler/scheduler_config.json", {"beta_end": 1.5}, "below 1"),
    ("vae/config.json", {"latent_channels": 8}, "has shape"),
]


@pytest.mark.parametrize(("file", "values", "words"), REFUSED)
def test_a_folder_without_an_equivalent_is_refused(
    file: str, values: dict[str, Any], words: str, folder: Path, tmp_path: Path
) -> None:
    changed(folder, tmp_path / "copy", file, **values)
    with pytest.raises(ConfigError, match=words) as error:
        read_stable_diffusion(tmp_path / "copy")
    assert str(error.value).startswith(str(tmp_path / "copy" / file.partition("/")[0])) and "\n" not in str(
        error.value
    )


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder", "scheduler", "tokenizer"])
def test_a_missing_part_is_named(part: str, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / part)
    with pytest.raises(ConfigError, match=f"copy/{part}") as error:
        read_stable_diffusion(tmp_path / "copy")
    assert "\n" not in str(error.value)


def test_other_sides_change_the_size_of_the_pictures(folder: Path) -> None:
    wide = read_stable_diffusion(folder, (16, 32))
    assert wide.sample(1, "red", DDIM(2, spacing=LeadingTimesteps())).tensor.shape == (1, 3, 16, 32)
    with pytest.raises(ConfigError, match="multiples of 2, got"):
        read_stable_diffusion(folder, (16, 31))


def test_a_saved_model_is_the_same_and_sample_0_does_not_depend_on_the_batch(
    model: Any, tmp_path: Path
) -> None:
    mg.save(model, tmp_path / "model")
    sampler = Guided(DDIM(3, spacing=LeadingTimesteps()), 3.0, interval=(200, 900))
    expected = model.sample(2, "a red cat", sampler, seed=1, negative="blue").tensor
    again = mg.load(tmp_path / "model").sample(1, "a red cat", sampler, seed=1, negative="blue").tensor
    assert torch.allclose(again, expected[:1], atol=1 / 127)
    threshold = DDIM(3, clip=DynamicThreshold(0.9), spacing=LeadingTimesteps())
    assert not torch.equal(model.sample(1, "a red cat", threshold, seed=1).tensor, expected[:1])


def test_inpainting_keeps_the_given_pixels_exactly(model: Any) -> None:
    pictures = torch.randint(0, 256, (1, 3, 16, 16)) * 2 / 255 - 1
    mask = torch.zeros(16, 16, dtype=torch.bool)
    mask[3:9, 5:] = True
    sampler = Guided(DDIM(3, spacing=LeadingTimesteps()), 3.0)
    edited = edit(model, pictures, Inpaint(mask), 2, "red", sampler, negative="blue").tensor
    assert torch.equal(edited[..., ~mask], pictures.expand(2, -1, -1, -1)[..., ~mask])
    assert not torch.equal(edited[0], edited[1])
    unchanged = edit(model, pictures, SDEdit(0.0), 1, "red").tensor
    assert not torch.equal(unchanged, edit(model, pictures, SDEdit(1.0), 1, "red").tensor)


def test_what_diffusers_does_not_have_is_not_written(model: Any, tmp_path: Path) -> None:
    objective = model.objective
    other_chain = type(objective)(**objective.arguments | {"schedule": LinearBetas()})
    with pytest.raises(ConfigError, match=r"train with ZeroBased\(LinearBetas"):
        write_scheduler(other_chain, tmp_path)
    with pytest.raises(ConfigError, match=r"has a Caption.* not Label"):
        write_stable_diffusion(Model(objective, model.representation, Label(3, 4)), tmp_path)


def test_zero_terminal_snr_is_written_and_read(model: Any, folder: Path, tmp_path: Path) -> None:
    values = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing", "set_alpha_to_one": True}
    values |= {"prediction_type": "v_prediction", "steps_offset": 0}
    path = changed(folder, tmp_path / "copy", "scheduler/scheduler_config.json", **values)
    scheduler = read_scheduler(path.parent)
    objective = type(model.objective)(
        **model.objective.arguments | {"schedule": scheduler.schedule, "target": "v", "sampler": DDIM(4)}
    )
    write_scheduler(objective, tmp_path / "written")
    again = read_scheduler(tmp_path / "written")
    assert torch.equal(again.schedule.alpha_squared, scheduler.schedule.alpha_squared)
    assert again.target == "v"
