"""GPT-2 to and from a Hugging Face folder: ours opens in `AutoModelForCausalLM`, theirs is a `Transformer` here.

    wte, wpe, ln_f, and of each layer ln_1, attn.c_attn, attn.c_proj, ln_2, mlp.c_fc, mlp.c_proj       matrices lie [inputs, outputs]

A start symbol of our own is one symbol more there, the last, and is marked in config.json: transformers may predict it, we do not.
Projections without biases are written with biases of zero, which the format cannot leave out.

Reference: Language models are unsupervised multitask learners, Radford et al., 2019; names as in Wolf et al., 2020, "Transformers".
"""

__all__ = ["read_gpt2", "write_gpt2"]

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from morphogen.component import ConfigError
from morphogen.interop.hugging_face import Config, Place, Weights, write_folder
from morphogen.networks.attention import Attention
from morphogen.networks.blocks import Block
from morphogen.networks.feed_forward import FeedForward
from morphogen.networks.normalization import LayerNorm
from morphogen.networks.positions import Learned
from morphogen.networks.transformer import Tied, Transformer

PREFIX = "transformer."
MASKS = (".attn.bias", ".attn.masked_bias", "lm_head.weight")  # in older files: no weights, or the embedding again
ACTIVATIONS = {"gelu_new": "gelu-tanh", "gelu_pytorch_tanh": "gelu-tanh", "gelu": "gelu", "relu": "relu"}
OWN_START = "start_is_never_predicted"


def read_gpt2(folder: str | Path, begin: bool = True) -> Transformer:
    """The network of a folder.

    Arguments:
        folder: with config.json and model.safetensors.
        begin: whether every text begins with the folder's start symbol, as GPT-2's do.

    Raises:
        ConfigError: that begins with the file which is missing, damaged or of another architecture.
    """
    folder = Path(folder)
    config = Config(folder)
    config.one_of("model_type", {"gpt2": None}, "gpt2")
    for name, only in (("scale_attn_weights", True), ("scale_attn_by_inverse_layer_idx", False), ("tie_word_embeddings", True)):
        config.one_of(name, {only: None}, only)
    weights, layers = Weights(folder, PREFIX, MASKS), config.whole("n_layer")
    if layers > len(weights):
        raise ConfigError(f"{config.path}: n_layer is {layers}, for which model.safetensors has too few tensors")
    with torch.device("meta"):
        weights.check(list(_places(_network(config, begin))))
    network = _network(config, begin)
    weights.fill(list(_places(network)))
    return network.eval()


def write_gpt2(network: Transformer, folder: str | Path, end: int | None = None) -> None:
    """Write a network of GPT-2's parts.

    Arguments:
        network: as `decoders.gpt2` makes them.
        folder: to write into.
        end: the symbol that ends a text, for those who generate.

    Raises:
        ConfigError: naming the part that GPT-2 has no place for.
    """
    block: Any = network.block
    places: Any = network.positions
    if strange := next(_strange(network), None):
        raise ConfigError(f"GPT-2 has no place for {strange}; keep such a network with morphogen.save")
    own, rows = network.start == network.vocabulary, network.symbols.num_embeddings
    config = {
        "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "vocab_size": rows, "n_positions": places.length,
        "n_embd": block.width, "n_layer": network.layers, "n_head": block.attention.heads, "n_inner": block.feed_forward.hidden,
        "activation_function": next(k for k, v in ACTIVATIONS.items() if v == block.feed_forward.activation),
        "layer_norm_epsilon": block.norm.eps, "bos_token_id": network.start, "eos_token_id": end, "tie_word_embeddings": True,
        "embd_pdrop": network.dropout, "resid_pdrop": block.dropout, "attn_pdrop": 0.0, OWN_START: own, "dtype": "float32",
    }  # fmt: skip
    write_folder(Path(folder), config, _places(network), PREFIX)


def _network(config: Config, begin: bool) -> Transformer:
    """Of the config's numbers, not filled yet."""
    width, heads, vocabulary = config.whole("n_embd"), config.whole("n_head"), config.whole("vocab_size")
    length, eps = config.whole("n_positions"), config.real("layer_norm_epsilon", 1e-5)
    own, start = config.one_of(OWN_START, {True: 1, False: 0}, False), config.start(vocabulary) if begin else None
    if own and start != vocabulary - 1:
        raise ConfigError(f"{config.path}: {OWN_START}, but bos_token_id is not the last id")
    if width % heads:
        raise ConfigError(f"{config.path}: n_embd {width} is no multiple of n_head {heads}")
    hidden = config.whole("n_inner", 4 * width)
    activation: Any = config.one_of("activation_function", ACTIVATIONS, "gelu_new")
    block = Block(Attention(width, heads), FeedForward(width, hidden, activation), LayerNorm(width, eps=eps))
    return Transformer(vocabulary - own, length, block, config.whole("n_layer"), Learned(length, width), Tied(), start)


def _places(network: Any) -> Iterator[Place]:
    """Every tensor of ours, and a zero for each bias that a network without them lacks."""
    yield from (Place.of(network.symbols.weight, "wte.weight"), Place.of(network.positions.weight, "wpe.weight"))
    yield from _norm(network.norm, "ln_f")
    for i, block in enumerate(network.blocks):
        yield from _norm(block.norms[0], f"h.{i}.ln_1")
        yield from _norm(block.norms[1], f"h.{i}.ln_2")
        for name, linear in (
            ("attn.c_attn", block.attention.queries_keys_values), ("attn.c_proj", block.attention.out),
            ("mlp.c_fc", block.feed_forward.inner), ("mlp.c_proj", block.feed_forward.out),
        ):  # fmt: skip
            yield Place.of(linear.weight, f"h.{i}.{name}.weight", transposed=True)
            yield Place.of(linear.weight.new_zeros(len(linear.weight)) if linear.bias is None else linear.bias, f"h.{i}.{name}.bias")


def _norm(norm: Any, name: str) -> Iterator[Place]:
    yield Place.of(norm.weight, f"{name}.weight")
    yield Place.of(torch.zeros_like(norm.weight) if norm.shift is None else norm.shift, f"{name}.bias")


def _strange(network: Any) -> Iterator[str]:
    """What is not GPT-2's."""
    block: Any = network.block
    parts: list[tuple[Any, type[nn.Module], str]] = [
        (block, Block, "the block"), (block.attention, Attention, "the attention"), (block.feed_forward, FeedForward, "the feed-forward"),
        (block.norm, LayerNorm, "the normalisation"), (network.positions, Learned, "the positions"), (network.head, Tied, "the head"),
    ]  # fmt: skip
    yield from (f"{what} {type(part).__name__}" for part, kind, what in parts if type(part) is not kind)
    attention = block.attention
    if attention.positions is not None or attention.window is not None or attention.shared != attention.heads:
        yield f"positions, a window or shared keys in {attention!r}".replace("\n", "")
    if attention.heads * attention.each != block.width:
        yield f"heads of {attention.each} in a stream of {block.width}"
    if block.cross is not None or network.vector or (network.head.read, network.head.write) != (1, 1):
        yield "a source, a vector or a scaled head"
