r"""The U-Net of latent diffusion to and from a folder that diffusers' UNet2DConditionModel can open too.

    conv_in, time_embedding.linear_1 and linear_2, conv_norm_out, conv_out
    down_blocks.I, mid_block, up_blocks.I     resnets.J, attentions.J; downsamplers.0 or upsamplers.0
    attentions.J                              norm, proj_in, transformer_blocks.K, proj_out
    transformer_blocks.K                      norm1, attn1, norm2, attn2, norm3, ff.net.0.proj, ff.net.2

The folder has the cosines of the time embedding before the sines, the features of the feed-forward network
before their gates, and, for a single number of heads, projections that are convolutions of one pixel. Its
attention_head_dim is the number of heads (a misnomer that diffusers keeps for the sake of old files).

Reference: Diffusers, von Platen et al., 2022; the network is that of Rombach et al., 2022.
"""

__all__ = ["UNET", "read_unet", "tensor_mappings", "write_unet"]

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from morphogen.component import ConfigError
from morphogen.interop.diffusers_autoencoder import WEIGHTS, read_weights, sample_size
from morphogen.interop.hugging_face import AS_IS, Config, Layout, TensorMapping, write_folder
from morphogen.networks.spatial_transformer import SpatialTransformer
from morphogen.networks.unet import UNet

