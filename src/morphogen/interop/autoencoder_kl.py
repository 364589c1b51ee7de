r"""The first stage of latent diffusion to and from a folder that diffusers' AutoencoderKL can open too.

    x = scaling_factor (z - shift_factor),  z ~ N(mu, sigma^2),  mu, log sigma^2 = quant_conv(encoder(image))

The folder has log sigma^2 where our networks have log sigma: the rows of the last convolution that give it
are halved on reading and doubled on writing, which is exact. The bounds of log sigma^2 in diffusers, -30 and
20, are not applied. The folder has neither an observation model nor a discriminator: the scale of
`SharedScaleLogistic` starts anew.

Reference: High-resolution image synthesis with latent diffusion models, Rombach et al., 2022; names as in von
Platen et al., 2022, "Diffusers".
"""

__all__ = ["read_autoencoder_kl", "write_autoencoder_kl"]

import copy
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

from morphogen.component import ConfigError
from morphogen.families.vae import ELBO, VAE, DiagonalGaussian, SharedScaleLogistic
from morphogen.interop.diffusers_autoencoder import (
    ARCHITECTURE,
    WEIGHTS,
    Architecture,
    read_weights,
    tensor_mappings,
    write_config,
)
from morphogen.interop.hugging_face import Config, TensorMapping, write_folder
from morphogen.model import Model
from morphogen.networks.convnet import coarsest_size
from morphogen.networks.vqgan import VQGANEncoder
from morphogen.representations.latent import Latent
from morphogen.representations.pixels import Pixels
from morphogen.representations.unit_variance import UnitVariance

KIND = "AutoencoderKL"
OWN = {"shift_factor", "latents_mean", "latents_std", "use_quant_conv", "use_post_quant_conv"}
KL_WEIGHT = 1e-6  # of the published first stages


def read_autoencoder_kl(folder: str | Path, sides: tuple[int, int] | None = None) -> UnitVariance:
    """The latents of a folder, as the representation of a second stage; the model is `inner.first_stage`.

    Arguments:
        folder: with config.json and diffusion_pytorch_model.safetensors.
        sides: (height, width) of the images; None: sample_size of config.json.

    Raises:
        ConfigError: if a file is missing, damaged or of another architecture, or for a setting without an
            equivalent here; the message begins with its path.
    """
    folder = Path(folder)
    config = Config(folder)
    config.choice("_class_name", {KIND: None}, KIND)
    config.refuse_others(ARCHITECTURE | OWN)
    for name in ("latents_mean", "latents_std"):
        config.choice(name, {None: None}, None)
    architecture = Architecture.read(config, sides)
    objective: Any = read_weights(config, partial(_objective, config, architecture), _tensor_mappings)
    _multiply_log_sigma(objective.encoder, 0.5)
    latent = UnitVariance(Latent(Model(objective, Pixels(256, architecture.shape))))
    latent.scale.fill_(config.positive_number("scaling_factor", 0.18215))
    latent.shift.fill_(config.number("shift_factor", 0.0))
    return latent.eval()


def write_autoencoder_kl(latent: UnitVariance, folder: str | Path) -> None:
    """Write a first stage and the scale of its latents to a folder.

    Arguments:
        latent: the representation of the second stage; `UnitVariance(Latent(model))` if there is none.
        folder: to write to.

    Raises:
        ConfigError: for a first stage that AutoencoderKL cannot represent; the message names the part.
    """
    objective = latent.inner.first_stage.objective
    objective = getattr(objective, "autoencoder", objective)  # without its discriminator
    if not isinstance(objective, VAE) or type(objective.posterior) is not DiagonalGaussian:
        kind = type(getattr(objective, "posterior", objective)).__name__
        raise ConfigError(f"{KIND} does not support {kind}: save the model with morphogen.save")
    objective = copy.deepcopy(objective)
    encoder: Any = objective.encoder
    decoder: Any = objective.network
    config, channels = write_config(encoder, decoder), decoder.latent
    if encoder.inner not in (None, 2 * channels) or decoder.inner not in (None, channels):
        raise ConfigError(
            f"{KIND} does not support inner={encoder.inner} and {decoder.inner} for {channels} latents"
        )
    _multiply_log_sigma(encoder, 2.0)
    shift = latent.shift.item()
    config |= {
        "_class_name": KIND,
        "latent_channels": channels,
        "use_quant_conv": encoder.inner is not None,
        "use_post_quant_conv": decoder.inner is not None,
        "scaling_factor": latent.scale.item(),
        "shift_factor": shift if shift else None,
    }
    write_folder(Path(folder), config, _tensor_mappings(objective), "", WEIGHTS)


def _tensor_mappings(objective: Any) -> Iterator[TensorMapping]:
    """All tensors of the networks."""
    return tensor_mappings(objective.encoder, objective.network)


def _objective(config: Config, architecture: Architecture) -> VAE:
    """An uninitialised first stage of the config's sizes."""
    channels, switch = architecture.latent, {True: True, False: False}
    quant, post_quant = (
        config.choice(f"use_{name}", switch, True) for name in ("quant_conv", "post_quant_conv")
    )
    encoder = architecture.encoder(2 * channels, 2 * channels if quant else None)
    return VAE(
        encoder,
        architecture.decoder(channels, channels if post_quant else None),
        SharedScaleLogistic(256),
        (channels, *coarsest_size(encoder.shape, encoder.widths)),
        bound=ELBO(KL_WEIGHT),
    )


@torch.no_grad()
def _multiply_log_sigma(encoder: VQGANEncoder, factor: float) -> None:
    """Multiply the second half of the encoder's output."""
    last: Any = encoder.head if encoder.inner is None else encoder.quant
    for parameter in (last.weight, last.bias):
        parameter[len(parameter) // 2 :] *= factor
