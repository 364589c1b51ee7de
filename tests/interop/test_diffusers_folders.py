"""Folders of AutoencoderKL and VQModel: one-line errors for what is damaged or has no equivalent here."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from morphogen.component import ConfigError
from morphogen.families.vae import VAE, VQVAE, Codebook, DiscretizedLogistic, ResidualQuantizer
from morphogen.interop.autoencoder_kl import read_autoencoder_kl, write_autoencoder_kl
from morphogen.interop.diffusers_autoencoder import WEIGHTS
from morphogen.interop.vq_model import read_vq_model, write_vq_model
from morphogen.model import Model
from morphogen.networks.convnet import ConvDecoder, ConvEncoder
from morphogen.networks.vqgan import VQGANDecoder, VQGANEncoder
from morphogen.representations.latent import Latent
from morphogen.representations.pixels import Pixels
from morphogen.representations.unit_variance import UnitVariance

SHAPE, WIDTHS = (1, 8, 8), (4, 8)
NETWORK: dict[str, Any] = {"widths": WIDTHS, "blocks": 1, "groups": 2}


def autoencoder_kl(inner: int = 4, **changes: Any) -> UnitVariance:
    encoder = changes.get("encoder", VQGANEncoder(SHAPE, 4, inner=inner, **NETWORK))
    decoder = changes.get("decoder", VQGANDecoder(2, SHAPE, inner=2, **NETWORK))
    objective = VAE(encoder, decoder, DiscretizedLogistic(256), (2, 4, 4))
    return UnitVariance(Latent(Model(objective, Pixels(256, SHAPE))))


def vq_model(quantizer: Any = None, inner: int | None = 3) -> Latent:
    encoder = VQGANEncoder(SHAPE, 2, inner=inner, **NETWORK)
    decoder = VQGANDecoder(2, SHAPE, inner=3, **NETWORK)
    quantizer = quantizer or Codebook(5, 2)
    objective = VQVAE(encoder, decoder, DiscretizedLogistic(256), quantizer, (4, 4))
    return Latent(Model(objective, Pixels(256, SHAPE)))


ADAPTERS: dict[str, tuple[Callable[[], Any], Callable[[Path], Any], Callable[[Any, Path], None]]] = {
    "AutoencoderKL": (autoencoder_kl, read_autoencoder_kl, write_autoencoder_kl),
    "VQModel": (vq_model, read_vq_model, write_vq_model),
}
REFUSED = [
    ("AutoencoderKL", "latents_mean", [0.0, 0.0]),
    ("AutoencoderKL", "use_tiling", True),
    ("AutoencoderKL", "act_fn", "relu"),
    ("AutoencoderKL", "scaling_factor", -1.0),
    ("AutoencoderKL", "shift_factor", "small"),
    ("AutoencoderKL", "out_channels", 3),
    ("AutoencoderKL", "down_block_types", ["DownEncoderBlock2D", "CrossAttnDownBlock2D"]),
    ("AutoencoderKL", "up_block_types", ["UpDecoderBlock2D"]),
    ("AutoencoderKL", "block_out_channels", 8),
    ("AutoencoderKL", "block_out_channels", [4, 7]),
    ("AutoencoderKL", "layers_per_block", 10**6),
    ("AutoencoderKL", "sample_size", [8, 8, 8]),
    ("AutoencoderKL", "sample_size", 9),
    ("AutoencoderKL", "_class_name", "VQModel"),
    ("VQModel", "norm_type", "spatial"),
    ("VQModel", "num_vq_embeddings", 1),
    ("VQModel", "shift_factor", 0.1),
]


@pytest.mark.parametrize(("kind", "name", "value"), REFUSED)
def test_settings_without_an_equivalent_are_refused_by_name(
    kind: str, name: str, value: Any, tmp_path: Path
) -> None:
    build, read, write = ADAPTERS[kind]
    write(build(), tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    words = {"block_out_channels": "block_out_channels|width", "sample_size": "sample_size|image"}
    with pytest.raises(ConfigError, match=words.get(name, name)) as error:
        read(tmp_path)
    assert "\n" not in str(error.value) and str(error.value).startswith(str(path))


@pytest.mark.parametrize("kind", ADAPTERS)
def test_a_damaged_folder_reads_or_raises_a_one_line_error(kind: str, tmp_path: Path) -> None:
    """40 seeded damages of each; a changed digit may give a valid network, everything else is refused."""
    build, read, write = ADAPTERS[kind]
    latent, refused = build(), 0
    for seed in range(40):
        folder = tmp_path / str(seed)
        write(latent, folder)
        damage(folder, random.Random(seed))
        try:
            read(folder)
        except ConfigError as error:
            refused += 1
            assert "\n" not in str(error) and str(error).startswith(str(folder)), error
    assert refused >= 20


def damage(folder: Path, rng: random.Random) -> None:
    """Damage a folder in one of four ways."""
    config, weights = folder / "config.json", folder / WEIGHTS
    way = rng.choice(["byte", "cut", "value", "tensor"])
    path = rng.choice([config, weights])
    if way == "byte":
        data = bytearray(path.read_bytes())
        data[rng.randrange(min(len(data), 2000))] = rng.randrange(256)
        path.write_bytes(data)
    elif way == "cut":
        path.write_bytes(path.read_bytes()[: rng.randrange(path.stat().st_size)])
    elif way == "value":
        values = json.loads(config.read_text())
        values[rng.choice(list(values))] = rng.choice([None, -1, 0, 3.5, "many", [], {}, 10**12, True, 7])
        config.write_text(json.dumps(values))
    else:
        tensors = load_file(weights)
        name = rng.choice(sorted(tensors))
        tensor = tensors.pop(name)
        changed = rng.choice([None, tensor[:-1], tensor[None], tensor.long(), tensor * torch.nan])
        tensors |= {} if changed is None else {name: changed.contiguous()}
        save_file(tensors, weights)


def test_a_folder_keeps_the_scale_of_the_latents(tmp_path: Path) -> None:
    latent = autoencoder_kl()
    latent.scale.fill_(0.75)
    latent.shift.fill_(-0.25)
    write_autoencoder_kl(latent, tmp_path)
    read = read_autoencoder_kl(tmp_path)
    assert (read.scale.item(), read.shift.item()) == (0.75, -0.25)


def test_other_sides_than_those_of_the_folder(tmp_path: Path) -> None:
    write_autoencoder_kl(autoencoder_kl(), tmp_path)
    assert read_autoencoder_kl(tmp_path, (16, 12)).shape == (2, 8, 6)


def test_a_codebook_that_was_read_keeps_its_codes_when_it_is_trained(tmp_path: Path) -> None:
    latent = vq_model()
    latent.first_stage.objective.quantizer.vectors.normal_()
    write_vq_model(latent, tmp_path)
    read: Any = read_vq_model(tmp_path).first_stage.objective.quantizer
    before = read.vectors.clone()
    zeros = {name: torch.zeros_like(getattr(read, name)) for name in ("counts", "sums")}
    read.update(zeros | {"offered": torch.zeros(5), "candidates": torch.zeros(5, 2)})
    torch.testing.assert_close(read.vectors, before)


def test_first_stages_that_a_folder_cannot_hold_are_refused(tmp_path: Path) -> None:
    other = ConvDecoder((2, 4, 4), SHAPE, WIDTHS)
    wide = VQGANDecoder(2, SHAPE, inner=2, **NETWORK | {"blocks": 2})
    unsupported: list[tuple[str, Callable[[], None]]] = [
        ("ConvDecoder", lambda: write_autoencoder_kl(autoencoder_kl(decoder=other), tmp_path / "out")),
        ("same blocks", lambda: write_autoencoder_kl(autoencoder_kl(decoder=wide), tmp_path / "out")),
        ("inner=3", lambda: write_autoencoder_kl(autoencoder_kl(inner=3), tmp_path / "out")),
        ("VQVAE", lambda: write_autoencoder_kl(UnitVariance(_continuous()), tmp_path / "out")),
        ("ResidualQuantizer", lambda: write_vq_model(vq_model(_residual()), tmp_path / "out")),
        ("same inner", lambda: write_vq_model(vq_model(inner=None), tmp_path / "out")),
    ]
    for words, write in unsupported:
        with pytest.raises(ConfigError, match=words) as error:
            write()
        assert "\n" not in str(error.value) and not (tmp_path / "out").exists()


def _residual() -> ResidualQuantizer:
    return ResidualQuantizer((Codebook(5, 2),))


def _continuous() -> Any:
    """The latents of a VQVAE, as if they were real numbers."""
    latent = vq_model()
    latent.discrete = False
    return latent


def test_convolutional_encoders_are_refused(tmp_path: Path) -> None:
    latent = autoencoder_kl(encoder=ConvEncoder(SHAPE, (4, 4, 4), WIDTHS))
    with pytest.raises(ConfigError, match="ConvEncoder"):
        write_autoencoder_kl(latent, tmp_path)
