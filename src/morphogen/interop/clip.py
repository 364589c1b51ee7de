"""CLIP to and from a folder of transformers: both towers, their projections, the temperature, the tokenizer.

    text_model.*, vision_model.*, text_projection, visual_projection, logit_scale

The mean and the standard deviation of pictures are in preprocessor_config.json.

Reference: Learning transferable visual models from natural language supervision, Radford et al., 2021; names
as in Wolf et al., 2020, "Transformers".
"""

__all__ = ["read_clip", "write_clip"]

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from morphogen.component import ConfigError
from morphogen.conditioning.caption import Caption
from morphogen.families.contrastive import Contrastive
from morphogen.files import write_json
from morphogen.interop.clip_text import (
    IGNORED,
    block_mappings,
    layer_config,
    norm_mappings,
    text_config,
    text_mappings,
    text_transformer,
    transformer_block,
)
from morphogen.interop.clip_tokenizer_files import read_clip_tokenizer, write_clip_tokenizer
from morphogen.interop.hugging_face import Config, TensorMapping, Weights, write_folder
from morphogen.model import Model
from morphogen.networks.text_transformer import TextTransformer
from morphogen.networks.vision_transformer import Projection, VisionTransformer
from morphogen.representations.clip_tokenizer import CLIPTokenizer
from morphogen.representations.pixels import Pixels

PREPROCESSOR = "preprocessor_config.json"
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # of the paper's data
LEVELS = 256


def read_clip(folder: str | Path) -> Model:
    """The model in a folder.

    Arguments:
        folder: with config.json, model.safetensors and the files of the tokenizer.

    Raises:
        ConfigError: if a file is missing, damaged or of another architecture; the message begins with its
            path.
    """
    folder = Path(folder)
    config, weights = Config(folder), Weights(folder, "", IGNORED)
    config.choice("model_type", {"clip": None}, "clip")
    tokenizer = read_clip_tokenizer(folder)
    with torch.device("meta"):
        weights.check(list(_mappings(_objective(config, weights), _encoder(config, weights, tokenizer))))
    objective, encoder = _objective(config, weights), _encoder(config, weights, tokenizer)
    weights.fill(list(_mappings(objective, encoder)))
    shape: Any = objective.network.shape
    return Model(objective, Pixels(LEVELS, shape), Caption(tokenizer, encoder)).eval()


def write_clip(model: Model, folder: str | Path) -> None:
    """Write a CLIP model to a folder, with the files of its tokenizer if that is CLIP's.

    Raises:
        ConfigError: for a model that CLIP cannot represent; the message names the part.
    """
    objective: Any = model.objective
    caption: Any = model.conditioner
    for part, kind in (
        (objective, Contrastive),
        (caption, Caption),
        (getattr(objective, "network", None), VisionTransformer),
        (getattr(objective, "condition_network", None), Projection),
        (getattr(caption, "encoder", None), TextTransformer),
    ):
        if type(part) is not kind:
            raise ConfigError(
                f"CLIP has no {type(part).__name__} for the {kind.__name__}: save it with morphogen.save"
            )
    picture, encoder, folder = objective.network, caption.encoder, Path(folder)
    config = {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "projection_dim": picture.features,
        "logit_scale_init_value": -math.log(objective.temperature),
        "text_config": text_config(encoder) | {"projection_dim": picture.features},
        "vision_config": _vision_config(picture),
        "dtype": "float32",
    }
    write_folder(folder, config, _mappings(objective, encoder), "")
    write_json(folder / PREPROCESSOR, _preprocessor(picture))
    if isinstance(caption.tokenizer, CLIPTokenizer):
        write_clip_tokenizer(caption.tokenizer, folder)


def _objective(config: Config, weights: Weights) -> Contrastive:
    """Uninitialised towers of the config's sizes, but the text encoder."""
    vision, features = config.part("vision_config"), config.integer("projection_dim", 512)
    side, channels = vision.integer("image_size", 224), vision.integer("num_channels", 3)
    block, layers = transformer_block(vision, 768, 12, len(weights))
    mean, std = _normalization(config.path.parent, channels)
    patch, width = vision.integer("patch_size", 32), config.part("text_config").integer("hidden_size", 512)
    try:
        picture = VisionTransformer(
            (channels, side, side), patch, block, layers, features, mean=mean, std=std
        )
        temperature = math.exp(-config.number("logit_scale_init_value", 2.6592))
        return Contrastive(picture, Projection(width, features), temperature)
    except (ConfigError, OverflowError) as error:
        raise ConfigError(f"{config.path}: {error}") from None


def _encoder(config: Config, weights: Weights, tokenizer: CLIPTokenizer) -> TextTransformer:
    """The uninitialised text encoder. Errors: ConfigError for a tokenizer with ids beyond its vocabulary."""
    encoder = text_transformer(config.part("text_config"), len(weights))
    if tokenizer.vocabulary > encoder.vocabulary:
        raise ConfigError(
            f"{config.path}: vocab_size is {encoder.vocabulary}, and the tokenizer has "
            f"{tokenizer.vocabulary} pieces: give the tokenizer of this model"
        )
    return encoder


def _mappings(objective: Any, encoder: TextTransformer) -> Iterator[TensorMapping]:
    """All tensors of a model."""
    picture, name = objective.network, "vision_model."
    yield from text_mappings(encoder, "text_model.")
    yield TensorMapping.single(picture.class_token, f"{name}embeddings.class_embedding")
    yield TensorMapping.single(picture.stem.weight, f"{name}embeddings.patch_embedding.weight")
    yield TensorMapping.single(picture.positions.weight, f"{name}embeddings.position_embedding.weight")
    yield from norm_mappings(picture.first_norm, f"{name}pre_layrnorm")
    yield from block_mappings(picture, name)
    yield from norm_mappings(picture.norm, f"{name}post_layernorm")
    yield TensorMapping.single(picture.projection.weight, "visual_projection.weight")
    yield TensorMapping.single(objective.condition_network.linear.weight, "text_projection.weight")
    yield TensorMapping.single(objective.log_scale, "logit_scale")


def _vision_config(picture: VisionTransformer) -> dict[str, Any]:
    """The config of the picture tower. Errors: ConfigError for a layer that CLIP does not have."""
    channels, height, width = picture.shape
    if height != width:
        raise ConfigError(f"CLIP has square pictures, not {height} x {width}: save it with morphogen.save")
    return {
        "model_type": "clip_vision_model",
        "image_size": height,
        "num_channels": channels,
        "patch_size": picture.patch,
        "projection_dim": picture.features,
        **layer_config(picture),
    }


def _normalization(folder: Path, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel; without the file, the paper's for three channels."""
    if not (folder / PREPROCESSOR).exists():
        return (MEAN, STD) if channels == len(MEAN) else ((0.5,) * channels, (0.5,) * channels)
    config = Config(folder, PREPROCESSOR)
    return config.numbers("image_mean", channels), config.numbers("image_std", channels)


def _preprocessor(picture: VisionTransformer) -> dict[str, Any]:
    side = picture.shape[1]
    return {
        "image_processor_type": "CLIPImageProcessor",
        "image_mean": list(picture.mean),
        "image_std": list(picture.std),
        "size": {"shortest_edge": side},
        "crop_size": {"height": side, "width": side},
        "do_resize": True,
        "do_center_crop": True,
        "do_rescale": True,
        "do_normalize": True,
        "do_convert_rgb": True,
        "rescale_factor": 1 / (LEVELS - 1),
        "resample": 3,  # bicubic, of Pillow
    }
