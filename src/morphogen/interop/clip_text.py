"""CLIP's text encoder to and from a folder of transformers, such as `text_encoder` of Stable Diffusion.

    embeddings.{token,position}_embedding, final_layer_norm, and per layer
    layer_norm1, self_attn.{q,k,v,out}_proj, layer_norm2, mlp.fc1, mlp.fc2

Files before 2023 name 2 as the end token; theirs is the last of the vocabulary, after the start token.

Reference: Learning transferable visual models from natural language supervision, Radford et al., 2021; names
as in Wolf et al., 2020, "Transformers".
"""

__all__ = [
    "ACTIVATIONS",
    "IGNORED",
    "block_mappings",
    "layer_config",
    "norm_mappings",
    "read_clip_text",
    "text_config",
    "text_mappings",
    "text_transformer",
    "transformer_block",
    "write_clip_text",
]

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from morphogen.component import ConfigError
from morphogen.interop.hugging_face import Config, TensorMapping, Weights, write_folder
from morphogen.networks.attention import Attention
from morphogen.networks.blocks import Block
from morphogen.networks.feed_forward import FeedForward
from morphogen.networks.normalization import LayerNorm
from morphogen.networks.text_transformer import TextTransformer

PREFIX = "text_model."
IGNORED = (".position_ids",)  # of older files: 0, 1, 2, ...
ACTIVATIONS = {
    "quick_gelu": "quick-gelu",
    "gelu": "gelu",
    "gelu_new": "gelu-tanh",
    "gelu_pytorch_tanh": "gelu-tanh",
    "relu": "relu",
}
LEGACY_END = 2


def read_clip_text(folder: str | Path, padding: int | None = None, skip: int = 0) -> TextTransformer:
    """The text encoder in a folder.

    Arguments:
        folder: with config.json and model.safetensors.
        padding, skip: see `TextTransformer`; the folder of Stable Diffusion's tokenizer has the padding.

    Raises:
        ConfigError: if a file is missing, damaged or of another architecture; the message begins with its
            path.
    """
    folder = Path(folder)
    config, weights = Config(folder), Weights(folder, PREFIX, IGNORED)
    config.choice("model_type", {"clip_text_model": None}, "clip_text_model")
    with torch.device("meta"):
        weights.check(list(text_mappings(text_transformer(config, len(weights), padding, skip))))
    network = text_transformer(config, len(weights), padding, skip)
    weights.fill(list(text_mappings(network)))
    return network.eval()


def write_clip_text(network: TextTransformer, folder: str | Path) -> None:
    """Write a text encoder to a folder.

    Raises:
        ConfigError: for a network that CLIP does not have; the message names the part.
    """
    config = {"architectures": ["CLIPTextModel"], **text_config(network), "dtype": "float32"}
    write_folder(Path(folder), config, text_mappings(network), PREFIX)


def text_transformer(
    config: Config, tensors: int, padding: int | None = None, skip: int = 0
) -> TextTransformer:
    """An uninitialised network of the config's sizes. Errors: ConfigError, also for too few tensors."""
    vocabulary, length = config.integer("vocab_size", 49408), config.integer("max_position_embeddings", 77)
    start, end = config.bos_token_id(vocabulary) or 0, config.integer("eos_token_id", LEGACY_END, least=0)
    if end == LEGACY_END:
        start, end = vocabulary - 2, vocabulary - 1
    block, layers = transformer_block(config, 512, 8, tensors)
    try:
        return TextTransformer(vocabulary, length, block, layers, start, end, padding, skip)
    except ConfigError as error:
        raise ConfigError(f"{config.path}: {error}") from None


