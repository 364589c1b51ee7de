"""Training and evaluation mode of modules."""

__all__ = ["evaluating"]

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(module: nn.Module) -> Iterator[nn.Module]:
    """Context manager: evaluation mode inside, the previous mode of every submodule afterwards."""
    training = [m for m in module.modules() if m.training]
    try:
        yield module.eval() if training else module
    finally:
        for m in training:
            m.training = True
