r"""One position of a transformer with pre-norm blocks, in one call of a kernel (`native/decoder.cpp`).

The kernel reads every matrix once, as fast as memory allows; its twin `Transformer.advance` calls some 15 of
torch's operators in each layer. One row of the LLaMA of the benchmark lm-decode took 19 ms instead of 37 in
fp32 and 12 ms instead of 27 in bf16 (one core of an EPYC of the Zen 5 generation).

It needs a CPU, at most `FEW` rows, layers of known types without hooks, and no autocast; `native_step` is
None where it does not apply. GPT-2's and LLaMA's networks are such, also with packed matrices
(`inference/packed.py`). A packed matrix has `tensors` in one of the formats of `native/matrix.h`.
"""

__all__ = ["FEW", "NativeStep", "matrix_tensors", "native_step"]

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from morphogen.native.kernels import available
from morphogen.networks.attention import Attention
from morphogen.networks.blocks import Block, BlockCache
from morphogen.networks.feed_forward import GEGLU, FeedForward, SwiGLU
from morphogen.networks.normalization import LayerNorm, RMSNorm
from morphogen.networks.relative_positions import Rotary

FEW = 32  # rows up to which a matrix is read once and multiplied by all of them
_DTYPES = (torch.float32, torch.bfloat16)


class NativeStep:
    """The weights of a network in the order of the kernel. No paper: see `Transformer`.

    Arguments:
        network: a `Transformer` that `native_step` accepts.
    """

    def __init__(self, network: Any):
        layers, first = [*_layers(network)], network.block
        attention, norms = first.attention, [norm for block in network.blocks for norm in block.norms[:2]]
        self.matrices = [tensor for layer in layers for tensor in matrix_tensors(layer)]
        self.norms = torch.stack([norm.weight.detach().float() for norm in (*norms, network.norm)])
        self.centred, self.eps = isinstance(network.norm, LayerNorm), network.norm.eps
        self.shifts = None
        if self.centred and network.norm.bias:
            self.shifts = torch.stack([norm.shift.detach().float() for norm in (*norms, network.norm)])
        self.biases = _biases(layers)
        rotary = attention.positions
        self.rotations = None if rotary is None else torch.stack([rotary.cos[:, 0], rotary.sin[:, 0]]).float()
        self.heads, self.window = attention.heads, attention.window or 0
        gated = {SwiGLU: "swiglu", GEGLU: "geglu"}
        self.activation = gated.get(type(first.feed_forward)) or first.feed_forward.activation
        self.vocabulary, self.logit_scale = network.vocabulary, network.head.logit_scale

    def __call__(
        self, h: Float[Tensor, "b d"], caches: Sequence[BlockCache], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b v"]:
        """Logits after one more position of each row, whose keys and values are stored at `lengths`."""
        key_values = [cache.self_attention for cache in caches]
        logits: Tensor = torch.ops.morphogen.decoder_step(
            h, self.matrices, self.norms, self.shifts, self.biases, self.centred, self.eps,
            [each.keys for each in key_values], [each.values for each in key_values], lengths,
            self.rotations, self.heads, self.window, self.activation,
        )  # fmt: skip
        logits = logits[:, : self.vocabulary]
        return logits if self.logit_scale == 1 else self.logit_scale * logits


def native_step(network: Any) -> NativeStep | None:
    """The kernel's step of a network; None where it does not apply."""
    return NativeStep(network) if _suits(network) and available("decoder") else None


def matrix_tensors(layer: Any) -> list[Shaped[Tensor, "..."]]:
    """The matrix of a linear layer as the kernels read it; empty if they cannot."""
    if hasattr(layer, "matrix"):
        return [*getattr(layer.matrix, "tensors", ())]
    plain = type(layer) is nn.Linear or hasattr(layer, "scores")
    weight = layer.weight.detach() if plain else None
    return [weight] if weight is not None and weight.dtype in _DTYPES and weight.is_contiguous() else []


def _layers(network: Any) -> Iterator[Any]:
    """The layers with matrices, in the order of use."""
    for block in network.blocks:
        yield block.attention.queries_keys_values
        yield block.attention.out
        yield getattr(block.feed_forward, "gates_features", None) or block.feed_forward.inner
        yield block.feed_forward.out
    yield getattr(network.head, "matrix", network.token_embedding)


def _biases(layers: Sequence[Any]) -> Tensor | None:
    """The biases of all layers, 0 where there is none; None: no layer has one."""
    biases = [getattr(layer, "bias", None) for layer in layers]
    if all(bias is None for bias in biases):
        return None
    outputs = [_outputs(matrix_tensors(layer)) for layer in layers]
    return torch.cat([
        torch.zeros(count) if bias is None else bias.detach().float()
        for bias, count in zip(biases, outputs, strict=True)
    ])  # fmt: skip


def _outputs(matrix: Sequence[Tensor]) -> int:
    """Number of rows of a matrix, which may be padded unless each has its own scale."""
    return len(matrix[1]) if len(matrix) == 2 else len(matrix[0])


def _suits(network: Any) -> bool:
    """Whether the kernel computes this network."""
    parts = [part for part in network.modules() if part is not network]
    if any(vars(part).get("forward") or part._forward_hooks or part._forward_pre_hooks for part in parts):
        return False
    norm, first = network.norm, network.block
    alike = all(
        type(block) is Block
        and type(block.attention) is Attention
        and type(block.feed_forward) is type(first.feed_forward)
        and block.cross is None
        and all(type(each) is type(norm) and each.eps == norm.eps for each in block.norms)
        and not (block.training and block.dropout)
        for block in network.blocks
    )
    return (
        alike
        and type(norm) in (LayerNorm, RMSNorm)
        and type(first.feed_forward) in (FeedForward, SwiGLU, GEGLU)
        and (first.attention.positions is None or type(first.attention.positions) is Rotary)
        and network.norm.weight.device.type == "cpu"
        and all(matrix_tensors(layer) for layer in _layers(network))
    )