def transformer_block(config: Config, width: int, heads: int, tensors: int) -> tuple[Block, int]:
    """The template of a layer and the number of layers. `width` and `heads` are the defaults."""
    width, heads = config.integer("hidden_size", width), config.integer("num_attention_heads", heads)
    hidden, layers = config.integer("intermediate_size", 4 * width), config.integer("num_hidden_layers", 12)
    activation: Any = config.choice("hidden_act", ACTIVATIONS, "quick_gelu")
    eps = config.positive_number("layer_norm_eps", 1e-5)
    if width % heads:
        raise ConfigError(
            f"{config.path}: hidden_size {width} must be a multiple of num_attention_heads {heads}"
        )
    if layers > tensors:
        raise ConfigError(f"{config.path}: num_hidden_layers is {layers}, of only {tensors} tensors")
    feed_forward = FeedForward(width, hidden, activation)
    return Block(Attention(width, heads), feed_forward, LayerNorm(width, eps=eps)), layers


def text_config(network: TextTransformer) -> dict[str, Any]:
    """The config of a text encoder. Errors: ConfigError for a layer that CLIP does not have."""
    return {
        "model_type": "clip_text_model",
        "vocab_size": network.vocabulary,
        "max_position_embeddings": network.length,
        "bos_token_id": network.start,
        "eos_token_id": network.end,
        "pad_token_id": network.end if network.padding is None else network.padding,
        **layer_config(network),
    }


def layer_config(network: Any) -> dict[str, Any]:
    """The config of the layers of a tower. Errors: ConfigError for a layer that CLIP does not have."""
    block = network.block
    attention, norm = block.attention, block.norm
    plain = (attention.positions, attention.window, block.cross) == (None, None, None)
    parts = (Block, Attention, FeedForward, LayerNorm)
    kinds = tuple(type(part) for part in (block, attention, block.feed_forward, norm))
    if kinds != parts or not plain or attention.kv_heads != attention.heads or not attention.bias:
        names = ", ".join(kind.__name__ for kind in kinds)
        raise ConfigError(f"CLIP has no layer of {names} with these options; save it with morphogen.save")
    activation = block.feed_forward.activation
    return {
        "hidden_size": block.width,
        "intermediate_size": block.feed_forward.hidden,
        "num_hidden_layers": network.layers,
        "num_attention_heads": attention.heads,
        "hidden_act": next(theirs for theirs, ours in ACTIVATIONS.items() if ours == activation),
        "layer_norm_eps": norm.eps,
    }


def text_mappings(network: TextTransformer, prefix: str = "") -> Iterator[TensorMapping]:
    """All tensors of a text encoder."""
    yield TensorMapping.single(network.token_embedding.weight, f"{prefix}embeddings.token_embedding.weight")
    yield TensorMapping.single(network.positions.weight, f"{prefix}embeddings.position_embedding.weight")
    yield from block_mappings(network, prefix)
    yield from norm_mappings(network.norm, f"{prefix}final_layer_norm")


def block_mappings(network: Any, prefix: str) -> Iterator[TensorMapping]:
    """The tensors of the layers of a tower; ours holds queries, keys and values in one matrix."""
    for i, block in enumerate(network.blocks):
        name = f"{prefix}encoder.layers.{i}."
        yield from norm_mappings(block.norms[0], f"{name}layer_norm1")
        yield from norm_mappings(block.norms[1], f"{name}layer_norm2")
        joint, names = block.attention.queries_keys_values, [f"{name}self_attn.{part}_proj" for part in "qkv"]
        for kind in ("weight", "bias"):
            rows = (block.width,) * 3
            yield TensorMapping(getattr(joint, kind), [f"{one}.{kind}" for one in names], rows)
        for linear, theirs in (
            (block.attention.out, "self_attn.out_proj"),
            (block.feed_forward.inner, "mlp.fc1"),
            (block.feed_forward.out, "mlp.fc2"),
        ):
            yield TensorMapping.single(linear.weight, f"{name}{theirs}.weight")
            yield TensorMapping.single(linear.bias, f"{name}{theirs}.bias")


def norm_mappings(norm: Any, name: str) -> Iterator[TensorMapping]:
    """The tensors of a layer normalisation."""
    yield TensorMapping.single(norm.weight, f"{name}.weight")
    yield TensorMapping.single(norm.shift, f"{name}.bias")
