"""Attention maps of a trained transformer: the weights of every layer and head on one text, as an image.

    >>> from morphogen.recipes.attention_maps import attention_maps
    >>> attention_maps("runs/gpt-shakespeare-001", "To be, or not to be", "maps.png")  # doctest: +SKIP

Rows of the image are layers and columns are heads. In each map, queries run downwards and keys to the right,
both from the start token on. White is a weight of 0, black a weight of 1.
"""

__all__ = ["attention_maps", "attention_weights"]

import math
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.networks.attention import Attention
from morphogen.networks.transformer import Transformer
from morphogen.run import Run

SIDE, GAP = 6, 8  # pixels per weight, and between maps


def attention_maps(directory: str | Path, text: str, picture: str | Path) -> Path:
    """Draw the attention maps of a run on a text; returns the path of the image.

    Arguments:
        directory: of a run whose network is a `Transformer`.
        text: truncated to the model's context length.
        picture: the file to write.

    Errors: ConfigError if the network is not a `Transformer`.
    """
    model: Any = Run.open(Path(directory)).model()
    network = model.objective.network
    if not isinstance(network, Transformer):
        raise ConfigError(
            f"{directory}: attention maps require a Transformer, the network is a {type(network).__name__}"
        )
    ids = model.representation.tokenize(text)[: network.length]
    _tile(attention_weights(network, ids)).save(picture)
    return Path(picture)


@torch.no_grad()
def attention_weights(network: Transformer, ids: Tensor) -> Float[Tensor, "l h t t"]:
    """softmax(Q K^T / sqrt(d)) of every layer and head, for ids int64 [T]; rows sum to one."""
    weights: list[Tensor] = []
    layers = [module for module in network.modules() if isinstance(module, Attention)]
    hooks = [
        layer.register_forward_hook(lambda layer, inputs, _: weights.append(_weights(layer, inputs[0])))
        for layer in layers
    ]
    try:
        network.eval()(ids[None], None)
    finally:
        for hook in hooks:
            hook.remove()
    return torch.stack(weights)


def _weights(attention: Attention, x: Tensor) -> Tensor:
    """Attention weights [H, T, T] of one layer on its input [1, T, D]."""
    length = x.shape[1]
    q, k, _ = attention.project(x, 0)
    k = k.repeat_interleave(attention.heads // attention.kv_heads, 1)
    scores = q @ k.transpose(2, 3) / math.sqrt(attention.head_dim)
    bias = None if attention.positions is None else attention.positions.bias(length, length, q)
    if bias is not None:
        scores = scores + bias
    return scores.masked_fill(~attention.visible(length, 0, x), -torch.inf).softmax(-1)[0]


def _tile(weights: Float[Tensor, "l h t t"]) -> Image.Image:
    """One image of all maps, layers from top to bottom and heads from left to right."""
    layers, heads, t, _ = weights.shape
    step = t * SIDE + GAP
    canvas = Image.new("L", (heads * step + GAP, layers * step + GAP), 224)
    for i, layer in enumerate(weights):
        for j, head in enumerate(layer):
            small = Image.fromarray((255 * (1 - head)).round().byte().numpy())
            square = small.resize((t * SIDE, t * SIDE), Image.Resampling.NEAREST)
            canvas.paste(square, (GAP + j * step, GAP + i * step))
    return canvas
