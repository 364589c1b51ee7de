"""LLaMA to and from a Hugging Face folder, with grouped queries, rope scaling and tied embeddings.

    embed_tokens, norm, lm_head (absent: tied), and per layer
    input_layernorm, self_attn.{q,k,v,o}_proj, post_attention_layernorm, mlp.{gate,up,down}_proj

Our network holds queries, keys and values as one matrix, and gates and features as another. An additional
start token of ours becomes the last token of the folder's vocabulary, as in `gpt2.py`.

Reference: LLaMA: open and efficient foundation language models, Touvron et al., 2023; names as in Wolf et
al., 2020, "Transformers".
"""

__all__ = ["read_llama", "tensor_mappings", "write_llama"]

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from morphogen.component import ConfigError
from morphogen.interop.gpt2 import OWN_START
from morphogen.interop.hugging_face import Config, TensorMapping, Weights, write_folder
from morphogen.networks import decoders
from morphogen.networks.attention import Attention
from morphogen.networks.blocks import Block
from morphogen.networks.feed_forward import SwiGLU
from morphogen.networks.normalization import RMSNorm
from morphogen.networks.relative_positions import LinearScaling, Llama3Scaling, Rotary, Scaling
from morphogen.networks.transformer import Tied, Transformer, Untied

PREFIX = "model."


def read_llama(folder: str | Path, prepend_start: bool = True, length: int = 2048) -> Transformer:
    """The network in a folder.

    Arguments:
        folder: with config.json and model.safetensors.
        prepend_start: whether sequences begin with the folder's start token, as its tokenizer defines.
        length: maximal number of positions; limited by the model's own.

    Raises:
        ConfigError: if a file is missing, damaged or of another architecture; the message begins with its
            path.
    """
    folder = Path(folder)
    config = Config(folder)
    config.choice("model_type", {"llama": None}, None)
    config.choice("hidden_act", {"silu": None}, "silu")
    for name in ("attention_bias", "mlp_bias"):
        config.choice(name, {False: None}, False)
    weights, layers = Weights(folder, PREFIX, (".rotary_emb.inv_freq",)), config.integer("num_hidden_layers")
    if layers > len(weights):
        raise ConfigError(
            f"{config.path}: num_hidden_layers is {layers}, but there are only {len(weights)} tensors"
        )
    tied = config.choice("tie_word_embeddings", {True: True, False: False}, False)
    if tied and "lm_head.weight" in weights:
        weights.files.pop("lm_head.weight")  # a copy of the embedding
    with torch.device("meta"):
        weights.check(list(tensor_mappings(_network(config, prepend_start, length, tied))))
    network = _network(config, prepend_start, length, tied)
    weights.fill(list(tensor_mappings(network)))
    return network.eval()


def write_llama(network: Transformer, folder: str | Path, end: int | None = None) -> None:
    """Write a LLaMA network to a folder.

    Arguments:
        network: of the parts of `decoders.llama`.
        folder: to write to.
        end: id of the token that ends a text, for generation.

    Raises:
        ConfigError: for a network that LLaMA cannot represent; the message names the part.
    """
    if unsupported := next(_unsupported(network), None):
        raise ConfigError(f"LLaMA does not support {unsupported}; save the network with morphogen.save")
    write_folder(Path(folder), _config(network, end), tensor_mappings(network), PREFIX)


def tensor_mappings(network: Any) -> Iterator[TensorMapping]:
    """All tensors of a LLaMA network and their names in a folder."""
    yield TensorMapping.single(network.token_embedding.weight, "embed_tokens.weight")
    yield TensorMapping.single(network.norm.weight, "norm.weight")
    if isinstance(network.head, Untied):
        yield TensorMapping.single(network.head.matrix.weight, "lm_head.weight")
    for i, block in enumerate(network.blocks):
        attention, feed_forward = block.attention, block.feed_forward
        layer = f"layers.{i}."
        queries, keys = attention.heads * attention.head_dim, attention.kv_heads * attention.head_dim
        yield TensorMapping(
            attention.queries_keys_values.weight,
            [f"{layer}self_attn.{name}_proj.weight" for name in "qkv"],
            (queries, keys, keys),
        )
        yield TensorMapping.single(attention.out.weight, f"{layer}self_attn.o_proj.weight")
        yield TensorMapping(
            feed_forward.gates_features.weight,
            [f"{layer}mlp.{name}_proj.weight" for name in ("gate", "up")],
            (feed_forward.hidden, feed_forward.hidden),
        )
        yield TensorMapping.single(feed_forward.out.weight, f"{layer}mlp.down_proj.weight")
        yield TensorMapping.single(block.norms[0].weight, f"{layer}input_layernorm.weight")
        yield TensorMapping.single(block.norms[1].weight, f"{layer}post_attention_layernorm.weight")


