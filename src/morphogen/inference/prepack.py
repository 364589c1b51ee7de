"""Memory layout of weight matrices for decoding, where a step of one row reads each matrix once.

    y = W x      row-major: one inner product per output;      column-major: accumulate x_i times column i

For W with more outputs than inputs, column-major took a third to a half less time in float32 on two cores
(768 to 32,000: 3.6 ms instead of 7.3 ms); otherwise it was not faster. Networks that our kernel decodes
(`networks/decoding_step.py`) keep row-major matrices. Names, shapes and values stay the same.
"""

__all__ = ["prepack_weights"]

from typing import TypeVar

from torch import nn

from morphogen.networks.decoding_step import native_step
from morphogen.networks.transformer import Transformer
from morphogen.wrong_calls import explains_calls

M = TypeVar("M", bound=nn.Module)


@explains_calls
def prepack_weights(model: M) -> M:
    """Store weight matrices in the layout that decoding reads fastest, in place; returns the model."""
    networks = [part for part in model.modules() if isinstance(part, Transformer)]
    native = {part for network in networks if native_step(network) for part in network.modules()}
    for part in set(model.modules()) - native:
        if isinstance(part, nn.Linear | nn.Embedding) and part.weight.shape[0] > part.weight.shape[1]:
            part.weight.data = part.weight.data.t().contiguous().t()
    return model
