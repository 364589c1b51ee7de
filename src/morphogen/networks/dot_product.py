r"""Scaled dot-product attention, with the kernel that is faster on the device.

    softmax(Q K^T / sqrt(D) + bias) V                                     (Vaswani et al. 2017, eq. 1)

torch's fused kernel never materialises the attention weights, which is faster where there are many (Dao et
al. 2022, "FlashAttention"). On a CPU its inner products are scalar in bf16 and its backward pass is slow: for
the 256 positions of an image and 8 channels per head the explicit computation takes 23 ms and the fused one
68 ms, and for GPT blocks of 256 tokens 22 ms and 48 ms (forward and backward, bf16, two cores). So on a CPU
short sequences are computed explicitly, in chunks of rows whose weights fit a part of the shared cache.

Attention that is not causal is computed by our own kernel (`native/attention.cpp`) where that is faster: for
batches of 16 rows and 16 heads, the same 256 positions take 26 ms instead of 60 ms (one core). Heads of more
than 32 channels in bf16 are left to torch, whose matrix products use the processor's instructions for bf16.
"""

__all__ = ["attend"]

import itertools
import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from morphogen.native.kernels import available

# Weights per head up to which the explicit computation is faster; the fused kernel skips masked blocks.
_EXPLICIT_LIMIT = {torch.bfloat16: 2**19}
_EXPLICIT_LIMIT_DEFAULT = 2**15
_NATIVE_WIDTH = {torch.bfloat16: 32, torch.float32: 128}  # channels per head up to which ours is faster
_FEW_QUERIES = 8  # a lane of our kernel is a query
_CHUNK_BYTES = 2**23  # size of the weights of one chunk: a quarter of the shared cache


def attend(
    queries: Float[Tensor, "b n t d"],
    keys: Float[Tensor, "b n s d"],
    values: Float[Tensor, "b n s d"],
    causal: bool = False,
    bias: Float[Tensor, "... s"] | None = None,
) -> Float[Tensor, "b n t d"]:
    """Scaled dot-product attention of n heads.

    Arguments:
        queries, keys, values: of n heads, [B, n, T or S, D].
        causal: query i attends to the keys 0 .. i only; requires T = S.
        bias: added to the scores, broadcast against [B, n, T, S]; -inf masks a key.
    """
    if not causal and _suits(queries, keys, values, bias):
        key_bias = None if bias is None else bias.float()
        return torch.ops.morphogen.attention(queries, keys, values, key_bias)[0]
    weights = queries.shape[2] * keys.shape[2]
    if queries.device.type != "cpu" or weights > _EXPLICIT_LIMIT.get(queries.dtype, _EXPLICIT_LIMIT_DEFAULT):
        if causal and bias is not None:
            bias, causal = bias + _causal_bias(queries), False
        return F.scaled_dot_product_attention(queries, keys, values, attn_mask=bias, is_causal=causal)
    if causal:
        bias = _causal_bias(queries) if bias is None else bias + _causal_bias(queries)
    rows = max(1, _CHUNK_BYTES // (weights * queries.shape[1] * queries.element_size()))
    scaled = queries / math.sqrt(queries.shape[-1])
    queries, keys, values = (heads.contiguous() for heads in (scaled, keys, values))  # once, not per chunk
    chunks = zip(queries.split(rows), keys.transpose(2, 3).split(rows), values.split(rows), strict=True)
    per_row = bias is not None and bias.ndim == 4 and len(bias) > 1
    biases = bias.split(rows) if per_row else itertools.repeat(bias)  # type: ignore[union-attr]
    outputs = [_softmax(q @ k, chunk_bias) @ v for (q, k, v), chunk_bias in zip(chunks, biases, strict=False)]
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs)


def _suits(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> bool:
    """Whether our kernel computes this; a bias must be that of the keys, and have no gradient."""
    t, width = queries.shape[2:]
    if queries.device.type != "cpu" or t < _FEW_QUERIES or width > _NATIVE_WIDTH.get(queries.dtype, 0):
        return False
    if bias is not None and (bias.ndim != 4 or bias.shape[2] != 1 or bias.requires_grad):
        return False
    if not keys.dtype == values.dtype == queries.dtype or not keys.shape[2]:
        return False
    differentiates = torch.is_grad_enabled() and any(x.requires_grad for x in (queries, keys, values))
    return available("attention") and (not differentiates or available("attention_backward"))


def _softmax(scores: Tensor, bias: Tensor | None) -> Tensor:
    """softmax(scores + bias). The bias is added in place: the gradient doesn't need the scores."""
    if bias is not None:
        scores += bias
    return scores.softmax(-1) if scores.requires_grad else torch.softmax(scores, -1, out=scores)


def _causal_bias(queries: Tensor) -> Tensor:
    """-inf for the keys after each query, 0 elsewhere: [T, T]."""
    length = queries.shape[2]
    return queries.new_full((length, length), -torch.inf).triu(1)