UNET = "UNet2DConditionModel"
DOWN = {"DownBlock2D": False, "CrossAttnDownBlock2D": True}  # whether a level has attention
UP = {"UpBlock2D": False, "CrossAttnUpBlock2D": True}
SETTINGS: dict[str, Any] = {  # that have one value here
    "mid_block_type": "UNetMidBlock2DCrossAttn", "act_fn": "silu", "flip_sin_to_cos": True,
    "center_input_sample": False, "only_cross_attention": False, "dual_cross_attention": False,
    "mid_block_only_cross_attention": None, "resnet_time_scale_shift": "default",
    "time_embedding_type": "positional", "attention_type": "default", "resnet_skip_time_act": False,
    "class_embeddings_concat": False, "class_embed_type": None, "addition_embed_type": None,
    "encoder_hid_dim_type": None, "cross_attention_norm": None, "timestep_post_act": None,
    "time_embedding_act_fn": None,
}  # fmt: skip
NUMBERS: dict[str, Any] = {
    "norm_num_groups": 32, "norm_eps": 1e-5, "downsample_padding": 1, "mid_block_scale_factor": 1.0,
    "freq_shift": 0, "transformer_layers_per_block": 1, "conv_in_kernel": 3, "conv_out_kernel": 3,
    "resnet_out_scale_factor": 1.0, "dropout": 0.0, "addition_embed_type_num_heads": 64,
    "num_class_embeds": None, "encoder_hid_dim": None, "time_cond_proj_dim": None,
    "time_embedding_dim": None, "projection_class_embeddings_input_dim": None,
    "addition_time_embed_dim": None, "reverse_transformer_layers_per_block": None,
}  # fmt: skip
SIZES = {
    *("sample_size", "in_channels", "out_channels", "down_block_types", "up_block_types"),
    *("block_out_channels", "layers_per_block", "cross_attention_dim", "attention_head_dim"),
    *("num_attention_heads", "use_linear_projection", "upcast_attention"),
}
POINTWISE = Layout(lambda ours: ours[..., None, None], lambda theirs: theirs.flatten(1))
HALVES_SWAPPED = Layout(*(lambda tensor: tensor.roll(len(tensor) // 2, 0),) * 2)
COLUMNS_SWAPPED = Layout(*(lambda tensor: tensor.roll(tensor.shape[1] // 2, 1),) * 2)


def read_unet(folder: str | Path, sides: tuple[int, int] | None = None) -> UNet:
    """The network of a folder; it takes `context.tokens` of width cross_attention_dim.

    Arguments:
        folder: with config.json and diffusion_pytorch_model.safetensors.
        sides: (height, width) of x; None: sample_size of config.json.

    Raises:
        ConfigError: if a file is missing, damaged or of another architecture; it begins with its path.
    """
    config = Config(Path(folder))
    config.choice("_class_name", {UNET: None}, UNET)
    config.refuse_others(SETTINGS.keys() | NUMBERS.keys() | SIZES)
    for name, value in SETTINGS.items():
        config.choice(name, {value: None}, value)
    for name, value in NUMBERS.items():
        if (given := config.values.get(name, value)) != value:
            raise ConfigError(f"{config.path}: unsupported {name} {str(given)[:40]}; supported: {value}")
    return read_weights(config, partial(_outline, config, sides), tensor_mappings)


def write_unet(unet: UNet, folder: str | Path) -> None:
    """Write the network to a folder. Errors: ConfigError for one that diffusers cannot represent."""
    if not isinstance(unet, UNet) or unet.design != "latent" or not unet.tokens:
        what = f"a UNet of design {unet.design!r}" if isinstance(unet, UNet) else type(unet).__name__
        raise ConfigError(f"{UNET} is a UNet of design 'latent' with tokens, not {what}: use morphogen.save")
    channels, height, width = unet.shape
    attends = [height // unet.patch // 2**level in unet.attention for level in range(len(unet.multipliers))]
    if unet.patch != 1 or unet.condition is not None or unet.dropout:
        raise ConfigError(f"{UNET} has neither patches, nor a vector, nor dropout: use morphogen.save")
    down, up = ({attend: name for name, attend in types.items()} for types in (DOWN, UP))
    sizes = {
        "sample_size": height if height == width else [height, width],
        "in_channels": channels,
        "out_channels": channels,
        "down_block_types": [down[attend] for attend in attends],
        "up_block_types": [up[attend] for attend in reversed(attends)],
        "block_out_channels": [unet.channels * multiplier for multiplier in unet.multipliers],
        "layers_per_block": unet.blocks,
        "cross_attention_dim": unet.tokens,
        "attention_head_dim": unet.heads if isinstance(unet.heads, int) else list(unet.heads),
        "use_linear_projection": not isinstance(unet.heads, int),
    }
    config = {"_class_name": UNET} | SETTINGS | NUMBERS | sizes
    write_folder(Path(folder), config, tensor_mappings(unet), "", WEIGHTS)


def tensor_mappings(unet: UNet) -> Iterator[TensorMapping]:
    """All tensors of the network."""
    time: Any = unet.time
    yield TensorMapping.single(time.inner.weight, "time_embedding.linear_1.weight", COLUMNS_SWAPPED)
    yield TensorMapping.single(time.inner.bias, "time_embedding.linear_1.bias")
    yield from TensorMapping.of_layer(time.outer, "time_embedding.linear_2")
    yield from TensorMapping.of_layer(unet.stem, "conv_in")
    for name, stages, blocks in (
        ("down_blocks", unet.down_blocks, unet.blocks),
        ("up_blocks", unet.up_blocks, unet.blocks + 1),
    ):
        for i, stage in enumerate(stages):
            yield from _stage(unet, stage, f"{name}.{i // (blocks + 1)}", i % (blocks + 1))
    for j, stage in enumerate(unet.mid_blocks):
        yield from _stage(unet, stage, "mid_block", j)
    yield from TensorMapping.of_layer(unet.norm, "conv_norm_out")
    yield from TensorMapping.of_layer(unet.out, "conv_out")


def _outline(config: Config, sides: tuple[int, int] | None) -> UNet:
    """An uninitialised network of the config's sizes."""
    widths, channels = config.integers("block_out_channels"), config.integer("in_channels")
    down, up = config.choices("down_block_types", DOWN), config.choices("up_block_types", UP)
    if len(down) != len(widths) or up != down[::-1]:
        raise ConfigError(
            f"{config.path}: up_block_types must mirror down_block_types, one for each of block_out_channels"
        )
    if channels != config.integer("out_channels") or any(width % widths[0] for width in widths):
        raise ConfigError(
            f"{config.path}: out_channels must be in_channels, {channels}, and block_out_channels multiples "
            f"of the first, {widths[0]}"
        )
    height, width = sides if sides is not None else sample_size(config)
    return UNet(
        (channels, height, width),
        widths[0],
        tuple(width // widths[0] for width in widths),
        config.integer("layers_per_block"),
        tuple(height // 2**level for level, attends in enumerate(down) if attends),
        _heads(config, len(widths)),
        (0, config.integer("cross_attention_dim")),
        design="latent",
    )


def _heads(config: Config, levels: int) -> int | tuple[int, ...]:
    """The number of heads of all levels, which have convolutions as projections, or of each."""
    name = "attention_head_dim" if config.values.get("num_attention_heads") is None else "num_attention_heads"
    linear = config.choice("use_linear_projection", {True: True, False: False}, False)
    several = isinstance(config.values.get(name), list)
    heads = config.integers(name) if several else (config.integer(name, 8),) * levels
    if not linear and len(set(heads)) > 1:
        raise ConfigError(f"{config.path}: several {name} require use_linear_projection: true")
    return heads if linear else heads[0]


def _stage(unet: UNet, stage: Any, name: str, index: int) -> Iterator[TensorMapping]:
    """A residual block with its attention, or a resampler."""
    if stage.resamples:
        yield from TensorMapping.of_layer(stage.block.conv, f"{name}.{name.split('_')[0]}samplers.0.conv")
        return
    yield from TensorMapping.of_layer(stage.block.shift, f"{name}.resnets.{index}.time_emb_proj")
    for part in ("norm1", "conv1", "norm2", "conv2"):
        yield from TensorMapping.of_layer(getattr(stage.block, part), f"{name}.resnets.{index}.{part}")
    if isinstance(stage.block.skip, nn.Conv2d):
        yield from TensorMapping.of_layer(stage.block.skip, f"{name}.resnets.{index}.conv_shortcut")
    if stage.tokens is not None:
        layout = POINTWISE if isinstance(unet.heads, int) else AS_IS
        yield from _transformer(stage.tokens, f"{name}.attentions.{index}", layout)


def _transformer(transformer: SpatialTransformer, name: str, projection: Layout) -> Iterator[TensorMapping]:
    yield from TensorMapping.of_layer(transformer.norm, f"{name}.norm")
    yield from TensorMapping.of_layer(transformer.project_in, f"{name}.proj_in", projection)
    yield from TensorMapping.of_layer(transformer.project_out, f"{name}.proj_out", projection)
    blocks: Any = transformer.blocks
    for k, block in enumerate(blocks):
        inside, width = f"{name}.transformer_blocks.{k}", transformer.channels
        joint, keys_values = block.attention.queries_keys_values, block.cross.keys_values
        of_self, of_tokens = ([f"{inside}.{attn}.to_{part}.weight" for part in parts]
                              for attn, parts in (("attn1", "qkv"), ("attn2", "kv")))  # fmt: skip
        yield TensorMapping(joint.weight, of_self, (width,) * 3)
        yield TensorMapping(keys_values.weight, of_tokens, (width,) * 2)
        yield TensorMapping.single(block.cross.queries.weight, f"{inside}.attn2.to_q.weight")
        yield from TensorMapping.of_layer(block.attention.out, f"{inside}.attn1.to_out.0")
        yield from TensorMapping.of_layer(block.cross.out, f"{inside}.attn2.to_out.0")
        for norm, theirs in zip(block.norms, ("norm1", "norm3", "norm2"), strict=True):
            yield from TensorMapping.of_layer(norm, f"{inside}.{theirs}")
        gates = block.feed_forward.gates_features
        for kind in ("weight", "bias"):
            yield TensorMapping.single(getattr(gates, kind), f"{inside}.ff.net.0.proj.{kind}", HALVES_SWAPPED)
        yield from TensorMapping.of_layer(block.feed_forward.out, f"{inside}.ff.net.2")