def _config(network: Transformer, end: int | None) -> dict[str, Any]:
    """The content of config.json."""
    block: Any = network.block
    attention, rotary = block.attention, block.attention.positions
    rope = {"rope_theta": rotary.base, "rope_type": "default"} | _scaling_config(rotary.scaling)
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": network.token_embedding.num_embeddings,
        "hidden_size": block.width,
        "intermediate_size": block.feed_forward.hidden,
        "num_hidden_layers": network.layers,
        "num_attention_heads": attention.heads,
        "num_key_value_heads": attention.kv_heads,
        "head_dim": attention.head_dim,
        "hidden_act": "silu",
        "rms_norm_eps": block.norm.eps,
        "max_position_embeddings": network.length,
        "rope_theta": rotary.base,
        "rope_scaling": None if rotary.scaling is None else rope,
        "rope_parameters": rope,
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": isinstance(network.head, Tied),
        "bos_token_id": network.start,
        "eos_token_id": end,
        OWN_START: network.start == network.vocabulary,
        "dtype": "float32",
    }


def _network(config: Config, prepend_start: bool, length: int, tied: bool) -> Transformer:
    """An uninitialised network of the config's sizes."""
    width, heads = config.integer("hidden_size"), config.integer("num_attention_heads")
    vocabulary, key_values = config.integer("vocab_size"), config.integer("num_key_value_heads", heads)
    start = config.bos_token_id(vocabulary) if prepend_start else None
    own_start = config.choice(OWN_START, {True: 1, False: 0}, False)
    head_width = config.integer("head_dim", width // heads if width % heads == 0 else 0)
    if heads % key_values or head_width % 2 or (own_start and (start != vocabulary - 1 or not tied)):
        raise ConfigError(
            f"{config.path}: {heads} heads of width {head_width}, {key_values} key-value heads and "
            f"bos_token_id {start} are inconsistent"
        )
    rope = config.values.get("rope_parameters") or config.values.get("rope_scaling") or {}
    if not isinstance(rope, Mapping):
        raise ConfigError(f"{config.path}: rope_scaling must be an object, got {str(rope)[:40]!r}")
    return decoders.llama(
        vocabulary - own_start,
        min(length, config.integer("max_position_embeddings", 2048)),
        width,
        config.integer("num_hidden_layers"),
        heads,
        key_values,
        config.integer("intermediate_size"),
        base=config.positive_number("rope_theta", config.positive_number("rope_theta", 10_000.0), rope),
        scaling=_scaling(config, rope),
        tied=tied,
        eps=config.positive_number("rms_norm_eps", 1e-6),
        start=start,
        head_width=None if head_width * heads == width else head_width,
    )


def _scaling(config: Config, rope: Mapping[str, Any]) -> Scaling | None:
    """The scaling of the rotary embedding."""
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind == "linear":
        return LinearScaling(config.positive_number("factor", 1.0, rope))
    if kind == "llama3":
        slow = config.positive_number("low_freq_factor", 1.0, rope)
        fast = config.positive_number("high_freq_factor", 4.0, rope)
        length = config.positive_number("original_max_position_embeddings", 8192.0, rope)
        if slow < fast and length.is_integer():
            return Llama3Scaling(config.positive_number("factor", 8.0, rope), slow, fast, int(length))
    elif kind == "default":
        return None
    raise ConfigError(
        f"{config.path}: unsupported rope_scaling {str(dict(rope))[:60]}; supported: default, linear, llama3"
    )


def _scaling_config(scaling: Scaling | None) -> dict[str, Any]:
    """The config's entries for a scaling."""
    if isinstance(scaling, LinearScaling):
        return {"rope_type": "linear", "factor": scaling.factor}
    if isinstance(scaling, Llama3Scaling):
        return {
            "rope_type": "llama3",
            "factor": scaling.factor,
            "low_freq_factor": scaling.slow,
            "high_freq_factor": scaling.fast,
            "original_max_position_embeddings": scaling.length,
        }
    return {}


def _unsupported(network: Any) -> Iterator[str]:
    """Parts of the network that LLaMA doesn't have."""
    block: Any = network.block
    attention = block.attention
    parts: list[tuple[Any, type, str]] = [
        (block, Block, "the block"),
        (attention, Attention, "the attention"),
        (block.feed_forward, SwiGLU, "the feed-forward network"),
        (block.norm, RMSNorm, "the normalisation"),
        (attention.positions, Rotary, "the positions"),
    ]
    yield from (f"{what} {type(part).__name__}" for part, kind, what in parts if type(part) is not kind)
    biased = attention.bias or block.feed_forward.bias
    if network.positions is not None or attention.window is not None or biased:
        yield "absolute positions, a window or biases"
    scales = network.head.embedding_scale, network.head.logit_scale
    if block.cross is not None or network.vector or scales != (1, 1):
        yield "cross-attention, a condition vector or a scaled head"
    if isinstance(network.head, Untied) and network.start == network.vocabulary:
        yield "an additional start token with an untied head (use an id of the vocabulary as `start`)"
