"""The operators of each kernel: shapes and types of their results, and their gradients.

    KERNELS     {kernel: {operator: function of fake tensors}}
    GRADIENTS   {operator: (backward, what it saves)}

A gradient is another kernel, whose own gradient, where somebody differentiates twice, is that of torch's
operators.
"""

__all__ = ["GRADIENTS", "KERNELS"]

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


def _words(rows: Tensor, count: int, draw: int, key0: int, key1: int) -> Tensor:
    return rows.new_empty((len(rows), count), dtype=torch.int64)


def _numbers(rows: Tensor, count: int, draw: int, key0: int, key1: int) -> Tensor:
    return rows.new_empty((len(rows), count), dtype=torch.float32)


def _norm(gradients: list[Tensor]) -> Tensor:
    return gradients[0].new_empty(())


def _theta(entry: Tensor | None, known: list[Tensor], *arguments: Any) -> Tensor:
    last_weight = arguments[2]
    return known[0].new_empty(len(last_weight), known[0].shape[1])


def _nothing(*arguments: object) -> None:
    """Of an operator that changes its arguments in place."""


def _attention(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    return _heads(queries), queries.new_empty(queries.shape[:3], dtype=torch.float32)


def _attention_backward(
    gradient: Tensor, queries: Tensor, keys: Tensor, values: Tensor, *saved: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    return _heads(queries), _heads(keys), _heads(values)


def _heads(like: Tensor) -> Tensor:
    """[B, n, T, D], stored as [B, T, n, D]."""
    b, n, t, d = like.shape
    return like.new_empty(b, t, n, d).transpose(1, 2)


# the operators of each kernel, with the shapes and types of their results
KERNELS: dict[str, dict[str, Callable[..., Tensor | tuple[Tensor, ...] | None]]] = {
    "made": {"made_step": _theta},
    "philox": {"philox": _words, "philox_uniform": _numbers, "philox_normal": _numbers},
    "adam": {"gradient_norm": _norm, "adam_": _nothing},
    "attention": {"attention": _attention},
    "attention_backward": {"attention_backward": _attention_backward},
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


def _differentiable(output: Tensor, inputs: Sequence[Tensor], gradient: Tensor) -> tuple[Tensor | None, ...]:
    """Gradients of the inputs that have one, as functions of all tensors."""
    needed = [x for x in inputs if x.requires_grad]
    found = iter(torch.autograd.grad(output, needed, gradient, create_graph=True))
    return tuple(next(found) if x.requires_grad else None for x in inputs)


# the backward function of an operator, and what saves its arguments
GRADIENTS: dict[str, tuple[Callable[..., Any], Callable[..., None]]] = {
    "attention": (_attention_gradients, _save_attention),
}
