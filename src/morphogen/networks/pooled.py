r"""A text for a network that hears a vector: one learned query gathers the tokens.

    context.vector + Attention(q, W_k tokens, W_v tokens)

(Set Transformer, Lee et al. 2019, section 3.2, "pooling by multihead attention" with a single seed. Imagen, Saharia et al. 2022, adds
such a vector to the time's embedding besides attending to the tokens: the two go together.)
"""

__all__ = ["Pooled"]

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.contract import Context
from morphogen.networks.token_attention import TokenAttention


class Pooled(Component, nn.Module):
    """(x, context) or (x, t, context), as the network takes them, with the tokens' gist in `context.vector` (Lee et al. 2019).

    Nothing is gathered at the start. Without tokens, or with none that is valid, the vector is that which there is, or 0.

    Arguments:
        network: that hears a vector, as `MLP`, `Timed` and `UNet` do. The tokens are left to it too.
        tokens: width of `context.tokens`.
        vector: width of `context.vector`.
    """

    def __init__(self, network: nn.Module, tokens: int, vector: int):
        super().__init__()
        self.network, self.tokens, self.vector = network, tokens, vector
        self.query, self.attention = nn.Parameter(torch.randn(vector)), TokenAttention(vector, 1, tokens)

    def forward(self, x: Float[Tensor, "b ..."], *rest: Float[Tensor, " b"] | Context | None) -> Float[Tensor, "b ..."]:
        *time, context = rest
        assert context is None or isinstance(context, Context)
        context = Context() if context is None else context
        gist = self.attention(self.query.expand(len(x), 1, -1), context)[:, 0]
        vector = gist if context.vector is None else context.vector + gist
        return self.network(x, *time, replace(context, vector=vector, null=None))
