"""A transformer's steps, compiled: the small operations of a layer become a few, which a single position feels most.

One layer is compiled and serves all, since they differ in their numbers only: six seconds instead of forty for twelve layers, and steps
as quick. No paper: torch.compile (Ansel et al. 2024, "PyTorch 2").
"""

__all__ = ["compile_steps"]

from types import MethodType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.networks.transformer import Transformer


def compile_steps(network: Transformer) -> Transformer:
    """The same network, whose steps of one position are compiled when the first is taken; longer passes stay as they are."""
    plain = type(network.block).forward
    quick = torch.compile(plain, dynamic=True)

    def forward(block: nn.Module, h: Float[Tensor, "b t d"], context: Any = None, memory: Any = None, *rest: Any, **told: Any) -> Tensor:
        step = memory is not None and h.shape[1] == 1 and memory.own.length > 1
        return (quick if step else plain)(block, h, context, memory, *rest, **told)

    for block in network.blocks:
        block.forward = MethodType(forward, block)
    return network
