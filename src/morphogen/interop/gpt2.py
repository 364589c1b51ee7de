"""GPT-2 to and from a Hugging Face folder, which `AutoModelForCausalLM` can open too.

    wte, wpe, ln_f, and per layer ln_1, attn.c_attn, attn.c_proj, ln_2, mlp.c_fc, mlp.c_proj

The folder stores matrices as [inputs, outputs]. An additional start token of ours becomes the last token of
the folder's vocabulary and is marked in config.json: transformers may predict it, we never do. Projections
without biases are written with zero biases, which the format requires.

Reference: Language models are unsupervised multitask learners, Radford et al., 2019; names as in Wolf et al.,
2020, "Transformers".
"""

__all__ = ["read_gpt2", "write_gpt2"]

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from morphogen.component import ConfigError
from morphogen.interop.hugging_face import TRANSPOSED, Config, TensorMapping, Weights, write_folder
from morphogen.networks.attention import Attention
from morphogen.networks.blocks import Block
from morphogen.networks.feed_forward import FeedForward
from morphogen.networks.normalization import LayerNorm
from morphogen.networks.positions import LearnedPositions
from morphogen.networks.transformer import Tied, Transformer

PREFIX = "transformer."
# In older files: attention masks, which are not weights, and a copy of the tied embedding.
IGNORED = (".attn.bias", ".attn.masked_bias", "lm_head.weight")
ACTIVATIONS = {"gelu_new": "gelu-tanh", "gelu_pytorch_tanh": "gelu-tanh", "gelu": "gelu", "relu": "relu"}
OWN_START = "start_is_never_predicted"


def read_gpt2(folder: str | Path, prepend_start: bool = True) -> Transformer:
    """The network in a folder.

    Arguments:
        folder: with config.json and model.safetensors.
        prepend_start: whether sequences begin with the folder's start token, as GPT-2's do.

    Raises:
        ConfigError: if a file is missing, damaged or of another architecture; the message begins with its
            path.
    """
    folder = Path(folder)
    config = Config(folder)
    config.choice("model_type", {"gpt2": None}, "gpt2")
    for name, supported in (
        ("scale_attn_weights", True),
        ("scale_attn_by_inverse_layer_idx", False),
        ("tie_word_embeddings", True),
    ):
        config.choice(name, {supported: None}, supported)
    weights, layers = Weights(folder, PREFIX, IGNORED), config.integer("n_layer")
    if layers > len(weights):
        raise ConfigError(f"{config.path}: n_layer is {layers}, but there are only {len(weights)} tensors")
    with torch.device("meta"):
        weights.check(list(_tensor_mappings(_network(config, prepend_start))))
    network = _network(config, prepend_start)
    weights.fill(list(_tensor_mappings(network)))
    return network.eval()


def write_gpt2(network: Transformer, folder: str | Path, end: int | None = None) -> None:
    """Write a GPT-2 network to a folder.

    Arguments:
        network: of the parts of `decoders.gpt2`.
        folder: to write to.
        end: id of the token that ends a text, for generation.

    Raises:
        ConfigError: for a network that GPT-2 cannot represent; the message names the part.
    """
    block: Any = network.block
    positions: Any = network.positions
    if unsupported := next(_unsupported(network), None):
        raise ConfigError(f"GPT-2 does not support {unsupported}; save the network with morphogen.save")
    activation = block.feed_forward.activation
    config = {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": network.token_embedding.num_embeddings,
        "n_positions": positions.length,
        "n_embd": block.width,
        "n_layer": network.layers,
        "n_head": block.attention.heads,
        "n_inner": block.feed_forward.hidden,
        "activation_function": next(theirs for theirs, ours in ACTIVATIONS.items() if ours == activation),
        "layer_norm_epsilon": block.norm.eps,
        "bos_token_id": network.start,
        "eos_token_id": end,
        "tie_word_embeddings": True,
        "embd_pdrop": network.dropout,
        "resid_pdrop": block.dropout,
        "attn_pdrop": 0.0,
        OWN_START: network.start == network.vocabulary,
        "dtype": "float32",
    }
    write_folder(Path(folder), config, _tensor_mappings(network), PREFIX)


