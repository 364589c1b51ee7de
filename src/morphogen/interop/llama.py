"""LLaMA to and from a Hugging Face folder, grouped keys, scaled turns and a tied head included.

    embed_tokens, norm, lm_head (absent: tied), and of each layer
    input_layernorm, self_attn.{q,k,v,o}_proj, post_attention_layernorm, mlp.{gate,up,down}_proj

Ours holds queries, keys and values as one matrix, gates and features as another. A start symbol of our own is one symbol more there, as
in `gpt2.py`.

Reference: LLaMA: open and efficient foundation language models, Touvron et al., 2023; names as in Wolf et al., 2020, "Transformers".
"""

__all__ = ["places", "read_llama", "write_llama"]

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from morphogen.component import ConfigError
from morphogen.interop.gpt2 import OWN_START
from morphogen.interop.hugging_face import Config, Place, Weights, write_folder
from morphogen.networks import decoders
from morphogen.networks.attention import Attention
from morphogen.networks.blocks import Block
from morphogen.networks.feed_forward import SwiGLU
from morphogen.networks.normalization import RMSNorm
from morphogen.networks.relative_positions import LinearScaling, Llama3Scaling, Rotary, Scaling
from morphogen.networks.transformer import Tied, Transformer, Untied

PREFIX = "model."


def read_llama(folder: str | Path, begin: bool = True, length: int = 2048) -> Transformer:
    """The network of a folder.

    Arguments:
        folder: with config.json and model.safetensors.
        begin: whether every text begins with the folder's start symbol, as its tokenizer says.
        length: positions at most; the model's own where they are fewer.

    Raises:
        ConfigError: that begins with the file which is missing, damaged or of another architecture.
    """
    folder = Path(folder)
    config = Config(folder)
    config.one_of("model_type", {"llama": None}, None)
    config.one_of("hidden_act", {"silu": None}, "silu")
    for name in ("attention_bias", "mlp_bias"):
        config.one_of(name, {False: None}, False)
    weights, layers = Weights(folder, PREFIX, (".rotary_emb.inv_freq",)), config.whole("num_hidden_layers")
    if layers > len(weights):
        raise ConfigError(f"{config.path}: num_hidden_layers is {layers}, for which model.safetensors has too few tensors")
    tied = config.one_of("tie_word_embeddings", {True: True, False: False}, False)
    if tied and "lm_head.weight" in weights:
        weights.files.pop("lm_head.weight")  # the embedding again
    with torch.device("meta"):
        weights.check(list(places(_network(config, begin, length, tied))))
    network = _network(config, begin, length, tied)
    weights.fill(list(places(network)))
    return network.eval()


def write_llama(network: Transformer, folder: str | Path, end: int | None = None) -> None:
    """Write a network of LLaMA's parts.

    Arguments:
        network: as `decoders.llama` makes them.
        folder: to write into.
        end: the symbol that ends a text, for those who generate.

    Raises:
        ConfigError: naming the part that LLaMA has no place for.
    """
    block: Any = network.block
    if strange := next(_strange(network), None):
        raise ConfigError(f"LLaMA has no place for {strange}; keep such a network with morphogen.save")
    attention, rotary = block.attention, block.attention.positions
    turns = {"rope_theta": rotary.base, "rope_type": "default"} | _scaling_written(rotary.scaling)
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": network.symbols.num_embeddings,
        "hidden_size": block.width, "intermediate_size": block.feed_forward.hidden, "num_hidden_layers": network.layers,
        "num_attention_heads": attention.heads, "num_key_value_heads": attention.shared, "head_dim": attention.each,
        "hidden_act": "silu", "rms_norm_eps": block.norm.eps, "max_position_embeddings": network.length, "rope_theta": rotary.base,
        "rope_scaling": None if rotary.scaling is None else turns, "rope_parameters": turns, "attention_bias": False, "mlp_bias": False,
        "tie_word_embeddings": isinstance(network.head, Tied), "bos_token_id": network.start, "eos_token_id": end,
        OWN_START: network.start == network.vocabulary, "dtype": "float32",
    }  # fmt: skip
    write_folder(Path(folder), config, places(network), PREFIX)


