"""AutoencoderKL and VQModel of diffusers: equal latents and images for equal weights (<= 1e-4), both ways."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from morphogen.interop.autoencoder_kl import read_autoencoder_kl, write_autoencoder_kl
from morphogen.interop.vq_model import read_vq_model, write_vq_model
from morphogen.numerics.randomness import Rng

diffusers = pytest.importorskip("diffusers")

PLAIN: dict[str, Any] = {
    "in_channels": 1,
    "out_channels": 1,
    "down_block_types": ("DownEncoderBlock2D", "DownEncoderBlock2D"),
    "up_block_types": ("UpDecoderBlock2D", "UpDecoderBlock2D"),
    "block_out_channels": (8, 16),
    "norm_num_groups": 4,
    "latent_channels": 2,
    "sample_size": 8,
}
ATTENTION: dict[str, Any] = PLAIN | {
    "in_channels": 3,
    "out_channels": 3,
    "down_block_types": ("DownEncoderBlock2D", "AttnDownEncoderBlock2D", "DownEncoderBlock2D"),
    "up_block_types": ("AttnUpDecoderBlock2D", "UpDecoderBlock2D", "AttnUpDecoderBlock2D"),
    "block_out_channels": (8, 16, 8),
    "layers_per_block": 2,
    "sample_size": [12, 8],
}
KL = {
    "plain": PLAIN,
    "attention, shift": ATTENTION | {"scaling_factor": 0.36, "shift_factor": 0.12},
    "no 1x1 convolutions": PLAIN | {"use_quant_conv": False, "use_post_quant_conv": False},
    "no attention": PLAIN | {"mid_block_add_attention": False},
}
VQ = {
    "plain": PLAIN | {"num_vq_embeddings": 11},
    "attention, narrow codes": ATTENTION | {"num_vq_embeddings": 7, "vq_embed_dim": 3},
}


def theirs(kind: str, config: dict[str, Any]) -> Any:
    """A model of diffusers with random weights; biases of 0 would hide a misplaced one."""
    torch.manual_seed(0)
    model = getattr(diffusers, kind)(**config).eval()
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model


def images(config: dict[str, Any]) -> Tensor:
    size = config["sample_size"]
    return 2 * torch.rand(2, config["in_channels"], *(size if isinstance(size, list) else (size, size))) - 1


def close(ours: Tensor, expected: Tensor) -> None:
    assert expected.std() > 0.05
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=0)


@torch.no_grad()
def check_kl(latent: Any, model: Any, x: Tensor) -> None:
    """Moments, decoded images and the scaled latents of both."""
    objective, expected = latent.inner.first_stage.objective, model.encode(x).latent_dist
    mean, log_sigma = objective.encoder(x).chunk(2, 1)
    close(mean, expected.mean)
    close(2 * log_sigma, expected.logvar)
    close(objective.network(expected.mean), model.decode(expected.mean).sample)
    scale, shift = model.config.scaling_factor, model.config.shift_factor or 0.0
    z, _ = objective.encode(x, Rng(3, 2, ("posterior",)))
    torch.testing.assert_close(latent.encode(x, Rng(3, 2), measure=False).x, scale * (z - shift))
    image = model.decode(expected.mean).sample.clamp(-1, 1)
    grid = latent.decode(scale * (expected.mean - shift))
    torch.testing.assert_close(grid, image, atol=1 / 255 + 1e-4, rtol=0)


@torch.no_grad()
def check_vq(latent: Any, model: Any, x: Tensor) -> None:
    """Encoder output, ids and decoded images of both."""
    objective, z = latent.first_stage.objective, model.encode(x).latents
    close(objective.encoder(x), z)
    _, _, (_, _, ids) = model.quantize(z)
    assert latent.encode(x, Rng(0, 2), measure=False).x.flatten().tolist() == ids.tolist()
    close(objective.predict(objective.quantizer.encode(z), None), model.decode(z).sample)


@pytest.mark.parametrize("name", KL)
def test_autoencoder_kl_reads_and_writes(name: str, tmp_path: Path) -> None:
    model, x = theirs("AutoencoderKL", KL[name]), images(KL[name])
    model.save_pretrained(tmp_path / "theirs")
    latent = read_autoencoder_kl(tmp_path / "theirs")
    check_kl(latent, model, x)
    write_autoencoder_kl(latent, tmp_path / "ours")
    loaded = diffusers.AutoencoderKL.from_pretrained(tmp_path / "ours").eval()
    assert settings(loaded) == settings(model)
    check_kl(latent, loaded, x)


@pytest.mark.parametrize("name", VQ)
def test_vq_model_reads_and_writes(name: str, tmp_path: Path) -> None:
    model, x = theirs("VQModel", VQ[name]), images(VQ[name])
    model.save_pretrained(tmp_path / "theirs")
    latent = read_vq_model(tmp_path / "theirs")
    check_vq(latent, model, x)
    write_vq_model(latent, tmp_path / "ours")
    check_vq(latent, diffusers.VQModel.from_pretrained(tmp_path / "ours").eval(), x)


def test_names_of_older_files_are_read(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    model = theirs("AutoencoderKL", ATTENTION)
    model.save_pretrained(tmp_path)
    path, older = tmp_path / "diffusion_pytorch_model.safetensors", {}
    for name, tensor in load_file(path).items():
        for new, old in (("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")):
            name = name.replace(f".{new}.", f".{old}.")
        older[name] = tensor
    save_file(older, path)
    check_kl(read_autoencoder_kl(tmp_path), model, images(ATTENTION))


@torch.no_grad()
def test_exchanged_queries_and_keys_are_detected(tmp_path: Path) -> None:
    model, x = theirs("AutoencoderKL", ATTENTION), images(ATTENTION)
    model.save_pretrained(tmp_path)
    latent: Any = read_autoencoder_kl(tmp_path)
    joint = latent.inner.first_stage.objective.encoder.middle.attentions[0].attention.queries_keys_values
    joint.weight.copy_(joint.weight.roll(8, 0))
    with pytest.raises(AssertionError):
        check_kl(latent, model, x)


def settings(model: Any) -> dict[str, Any]:
    """The config without notes; numbers of a file have the digits of fp32, and its sequences are lists."""
    values = {name: value for name, value in model.config.items() if not name.startswith("_")}
    plain = {float: lambda value: round(value, 6), tuple: list}
    return {name: plain.get(type(value), lambda value: value)(value) for name, value in values.items()}
