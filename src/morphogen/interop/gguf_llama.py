r"""LLaMA, and what is built like it (SmolLM2, Mistral, ...), from a GGUF file: our parts, filled with its numbers.

    token_embd, output_norm, output (absent: tied), and of each layer
    attn_norm, attn_q, attn_k, attn_v, attn_output, ffn_norm, ffn_gate, ffn_up, ffn_down

ggml turns neighbouring features (2l, 2l + 1) of a head as a pair, we turn (l, l + d/2): the rows of queries and keys, which the
file holds in ggml's order, are put back.

Reference: LLaMA: open and efficient foundation language models, Touvron et al., 2023; the names are those of ggml's specification of GGUF.
"""

__all__ = ["read_model"]

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
from morphogen.interop.gguf_tokenizer import read_text, special
from morphogen.model import Model
from morphogen.networks.decoders import llama
from morphogen.networks.relative_positions import LinearScaling, Scaling
from morphogen.networks.transformer import Transformer

Shapes = Iterator[tuple[str, tuple[int, ...]]]
LARGEST = 1 << 24  # of any number of the architecture


def read_model(file: GGUF, length: int = 2048) -> Model:
    """The model of a file: exact probabilities of its tokens, conditioned on how the text begins.

    Arguments:
        file: whose architecture is "llama".
        length: tokens of a text at most; the model's own context where that is shorter.

    Raises:
        ConfigError: that begins with the path, for another architecture, or where numbers and tensors do not fit each other.
    """
    architecture = file.get("general.architecture", str)
    if architecture != "llama":
        raise ConfigError(f"{file.path}: its architecture is {architecture[:40]!r}; llama is read (SmolLM2, Mistral and LLaMA itself are)")
    shape = _Shape.of(file)
    for name, wanted in shape.tensors():  # before any room is made
        file.check(name, wanted)
    if strange := file.tensors.keys() - {name for name, _ in shape.tensors()}:
        raise ConfigError(f"{file.path}: holds {min(strange)[:60]}, for which LLaMA has no place; it is another architecture")
    text = read_text(file, max(1, min(length, file.get("llama.context_length", int))))
    if text.vocabulary != shape.vocabulary:
        raise ConfigError(f"{file.path}: has {text.vocabulary} words and {shape.vocabulary} vectors for them; the file is damaged")
    begin = special(file, "bos", text.vocabulary) if file.get("tokenizer.ggml.add_bos_token", bool, False) else None
    network = shape.network(text.length, begin)
    _fill(network, file, shape)
    return Model(Autoregressive(network, text.end), text, Prefix())


