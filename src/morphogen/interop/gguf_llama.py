r"""LLaMA models from GGUF files, and models of the same architecture (SmolLM2, Mistral, ...).

    token_embd, output_norm, output (absent: tied), rope_freqs (Llama 3.1), and per layer
    attn_norm, attn_q, attn_k, attn_v, attn_output, ffn_norm, ffn_gate, ffn_up, ffn_down

ggml's rotary embedding rotates neighbouring features (2l, 2l + 1) of a head as a pair, ours rotates (l, l +
d/2). The rows of the query and key projections are therefore permuted from ggml's order to ours.

Reference: LLaMA: open and efficient foundation language models, Touvron et al., 2023; the names are those of
ggml's specification of GGUF.
"""

__all__ = ["context_length", "read_model"]

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.conditioning.prefix import Prefix
from morphogen.families.autoregressive import Autoregressive
from morphogen.interop.gguf import GGUF
from morphogen.interop.gguf_tokenizer import read_representation, start_token
from morphogen.model import Model
from morphogen.networks.decoders import llama
from morphogen.networks.relative_positions import FrequencyFactors, LinearScaling, Scaling
from morphogen.networks.transformer import Transformer

Shapes = Iterator[tuple[str, tuple[int, ...]]]
MAX_SIZE = 1 << 24  # bound on every size of the architecture
ROPE_FREQS = "rope_freqs.weight"
EXTENSIONS = {  # parts of tensor names that other models of the architecture "llama" have
    "_exps": "a mixture of experts",
    "ffn_gate_inp": "a mixture of experts",
    ".bias": "a model with biases",
    "rope_factors": "a model with LongRoPE",
}


def read_model(file: GGUF, length: int = 2048) -> Model:
    """The language model of a GGUF file: an autoregressive model of its tokens, conditioned on a prompt.

    Arguments:
        file: with the architecture "llama".
        length: maximal number of tokens; limited by the model's context length.

    Raises:
        ConfigError: for another architecture, or tensors that don't fit the metadata; the message begins with
            the path.
    """
    architecture = file.get("general.architecture", str)
    if architecture != "llama":
        raise ConfigError(
            f"{file.path}: unsupported architecture {architecture[:40]!r}; use a llama model "
            "(SmolLM2, Mistral or LLaMA itself)"
        )
    sizes = _Sizes.of(file)
    for name, shape in sizes.tensors():  # before memory is allocated
        file.check(name, shape)
    if unknown := file.tensors.keys() - {name for name, _ in sizes.tensors()}:
        what = next(
            (what for part, what in EXTENSIONS.items() if part in min(unknown)), "another architecture"
        )
        raise ConfigError(
            f"{file.path}: tensor {min(unknown)[:60]} is not LLaMA's; the file is of {what}; "
            "use a LLaMA without it"
        )
    text = read_representation(file, max(1, min(length, context_length(file))))
    if text.vocabulary != sizes.vocabulary:
        raise ConfigError(
            f"{file.path}: {text.vocabulary} tokens, {sizes.vocabulary} embedding rows; the file is damaged"
        )
    network = sizes.network(text.length, start_token(file))
    _fill(network, file, sizes)
    return Model(Autoregressive(network, text.end), text, Prefix())


def context_length(file: GGUF) -> int:
    """The maximal number of tokens of a GGUF file's model. Errors: ConfigError if it is missing."""
    return file.get("llama.context_length", int)


