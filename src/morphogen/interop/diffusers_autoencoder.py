"""What the first stages of diffusers have in common: their files, their networks and the names of tensors.

    encoder, decoder    conv_in, mid_block, conv_norm_out, conv_out; scales: down_blocks.I or up_blocks.I
    scale               resnets.J, attentions.J; downsamplers.0.conv or upsamplers.0.conv
    quant_conv, post_quant_conv

Reference: Diffusers, von Platen et al., 2022; the networks are those of Esser, Rombach & Ommer, 2021.
"""

__all__ = [
    "ARCHITECTURE",
    "WEIGHTS",
    "Architecture",
    "read_weights",
    "sample_size",
    "tensor_mappings",
    "write_config",
]

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import nn

from morphogen.component import ConfigError
from morphogen.interop.hugging_face import Config, TensorMapping, Weights
from morphogen.networks.vqgan import VQGANDecoder, VQGANEncoder

T = TypeVar("T")
WEIGHTS = "diffusion_pytorch_model.safetensors"
DOWN = {"DownEncoderBlock2D": False, "AttnDownEncoderBlock2D": True}  # whether a scale has attention
UP = {"UpDecoderBlock2D": False, "AttnUpDecoderBlock2D": True}
RENAMED = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}  # in files before 2023
ARCHITECTURE = {
    *("in_channels", "out_channels", "down_block_types", "up_block_types", "block_out_channels"),
    *("layers_per_block", "act_fn", "latent_channels", "norm_num_groups", "sample_size"),
    *("mid_block_add_attention", "force_upcast", "scaling_factor"),
}