def places(network: Any) -> Iterator[Place]:
    """Every tensor of a network of LLaMA's parts, and where it stands in a folder."""
    yield from (Place.of(network.symbols.weight, "embed_tokens.weight"), Place.of(network.norm.weight, "norm.weight"))
    if isinstance(network.head, Untied):
        yield Place.of(network.head.matrix.weight, "lm_head.weight")
    for i, block in enumerate(network.blocks):
        attention, feed = block.attention, block.feed_forward
        of = f"layers.{i}."
        rows = attention.heads * attention.each, attention.shared * attention.each, attention.shared * attention.each
        yield Place(attention.queries_keys_values.weight, [f"{of}self_attn.{name}_proj.weight" for name in "qkv"], rows)
        yield Place.of(attention.out.weight, f"{of}self_attn.o_proj.weight")
        yield Place(feed.gates_features.weight, [f"{of}mlp.{name}_proj.weight" for name in ("gate", "up")], (feed.hidden, feed.hidden))
        yield Place.of(feed.out.weight, f"{of}mlp.down_proj.weight")
        yield Place.of(block.norms[0].weight, f"{of}input_layernorm.weight")
        yield Place.of(block.norms[1].weight, f"{of}post_attention_layernorm.weight")


def _network(config: Config, begin: bool, length: int, tied: bool) -> Transformer:
    """Of the config's numbers, not filled yet."""
    width, heads, vocabulary = config.whole("hidden_size"), config.whole("num_attention_heads"), config.whole("vocab_size")
    keys, start = config.whole("num_key_value_heads", heads), config.start(vocabulary) if begin else None
    own = config.one_of(OWN_START, {True: 1, False: 0}, False)
    each = config.whole("head_dim", width // heads if width % heads == 0 else 0)
    if heads % keys or each % 2 or (own and (start != vocabulary - 1 or not tied)):
        raise ConfigError(f"{config.path}: {heads} heads of {each} with {keys} keys and the start {start} do not fit each other")
    said = config.said.get("rope_parameters") or config.said.get("rope_scaling") or {}
    if not isinstance(said, Mapping):
        raise ConfigError(f"{config.path}: rope_scaling is {str(said)[:40]!r}; names and values belong there")
    base = config.real("rope_theta", config.real("rope_theta", 10_000.0), said)
    return decoders.llama(
        vocabulary - own, min(length, config.whole("max_position_embeddings", 2048)), width, config.whole("num_hidden_layers"), heads, keys,
        config.whole("intermediate_size"), base=base, scaling=_scaling(config, said), tied=tied, eps=config.real("rms_norm_eps", 1e-6),
        start=start, head_width=None if each * heads == width else each,
    )  # fmt: skip


def _scaling(config: Config, said: Mapping[str, Any]) -> Scaling | None:
    """What rope_scaling says."""
    kind = said.get("rope_type", said.get("type", "default"))
    if kind == "linear":
        return LinearScaling(config.real("factor", 1.0, said))
    if kind == "llama3":
        slow, fast = config.real("low_freq_factor", 1.0, said), config.real("high_freq_factor", 4.0, said)
        length = config.real("original_max_position_embeddings", 8192.0, said)
        if slow < fast and length.is_integer():
            return Llama3Scaling(config.real("factor", 8.0, said), slow, fast, int(length))
    elif kind == "default":
        return None
    raise ConfigError(f"{config.path}: rope_scaling {str(dict(said))[:60]} is not read; default, linear and llama3 are")


def _scaling_written(scaling: Scaling | None) -> dict[str, Any]:
    if isinstance(scaling, LinearScaling):
        return {"rope_type": "linear", "factor": scaling.factor}
    if isinstance(scaling, Llama3Scaling):
        of = {"factor": scaling.factor, "low_freq_factor": scaling.slow, "high_freq_factor": scaling.fast}
        return {"rope_type": "llama3"} | of | {"original_max_position_embeddings": scaling.length}
    return {}


def _strange(network: Any) -> Iterator[str]:
    """What is not LLaMA's."""
    block: Any = network.block
    attention = block.attention
    parts: list[tuple[Any, type, str]] = [
        (block, Block, "the block"), (attention, Attention, "the attention"), (block.feed_forward, SwiGLU, "the feed-forward"),
        (block.norm, RMSNorm, "the normalisation"), (attention.positions, Rotary, "the positions"),
    ]  # fmt: skip
    yield from (f"{what} {type(part).__name__}" for part, kind, what in parts if type(part) is not kind)
    if network.positions is not None or attention.window is not None or attention.bias or block.feed_forward.bias:
        yield "positions of the stream, a window or biases"
    if block.cross is not None or network.vector or network.head.read != 1 or network.head.write != 1:
        yield "a source, a vector or a scaled head"
    if isinstance(network.head, Untied) and network.start == network.vocabulary:
        yield "a start symbol of its own beside an untied head (give `start` an id of the vocabulary)"
