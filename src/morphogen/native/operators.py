"""The operators of each kernel: shapes and types of their results, and their gradients.

    KERNELS     {kernel: {operator: function of fake tensors}}
    GRADIENTS   {operator: (backward, what it saves)}

A gradient is another kernel, whose own gradient, where somebody differentiates twice, is that of torch's
operators.
"""

__all__ = ["GRADIENTS", "KERNELS", "plain_group_norm"]

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def plain_group_norm(
    x: Tensor, added: Tensor | None, weight: Tensor | None, bias: Tensor | None, scale: Tensor | None,
    shift: Tensor | None, groups: int, eps: float, silu: bool,
) -> Tensor:  # fmt: skip
    """The operator `group_norm` by those of torch."""
    h = x if added is None else x + added[:, :, None, None]
    h = F.group_norm(h, groups, weight, bias, eps)
    h = h if scale is None else h * (1 + scale[:, :, None, None])
    h = h if shift is None else h + shift[:, :, None, None]
    return F.silu(h) if silu else h


def _words(rows: Tensor, count: int, draw: int, key0: int, key1: int) -> Tensor:
    return rows.new_empty((len(rows), count), dtype=torch.int64)


def _numbers(rows: Tensor, count: int, draw: int, key0: int, key1: int) -> Tensor:
    return rows.new_empty((len(rows), count), dtype=torch.float32)


def _norm(gradients: list[Tensor]) -> Tensor:
    return gradients[0].new_empty(())


def _theta(entry: Tensor | None, known: list[Tensor], *arguments: Any) -> Tensor:
    last_weight = arguments[2]
    return known[0].new_empty(len(last_weight), known[0].shape[1])


def _gram(x: Tensor, mean: Tensor, scale: float) -> Tensor:
    return mean.new_empty(len(mean), len(mean))


def _decided(tokens: Tensor, *arguments: Any) -> Tensor:
    return tokens.new_empty((), dtype=torch.bool)


