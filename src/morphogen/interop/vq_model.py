"""The first stage of VQGAN to and from a folder that diffusers' VQModel can open too.

    ids = argmin_k | z - e_k |^2,   z = quant_conv(encoder(image)),   decoder(post_quant_conv(e_ids))

The codebook of the folder has no averages: those of ours start at the codes themselves. scaling_factor has
no effect on ids and is not kept.

Reference: Taming transformers for high-resolution image synthesis, Esser, Rombach & Ommer, 2021; names as in
von Platen et al., 2022, "Diffusers".
"""

__all__ = ["read_vq_model", "write_vq_model"]

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from morphogen.component import ConfigError
from morphogen.families.vae import VQVAE, Codebook, SharedScaleLogistic
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
from morphogen.representations.latent import Latent
from morphogen.representations.pixels import Pixels

KIND = "VQModel"
OWN = {"num_vq_embeddings", "vq_embed_dim", "norm_type", "lookup_from_codebook"}


def read_vq_model(folder: str | Path, sides: tuple[int, int] | None = None) -> Latent:
    """The ids of a folder, as the representation of a second stage; the model is its `first_stage`.

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
    config.choice("norm_type", {"group": None}, "group")
    architecture = Architecture.read(config, sides)
    objective = read_weights(config, partial(_objective, config, architecture), _tensor_mappings)
    codebook: Any = objective.quantizer
    codebook.sums.copy_(codebook.vectors)  # of one vector each: the counts are 1
    return Latent(Model(objective, Pixels(256, architecture.shape))).eval()


def write_vq_model(latent: Latent, folder: str | Path) -> None:
    """Write a first stage to a folder.

    Arguments:
        latent: the representation of the second stage; `Latent(model)` if there is none.
        folder: to write to.

    Raises:
        ConfigError: for a first stage that VQModel cannot represent; the message names the part.
    """
    objective = latent.first_stage.objective
    objective = getattr(objective, "autoencoder", objective)  # without its discriminator
    if not isinstance(objective, VQVAE) or type(objective.quantizer) is not Codebook:
        kind = type(getattr(objective, "quantizer", objective)).__name__
        raise ConfigError(f"{KIND} does not support {kind}: save the model with morphogen.save")
    encoder, decoder = objective.encoder, objective.network
    config: dict[str, Any] = write_config(encoder, decoder)
    if encoder.inner is None or encoder.inner != decoder.inner:
        raise ConfigError(
            f"{KIND} requires the same inner channels of both networks, not {encoder.inner} and "
            f"{decoder.inner}"
        )
    config |= {
        "_class_name": KIND,
        "latent_channels": encoder.inner,
        "num_vq_embeddings": objective.quantizer.codes,
        "vq_embed_dim": objective.quantizer.width,
        "norm_type": "group",
        "scaling_factor": 1.0,
    }
    write_folder(Path(folder), config, _tensor_mappings(objective), "", WEIGHTS)


def _tensor_mappings(objective: Any) -> Iterator[TensorMapping]:
    """All tensors of the networks, and the codes."""
    yield from tensor_mappings(objective.encoder, objective.network)
    yield TensorMapping.single(objective.quantizer.vectors, "quantize.embedding.weight")


def _objective(config: Config, architecture: Architecture) -> VQVAE:
    """An uninitialised first stage of the config's sizes."""
    inner = architecture.latent
    codes, width = config.integer("num_vq_embeddings", least=2), config.integer("vq_embed_dim", inner)
    encoder = architecture.encoder(width, inner)
    return VQVAE(
        encoder,
        architecture.decoder(width, inner),
        SharedScaleLogistic(256),
        Codebook(codes, width),
        coarsest_size(encoder.shape, encoder.widths),
    )
