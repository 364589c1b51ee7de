"""A transformer's step, compiled: its small operations become a few, which a single position feels most.

No paper: torch.compile (Ansel et al. 2024, "PyTorch 2") at the one seam that `Transformer.advance` is.
"""

__all__ = ["compile_steps"]

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from morphogen.networks.transformer import Transformer


def compile_steps(network: Transformer) -> Transformer:
    """The same network, whose steps of one position are compiled when the first is taken (half a minute); longer ones stay as they are."""
    plain, quick = network.advance, torch.compile(network.advance, dynamic=True)

    def advance(ids: Int[Tensor, "b t"], memories: Sequence[Any], context: Any) -> Float[Tensor, "b t v"]:
        return quick(ids, memories, context) if ids.shape[1] == 1 and memories[0].own.length > 1 else plain(ids, memories, context)

    network.advance = advance  # type: ignore[method-assign]
    return network
