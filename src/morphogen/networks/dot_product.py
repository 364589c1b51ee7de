r"""Scaled dot-product attention, by whichever kernel is quicker where it runs.

    softmax(Q K^T / sqrt(D) + bias) V                                     (Vaswani et al. 2017, eq. 1)

torch's fused kernel never writes the weights down, which wins where they are many (Dao et al. 2022, "FlashAttention"). On a CPU its
inner products are scalar in bf16 and its backward pass slow: for the 256 places of a picture and 8 channels a head, written out it costs
23 ms where the fused one takes 68, and for GPT blocks of 256 symbols 22 where it takes 48 (both ways, bf16, two cores). So on a CPU short
sequences are written out, as many rows at a time as their weights fit a part of the cache that the cores share.
"""

__all__ = ["attend"]

import itertools
import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

_WRITTEN_OUT = {torch.bfloat16: 2**19}  # weights of one head up to which the fused kernel is slower; it skips what lies after the diagonal
_WRITTEN_OUT_ELSE = 2**15
_AT_A_TIME = 2**23  # bytes of the weights that are worked on together: a quarter of the cache that the cores share


def attend(
    queries: Float[Tensor, "b n t d"], keys: Float[Tensor, "b n s d"], values: Float[Tensor, "b n s d"],
    causal: bool = False, bias: Float[Tensor, "... s"] | None = None,
) -> Float[Tensor, "b n t d"]:  # fmt: skip
    """The values' averages, weighted by how well their keys answer the queries.

    Arguments:
        queries, keys, values: of n heads, [B, n, T or S, D].
        causal: query i sees the keys 0 .. i only; the two are equally many.
        bias: added to the scores, broadcast against [B, n, T, S]; -inf strikes a key out.
    """
    weights = queries.shape[2] * keys.shape[2]
    if queries.device.type != "cpu" or weights > _WRITTEN_OUT.get(queries.dtype, _WRITTEN_OUT_ELSE):
        if causal and bias is not None:
            bias, causal = bias + _after(queries), False
        return F.scaled_dot_product_attention(queries, keys, values, attn_mask=bias, is_causal=causal)
    if causal:
        bias = _after(queries) if bias is None else bias + _after(queries)
    rows = max(1, _AT_A_TIME // (weights * queries.shape[1] * queries.element_size()))
    queries, keys, values = (heads.contiguous() for heads in (queries / math.sqrt(queries.shape[-1]), keys, values))  # once, not by part
    parts = zip(queries.split(rows), keys.transpose(2, 3).split(rows), values.split(rows), strict=True)
    own = bias is not None and bias.ndim == 4 and len(bias) > 1  # of each row
    biases = bias.split(rows) if own else itertools.repeat(bias)  # type: ignore[union-attr]
    averages = [_weigh(q @ k, more) @ v for (q, k, v), more in zip(parts, biases, strict=False)]
    return averages[0] if len(averages) == 1 else torch.cat(averages)


def _weigh(scores: Tensor, bias: Tensor | None) -> Tensor:
    """The softmax of scores plus bias, in place of the scores: their gradient does not need them."""
    if bias is not None:
        scores += bias
    return scores.softmax(-1) if scores.requires_grad else torch.softmax(scores, -1, out=scores)


def _after(queries: Tensor) -> Tensor:
    """-inf for the keys after each query's own, [T, T]."""
    length = queries.shape[2]
    return queries.new_full((length, length), -torch.inf).triu(1)