def _cross_entropy(logits: Tensor, targets: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
    rows = len(logits)
    return logits.new_empty(rows, dtype=torch.float32), logits.new_empty(rows, dtype=torch.float32)


def _cross_entropy_backward(gradient: Tensor, logits: Tensor, *arguments: Any) -> Tensor:
    return torch.empty_like(logits)


def _products(x: Tensor, weight: list[Tensor], bias: Tensor | None) -> Tensor:
    return x.new_empty(len(x), len(weight[-1]))


def _logits(h: Tensor, matrices: list[Tensor], *arguments: Any) -> Tensor:
    return h.new_empty(len(h), len(matrices[-1]))


def _nothing(*arguments: object) -> None:
    """Of an operator that changes its arguments in place."""


def _attention(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    return _heads(queries), queries.new_empty(queries.shape[:3], dtype=torch.float32)


def _attention_backward(
    gradient: Tensor, queries: Tensor, keys: Tensor, values: Tensor, *saved: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    return _heads(queries), _heads(keys), _heads(values)


def _group_norm(x: Tensor, *arguments: Any) -> tuple[Tensor, Tensor]:
    groups = arguments[5]
    return _channels_last(x), x.new_empty(len(x), groups, 2, dtype=torch.float32)


def _group_norm_backward(gradient: Tensor, x: Tensor, *arguments: Any) -> tuple[Tensor, Tensor]:
    return _channels_last(x), x.new_empty(2, *x.shape[:2], dtype=torch.float32)


def _channels_last(like: Tensor) -> Tensor:
    return torch.empty_like(like, memory_format=torch.channels_last)


def _heads(like: Tensor) -> Tensor:
    """[B, n, T, D], stored as [B, T, n, D]."""
    b, n, t, d = like.shape
    return like.new_empty(b, t, n, d).transpose(1, 2)


# the operators of each kernel, with the shapes and types of their results
KERNELS: dict[str, dict[str, Callable[..., Tensor | tuple[Tensor, ...] | None]]] = {
    "made": {"made_step": _theta},
    "cross_entropy": {
        "cross_entropy": _cross_entropy,
        "cross_entropy_backward": _cross_entropy_backward,
    },
    "wavenet": {"wavenet_draw": _decided},
    "lstm": {"lstm_draw": _decided},
    "gated_pixelcnn": {"gated_pixelcnn_draw": _decided},
    "philox": {"philox": _words, "philox_uniform": _numbers, "philox_normal": _numbers},
    "adam": {"gradient_norm": _norm, "adam_": _nothing},
    "linear": {"linear": _products},
    "decoder": {"decoder_step": _logits},
    "attention": {"attention": _attention},
    "attention_backward": {"attention_backward": _attention_backward},
    "gram": {"gram": _gram},
    "group_norm": {"group_norm": _group_norm},
    "group_norm_backward": {"group_norm_backward": _group_norm_backward},
}


def _save_attention(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(*inputs, *output)
    ctx.mark_non_differentiable(output[1])


def _attention_gradients(ctx: Any, gradient: Tensor, _: Tensor | None) -> tuple[Tensor | None, ...]:
    queries, keys, values, bias, out, logs = ctx.saved_tensors
    if torch.is_grad_enabled():  # to be differentiated again
        scores = queries @ keys.transpose(2, 3) / math.sqrt(queries.shape[-1])
        weights = (scores if bias is None else scores + bias).softmax(-1)
        return *_differentiable(weights.to(values.dtype) @ values, (queries, keys, values), gradient), None
    gradients = torch.ops.morphogen.attention_backward(gradient, queries, keys, values, bias, out, logs)
    return *gradients, None


def _save_group_norm(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    *tensors, ctx.groups, ctx.eps, ctx.silu = inputs
    ctx.save_for_backward(*tensors, output[1])
    ctx.mark_non_differentiable(output[1])


def _group_norm_gradients(ctx: Any, gradient: Tensor, _: Tensor | None) -> tuple[Tensor | None, ...]:
    *inputs, statistics = ctx.saved_tensors
    arguments: tuple[Any, ...] = (*inputs, ctx.groups, ctx.eps, ctx.silu)
    if torch.is_grad_enabled():  # to be differentiated again
        return *_differentiable(plain_group_norm(*arguments), inputs, gradient), None, None, None
    dx, (p, q) = torch.ops.morphogen.group_norm_backward(gradient, *inputs, ctx.groups, ctx.silu, statistics)
    _, added, weight, bias, scale, _ = inputs
    factor = 1.0 if scale is None else 1 + scale
    found = [
        dx,
        None if added is None else dx.sum((2, 3)),
        None if weight is None else (q * factor).sum(0),
        None if bias is None else (p * factor).sum(0),
        None if scale is None else (q if weight is None else q * weight) + (0 if bias is None else p * bias),
        p,
    ]
    pairs = zip(found, inputs, strict=True)
    return *(None if x is None or g is None else g.to(x.dtype) for g, x in pairs), None, None, None


def _save_cross_entropy(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    logits, targets, ctx.smoothing = inputs
    ctx.save_for_backward(logits, targets, output[1])
    ctx.mark_non_differentiable(output[1])


def _cross_entropy_gradients(ctx: Any, gradient: Tensor, _: Tensor | None) -> tuple[Tensor | None, ...]:
    logits, targets, log_z = ctx.saved_tensors
    if torch.is_grad_enabled():  # to be differentiated again
        nll = F.cross_entropy(
            logits, targets, ignore_index=-1, reduction="none", label_smoothing=ctx.smoothing
        )
        return *_differentiable(nll, (logits,), gradient), None, None
    dx = torch.ops.morphogen.cross_entropy_backward(gradient, logits, targets, log_z, ctx.smoothing)
    return dx, None, None


def _differentiable(
    output: Tensor, inputs: Sequence[Tensor | None], gradient: Tensor
) -> tuple[Tensor | None, ...]:
    """Gradients of the inputs that have one, as functions of all tensors."""
    needed = [x for x in inputs if x is not None and x.requires_grad]
    found = iter(torch.autograd.grad(output, needed, gradient, create_graph=True))
    return tuple(None if x is None or not x.requires_grad else next(found) for x in inputs)


# the backward function of an operator, and what saves its arguments
GRADIENTS: dict[str, tuple[Callable[..., Any], Callable[..., None]]] = {
    "attention": (_attention_gradients, _save_attention),
    "group_norm": (_group_norm_gradients, _save_group_norm),
    "cross_entropy": (_cross_entropy_gradients, _save_cross_entropy),
}