@dataclass(frozen=True)
class _Shape:
    """The numbers of a network, as the metadata have them."""

    vocabulary: int
    width: int
    layers: int
    heads: int
    shared: int  # keys and values
    each: int  # features of a head
    hidden: int
    eps: float
    base: float
    scaling: Scaling | None
    tied: bool

    @classmethod
    def of(cls, file: GGUF) -> "_Shape":
        width, layers, heads, hidden = (
            _number(file, key) for key in ("embedding_length", "block_count", "attention.head_count", "feed_forward_length")
        )
        each = _number(file, "attention.key_length", width // heads if width % heads == 0 else None)
        shared = _number(file, "attention.head_count_kv", heads)
        if heads % shared or each % 2 or _number(file, "rope.dimension_count", each) != each:
            raise ConfigError(f"{file.path}: {heads} heads of {each} with {shared} keys, or turns of a part of them, are not LLaMA's")
        vocabulary = file.tensors["token_embd.weight"].shape[0] if "token_embd.weight" in file.tensors else 0
        eps, base = _real(file, "attention.layer_norm_rms_epsilon", 1e-5), _real(file, "rope.freq_base", 10_000.0)
        tied = "output.weight" not in file.tensors
        return cls(vocabulary, width, layers, heads, shared, each, hidden, eps, base, _scaling(file), tied)

    def tensors(self) -> Shapes:
        """The name and the shape of every tensor that there must be."""
        queries, keys = self.heads * self.each, self.shared * self.each
        yield "token_embd.weight", (self.vocabulary, self.width)
        for i in range(self.layers):
            for name in ("attn_norm", "ffn_norm"):
                yield f"blk.{i}.{name}.weight", (self.width,)
            reads = {"attn_q": queries, "attn_k": keys, "attn_v": keys, "ffn_gate": self.hidden, "ffn_up": self.hidden}
            writes = {"attn_output": queries, "ffn_down": self.hidden}
            yield from ((f"blk.{i}.{name}.weight", (outputs, self.width)) for name, outputs in reads.items())
            yield from ((f"blk.{i}.{name}.weight", (self.width, inputs)) for name, inputs in writes.items())
        yield "output_norm.weight", (self.width,)
        if not self.tied:
            yield "output.weight", (self.vocabulary, self.width)

    def network(self, length: int, start: int | None) -> Transformer:
        """Ours, of this shape."""
        return llama(
            self.vocabulary, length, self.width, self.layers, self.heads, self.shared, self.hidden, base=self.base, scaling=self.scaling,
            tied=self.tied, eps=self.eps, start=start, head_width=None if self.each * self.heads == self.width else self.each,
        )  # fmt: skip


@torch.no_grad()
def _fill(network: Any, file: GGUF, shape: _Shape) -> None:
    """Copy the file's numbers into a network of its shape."""
    shapes = dict(shape.tensors())

    def of(name: str) -> Tensor:
        return file.tensor(f"{name}.weight", shapes[f"{name}.weight"])

    network.symbols.weight.copy_(of("token_embd"))
    network.norm.weight.copy_(of("output_norm"))
    if not shape.tied:
        network.head.matrix.weight.copy_(of("output"))
    for i, block in enumerate(network.blocks):
        q, k = (_halves(of(f"blk.{i}.{name}"), heads) for name, heads in (("attn_q", shape.heads), ("attn_k", shape.shared)))
        block.attention.queries_keys_values.weight.copy_(torch.cat([q, k, of(f"blk.{i}.attn_v")]))
        block.attention.out.weight.copy_(of(f"blk.{i}.attn_output"))
        block.feed_forward.gates_features.weight.copy_(torch.cat([of(f"blk.{i}.ffn_gate"), of(f"blk.{i}.ffn_up")]))
        block.feed_forward.out.weight.copy_(of(f"blk.{i}.ffn_down"))
        for norm, name in zip(block.norms, ("attn_norm", "ffn_norm"), strict=True):
            norm.weight.copy_(of(f"blk.{i}.{name}"))


def _halves(rows: Float[Tensor, "o i"], heads: int) -> Float[Tensor, "o i"]:
    """Rows in pairs (2l, 2l + 1) of each head to rows in pairs (l, l + d/2)."""
    return rows.unflatten(0, (heads, -1, 2)).transpose(1, 2).flatten(0, 2)


def _scaling(file: GGUF) -> Scaling | None:
    kind = file.get("llama.rope.scaling.type", str, "none")
    if kind == "none":
        return None
    if kind != "linear":
        raise ConfigError(f"{file.path}: its rotary positions are scaled by {kind[:40]!r}; linear and none are read")
    return LinearScaling(_real(file, "rope.scaling.factor"))


def _number(file: GGUF, key: str, default: int | None = None) -> int:
    value = file.get(f"llama.{key}", int, default)
    if not 1 <= value <= LARGEST:
        raise ConfigError(f"{file.path}: llama.{key} is {value}; the file is damaged")
    return value


def _real(file: GGUF, key: str, default: float | None = None) -> float:
    value = file.get(f"llama.{key}", float, default)
    if not 0 < value < math.inf:
        raise ConfigError(f"{file.path}: llama.{key} is {value}; the file is damaged")
    return value