def _network(config: Config, prepend_start: bool) -> Transformer:
    """An uninitialised network of the config's sizes."""
    width, heads = config.integer("n_embd"), config.integer("n_head")
    vocabulary, length = config.integer("vocab_size"), config.integer("n_positions")
    eps = config.positive_number("layer_norm_epsilon", 1e-5)
    own_start = config.choice(OWN_START, {True: 1, False: 0}, False)
    start = config.bos_token_id(vocabulary) if prepend_start else None
    if own_start and start != vocabulary - 1:
        raise ConfigError(f"{config.path}: {OWN_START} requires bos_token_id to be the last id, got {start}")
    if width % heads:
        raise ConfigError(f"{config.path}: n_embd {width} must be a multiple of n_head {heads}")
    hidden = config.integer("n_inner", 4 * width)
    activation: Any = config.choice("activation_function", ACTIVATIONS, "gelu_new")
    block = Block(Attention(width, heads), FeedForward(width, hidden, activation), LayerNorm(width, eps=eps))
    layers, positions = config.integer("n_layer"), LearnedPositions(length, width)
    return Transformer(vocabulary - own_start, length, block, layers, positions, Tied(), start)


def _tensor_mappings(network: Any) -> Iterator[TensorMapping]:
    """All tensors of the network, and a zero for every bias that it doesn't have."""
    yield TensorMapping.single(network.token_embedding.weight, "wte.weight")
    yield TensorMapping.single(network.positions.weight, "wpe.weight")
    yield from _norm_mappings(network.norm, "ln_f")
    for i, block in enumerate(network.blocks):
        yield from _norm_mappings(block.norms[0], f"h.{i}.ln_1")
        yield from _norm_mappings(block.norms[1], f"h.{i}.ln_2")
        for name, linear in (
            ("attn.c_attn", block.attention.queries_keys_values),
            ("attn.c_proj", block.attention.out),
            ("mlp.c_fc", block.feed_forward.inner),
            ("mlp.c_proj", block.feed_forward.out),
        ):
            bias = linear.weight.new_zeros(len(linear.weight)) if linear.bias is None else linear.bias
            yield TensorMapping.single(linear.weight, f"h.{i}.{name}.weight", TRANSPOSED)
            yield TensorMapping.single(bias, f"h.{i}.{name}.bias")


def _norm_mappings(norm: Any, name: str) -> Iterator[TensorMapping]:
    bias = torch.zeros_like(norm.weight) if norm.shift is None else norm.shift
    yield TensorMapping.single(norm.weight, f"{name}.weight")
    yield TensorMapping.single(bias, f"{name}.bias")


def _unsupported(network: Any) -> Iterator[str]:
    """Parts of the network that GPT-2 doesn't have."""
    block: Any = network.block
    attention = block.attention
    parts: list[tuple[Any, type[nn.Module], str]] = [
        (block, Block, "the block"),
        (attention, Attention, "the attention"),
        (block.feed_forward, FeedForward, "the feed-forward network"),
        (block.norm, LayerNorm, "the normalisation"),
        (network.positions, LearnedPositions, "the positions"),
        (network.head, Tied, "the head"),
    ]
    yield from (f"{what} {type(part).__name__}" for part, kind, what in parts if type(part) is not kind)
    if (
        attention.positions is not None
        or attention.window is not None
        or attention.kv_heads != attention.heads
    ):
        yield f"relative positions, a window or shared keys in {attention!r}".replace("\n", "")
    if attention.heads * attention.head_dim != block.width:
        yield f"heads of width {attention.head_dim} in a residual stream of width {block.width}"
    scales = network.head.embedding_scale, network.head.logit_scale
    if block.cross is not None or network.vector or scales != (1, 1):
        yield "cross-attention, a condition vector or a scaled head"
