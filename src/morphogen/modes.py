"""Training and evaluation mode of modules."""

__all__ = ["evaluating"]

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Context manager: evaluation mode inside, the previous mode of every submodule afterwards."""
    before = {m: m.training for m in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for m, mode in before.items():
            m.training = mode