@dataclass(frozen=True)
class Architecture:
    """The arguments of both networks in config.json.

    Arguments:
        shape: (C, H, W) of the image.
        latent: channels between the networks.
        options: widths, blocks, groups and middle_attention.
        down, up: heights at which the encoder and the decoder have attention.
    """

    shape: tuple[int, int, int]
    latent: int
    options: dict[str, Any]
    down: tuple[int, ...]
    up: tuple[int, ...]

    @classmethod
    def read(cls, config: Config, sides: tuple[int, int] | None) -> "Architecture":
        """The architecture of a config. Errors: ConfigError for values that the networks do not have."""
        config.choice("act_fn", {"silu": None}, "silu")
        channels, widths = config.integer("in_channels"), config.integers("block_out_channels")
        if channels != config.integer("out_channels"):
            raise ConfigError(f"{config.path}: out_channels must be in_channels, {channels}")
        down, up = config.choices("down_block_types", DOWN), config.choices("up_block_types", UP)
        for name, types in (("down_block_types", down), ("up_block_types", up)):
            if len(types) != len(widths):
                raise ConfigError(
                    f"{config.path}: {name} must be as many as block_out_channels, {len(widths)}"
                )
        height, width = sides if sides is not None else sample_size(config)
        heights = [height // 2**scale for scale in range(len(widths))]
        options = {
            "widths": widths,
            "blocks": config.integer("layers_per_block"),
            "groups": config.integer("norm_num_groups", 32),
            "middle_attention": config.choice("mid_block_add_attention", {True: True, False: False}, True),
        }
        return cls(
            (channels, height, width),
            config.integer("latent_channels"),
            options,
            tuple(side for side, attends in zip(heights, down, strict=True) if attends),
            tuple(side for side, attends in zip(reversed(heights), up, strict=True) if attends),
        )

    def encoder(self, latent: int, inner: int | None) -> VQGANEncoder:
        """The encoder, uninitialised."""
        return VQGANEncoder(self.shape, latent, attention=self.down, inner=inner, **self.options)

    def decoder(self, latent: int, inner: int | None) -> VQGANDecoder:
        """The decoder, uninitialised."""
        return VQGANDecoder(latent, self.shape, attention=self.up, inner=inner, **self.options)


def read_weights(
    config: Config, build: Callable[[], T], mappings: Callable[[T], Iterator[TensorMapping]]
) -> T:
    """The objective of a folder, with its weights.

    Arguments:
        config: of the folder.
        build: the objective, uninitialised.
        mappings: all of its tensors.

    Raises:
        ConfigError: for sizes that do not divide, and if a file is missing, damaged or does not fit.
    """
    folder, blocks = config.path.parent, config.integer("layers_per_block")
    weights = Weights(folder, "", file=WEIGHTS, renamed=RENAMED)
    if blocks > len(weights):
        raise ConfigError(f"{config.path}: layers_per_block is {blocks}, of only {len(weights)} tensors")
    try:
        with torch.device("meta"):
            outline = build()
    except ConfigError as error:
        raise ConfigError(f"{config.path}: {error}") from None
    weights.check(list(mappings(outline)))
    objective = build()
    weights.fill(list(mappings(objective)))
    return objective


def write_config(encoder: Any, decoder: Any) -> dict[str, Any]:
    """The part of config.json about the networks.

    Errors: ConfigError for networks that are not a pair of those of VQGAN.
    """
    for network, kind in ((encoder, VQGANEncoder), (decoder, VQGANDecoder)):
        if not isinstance(network, kind):
            raise ConfigError(
                f"diffusers does not support {type(network).__name__} here, only {kind.__name__}: save the "
                "model with morphogen.save"
            )
    for name in ("shape", "widths", "blocks", "groups", "middle_attention"):
        if getattr(encoder, name) != getattr(decoder, name):
            values = f"{getattr(encoder, name)} and {getattr(decoder, name)}"
            raise ConfigError(f"diffusers requires the same {name} of encoder and decoder, not {values}")
    channels, height, width = encoder.shape
    heights = [height // 2**scale for scale in range(len(encoder.widths))]
    down, up = ({attends: name for name, attends in types.items()} for types in (DOWN, UP))
    return {
        "in_channels": channels,
        "out_channels": channels,
        "down_block_types": [down[side in encoder.attention] for side in heights],
        "up_block_types": [up[side in decoder.attention] for side in reversed(heights)],
        "block_out_channels": list(encoder.widths),
        "layers_per_block": encoder.blocks,
        "act_fn": "silu",
        "norm_num_groups": encoder.groups,
        "sample_size": height if height == width else [height, width],
        "mid_block_add_attention": encoder.middle_attention,
    }


def tensor_mappings(encoder: Any, decoder: Any) -> Iterator[TensorMapping]:
    """All tensors of both networks."""
    for network, name, scales, resampler in (
        (encoder, "encoder", "down_blocks", "downsamplers"),
        (decoder, "decoder", "up_blocks", "upsamplers"),
    ):
        yield from TensorMapping.of_layer(network.stem, f"{name}.conv_in")
        yield from _blocks(network.middle, f"{name}.mid_block")
        for i, scale in enumerate(network.scales):
            yield from _blocks(scale, f"{name}.{scales}.{i}")
            if i + 1 < len(network.scales):
                yield from TensorMapping.of_layer(
                    scale.resample[1], f"{name}.{scales}.{i}.{resampler}.0.conv"
                )
        yield from TensorMapping.of_layer(network.norm, f"{name}.conv_norm_out")
        yield from TensorMapping.of_layer(network.head, f"{name}.conv_out")
    for network, name in ((encoder, "quant_conv"), (decoder, "post_quant_conv")):
        if network.inner is not None:
            yield from TensorMapping.of_layer(network.quant, name)


def sample_size(config: Config) -> tuple[int, int]:
    """Height and width of the images."""
    if not isinstance(config.values.get("sample_size"), list):
        side = config.integer("sample_size")
        return side, side
    sides = config.integers("sample_size")
    if len(sides) != 2:
        raise ConfigError(f"{config.path}: sample_size must be one side or two, got {len(sides)}")
    return sides[0], sides[1]


def _blocks(scale: Any, name: str) -> Iterator[TensorMapping]:
    """The residual blocks and the attention of one scale."""
    for j, block in enumerate(scale.blocks):
        for part in ("norm1", "conv1", "norm2", "conv2"):
            yield from TensorMapping.of_layer(getattr(block, part), f"{name}.resnets.{j}.{part}")
        if isinstance(block.skip, nn.Conv2d):
            yield from TensorMapping.of_layer(block.skip, f"{name}.resnets.{j}.conv_shortcut")
    for j, grid in enumerate(scale.attentions):
        attention, rows = grid.attention, (grid.channels,) * 3
        projections = [f"{name}.attentions.{j}.{part}" for part in ("to_q", "to_k", "to_v")]
        yield from TensorMapping.of_layer(grid.norm, f"{name}.attentions.{j}.group_norm")
        yield from TensorMapping.of_layer(attention.out, f"{name}.attentions.{j}.to_out.0")
        for kind in ("weight", "bias"):
            joint = getattr(attention.queries_keys_values, kind)
            yield TensorMapping(joint, [f"{projection}.{kind}" for projection in projections], rows)