@dataclass(frozen=True)
class _Sizes:
    """Sizes of a network, from the metadata."""

    vocabulary: int
    width: int
    layers: int
    heads: int
    key_values: int  # number of key and value heads
    head_width: int
    hidden: int
    eps: float
    base: float
    scaling: Scaling | None
    tied: bool

    @classmethod
    def of(cls, file: GGUF) -> "_Sizes":
        """The sizes of a file. Errors: ConfigError if they don't fit each other."""
        width, layers, heads, hidden = (
            _size(file, key)
            for key in ("embedding_length", "block_count", "attention.head_count", "feed_forward_length")
        )
        head_width = _size(file, "attention.key_length", width // heads if width % heads == 0 else None)
        key_values = _size(file, "attention.head_count_kv", heads)
        rotated = _size(file, "rope.dimension_count", head_width)
        if heads % key_values or head_width % 2 or rotated != head_width:
            raise ConfigError(
                f"{file.path}: {heads} heads of width {head_width} ({rotated} rotated) with {key_values} "
                "key-value heads are not LLaMA's"
            )
        embedding = file.tensors.get("token_embd.weight")
        vocabulary = 0 if embedding is None else embedding.shape[0]
        eps = _positive(file, "attention.layer_norm_rms_epsilon", 1e-5)
        base = _positive(file, "rope.freq_base", 10_000.0)
        tied = "output.weight" not in file.tensors
        scaling = _scaling(file, head_width // 2)
        return cls(vocabulary, width, layers, heads, key_values, head_width, hidden, eps, base, scaling, tied)

    def tensors(self) -> Shapes:
        """Name and shape of every tensor that the file must have."""
        queries, keys = self.heads * self.head_width, self.key_values * self.head_width
        if isinstance(self.scaling, FrequencyFactors):
            yield ROPE_FREQS, (self.head_width // 2,)
        yield "token_embd.weight", (self.vocabulary, self.width)
        for i in range(self.layers):
            for name in ("attn_norm", "ffn_norm"):
                yield f"blk.{i}.{name}.weight", (self.width,)
            inputs = {
                "attn_q": queries,
                "attn_k": keys,
                "attn_v": keys,
                "ffn_gate": self.hidden,
                "ffn_up": self.hidden,
            }
            outputs = {"attn_output": queries, "ffn_down": self.hidden}
            yield from ((f"blk.{i}.{name}.weight", (size, self.width)) for name, size in inputs.items())
            yield from ((f"blk.{i}.{name}.weight", (self.width, size)) for name, size in outputs.items())
        yield "output_norm.weight", (self.width,)
        if not self.tied:
            yield "output.weight", (self.vocabulary, self.width)

    def network(self, length: int, start: int | None) -> Transformer:
        """A network of these sizes."""
        head_width = None if self.head_width * self.heads == self.width else self.head_width
        return llama(
            self.vocabulary,
            length,
            self.width,
            self.layers,
            self.heads,
            self.key_values,
            self.hidden,
            base=self.base,
            scaling=self.scaling,
            tied=self.tied,
            eps=self.eps,
            start=start,
            head_width=head_width,
        )


@torch.no_grad()
def _fill(network: Any, file: GGUF, sizes: _Sizes) -> None:
    """Copy the weights of the file into a network of its sizes."""
    shapes = dict(sizes.tensors())

    def weight(name: str) -> Tensor:
        return file.tensor(f"{name}.weight", shapes[f"{name}.weight"])

    network.token_embedding.weight.copy_(weight("token_embd"))
    network.norm.weight.copy_(weight("output_norm"))
    if not sizes.tied:
        network.head.matrix.weight.copy_(weight("output"))
    for i, block in enumerate(network.blocks):
        q = _permute_rotary(weight(f"blk.{i}.attn_q"), sizes.heads)
        k = _permute_rotary(weight(f"blk.{i}.attn_k"), sizes.key_values)
        block.attention.queries_keys_values.weight.copy_(torch.cat([q, k, weight(f"blk.{i}.attn_v")]))
        block.attention.out.weight.copy_(weight(f"blk.{i}.attn_output"))
        gates, features = weight(f"blk.{i}.ffn_gate"), weight(f"blk.{i}.ffn_up")
        block.feed_forward.gates_features.weight.copy_(torch.cat([gates, features]))
        block.feed_forward.out.weight.copy_(weight(f"blk.{i}.ffn_down"))
        for norm, name in zip(block.norms, ("attn_norm", "ffn_norm"), strict=True):
            norm.weight.copy_(weight(f"blk.{i}.{name}"))


def _permute_rotary(rows: Float[Tensor, "o i"], heads: int) -> Float[Tensor, "o i"]:
    """Rows whose rotary pairs are (2l, 2l + 1) within each head to rows whose pairs are (l, l + d/2)."""
    return rows.unflatten(0, (heads, -1, 2)).transpose(1, 2).flatten(0, 2)


def _scaling(file: GGUF, pairs: int) -> Scaling | None:
    """The scaling of the rotary embedding of heads with `pairs` pairs of features."""
    kind = file.get("llama.rope.scaling.type", str, "linear")  # llama.cpp's default, with the factor 1
    if kind not in ("none", "linear"):
        raise ConfigError(
            f"{file.path}: unsupported llama.rope.scaling.type {kind[:40]!r}; use a model with "
            "linear scaling, rope_freqs or none"
        )
    key = next(
        (key for key in ("rope.scaling.factor", "rope.scale_linear") if f"llama.{key}" in file.metadata), ""
    )
    factor = _positive(file, key) if key and kind == "linear" else 1.0
    if ROPE_FREQS in file.tensors:
        return FrequencyFactors(tuple((factor * _frequency_factors(file, pairs)).tolist()))
    return LinearScaling(factor) if factor != 1 else None


def _frequency_factors(file: GGUF, pairs: int) -> Tensor:
    factors = file.tensor(ROPE_FREQS, (pairs,))
    if not (factors > 0).all():
        raise ConfigError(f"{file.path}: {ROPE_FREQS} has factors that are not positive; the file is damaged")
    return factors.double()


def _size(file: GGUF, key: str, default: int | None = None) -> int:
    """A size from the metadata, in [1, 2^24]."""
    value = file.get(f"llama.{key}", int, default)
    if not 1 <= value <= MAX_SIZE:
        raise ConfigError(
            f"{file.path}: llama.{key} must be in 1 .. {MAX_SIZE}, got {value}; the file is damaged"
        )
    return value


def _positive(file: GGUF, key: str, default: float | None = None) -> float:
    """A positive, finite number from the metadata."""
    value = file.get(f"llama.{key}", float, default)
    if not 0 < value < math.inf:
        raise ConfigError(f"{file.path}: llama.{key} must be positive, got {value}; the file is damaged")
    return value
