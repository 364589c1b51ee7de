"""Where a trained transformer looks: the weights of every head on one text, a picture of squares.

    python -c "from morphogen.recipes.attention_maps import attention_maps as maps; maps('runs/gpt', 'To be, or not to be', 'maps.png')"

A row of the picture is a layer, a column a head; in a square the reader goes down and what it looks at goes right, both from the start
symbol on. White is nothing, black is all of a reader's attention.
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

SIDE, GAP = 6, 8  # pixels of a weight, and between squares


def attention_maps(directory: str | Path, text: str, picture: str | Path) -> Path:
    """Draw the maps of a run on a text, and return where.

    Arguments:
        directory: of the run, whose network is a `Transformer`.
        text: at most as long as the model's.
        picture: the file to write.

    Errors: ConfigError for a run of another network.
    """
    model: Any = Run.open(Path(directory)).model()
    network = model.objective.network
    if not isinstance(network, Transformer):
        raise ConfigError(f"{directory}: its network is a {type(network).__name__}; attention maps are a transformer's")
    ids = model.representation.read(text)[: network.length]
    _tiled(attention_weights(network, ids)).save(picture)
    return Path(picture)


@torch.no_grad()
def attention_weights(network: Transformer, ids: Tensor) -> Float[Tensor, "l h t t"]:
    """softmax(Q K^T / sqrt(d)) of every layer and head, for ids int64 [T]: the rows sum to one."""
    seen: list[Tensor] = []
    parts = [part for part in network.modules() if isinstance(part, Attention)]
    hooks = [part.register_forward_hook(lambda part, x, _: seen.append(_weights(part, x[0]))) for part in parts]
    try:
        network.eval()(ids[None], None)
    finally:
        for hook in hooks:
            hook.remove()
    return torch.stack(seen)


def _weights(attention: Attention, x: Tensor) -> Tensor:
    """Of one layer, from what it reads."""
    q, k, _ = attention.project(x, 0)
    scores = q @ k.repeat_interleave(attention.heads // attention.shared, 1).transpose(2, 3) / math.sqrt(attention.each)
    if attention.positions is not None and (bias := attention.positions.bias(x.shape[1], x.shape[1], q)) is not None:
        scores = scores + bias
    return scores.masked_fill(~attention.visible(x.shape[1], 0, x), -torch.inf).softmax(-1)[0]


def _tiled(weights: Float[Tensor, "l h t t"]) -> Image.Image:
    """Layers below one another, heads side by side."""
    layers, heads, t, _ = weights.shape
    step = t * SIDE + GAP
    page = Image.new("L", (heads * step + GAP, layers * step + GAP), 224)
    for i, layer in enumerate(weights):
        for j, head in enumerate(layer):
            square = Image.fromarray((255 * (1 - head)).round().byte().numpy()).resize((t * SIDE,) * 2, Image.Resampling.NEAREST)
            page.paste(square, (GAP + j * step, GAP + i * step))
    return page
