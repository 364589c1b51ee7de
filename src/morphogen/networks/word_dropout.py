"""Word dropout: in training, some of the tokens that a causal network reads are hidden.

A decoder that cannot rely on the tokens before must use what else it is given, such as a latent ("Generating
sentences from a continuous space", Bowman, Vilnis, Vinyals, Dai, Jozefowicz & Bengio, 2016, section 3.1).
"""

__all__ = ["WordDropout"]

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.contract import Context


class WordDropout(Component, nn.Module):
    """A causal network that reads the start token in place of a fraction of its tokens, in training only.

    Arguments:
        network: with a start token after its V token ids, such as `Recurrent`.
        p: fraction of hidden tokens, in [0, 1].

    Raises:
        ConfigError: for another fraction.
    """

    def __init__(self, network: Any, p: float):
        super().__init__()
        if not 0 <= p <= 1:
            raise ConfigError(f"WordDropout: p={p:g} is a fraction of the tokens: give 0 to 1, such as 0.3")
        self.network, self.p = network, p
        self.vocabulary: int = network.vocabulary

    def forward(self, x: Int[Tensor, "b ..."], context: Context | None) -> Float[Tensor, "b ... v"]:
        if self.training and self.p > 0:
            x = torch.where(torch.rand(x.shape, device=x.device) < self.p, self.vocabulary, x)
        return self.network(x, context)

    def make_cache(self, rows: int, context: Context | None) -> Any:
        """An empty cache for `rows` sequences."""
        return self.network.make_cache(rows, context)
