r"""Attention pooling: one learned query summarises the condition's tokens as a vector.

    context.vector + Attention(q, W_k tokens, W_v tokens)

Pooling by multi-head attention with a single seed (Set Transformer, Lee et al. 2019, section 3.2). It lets a
network that takes only a vector be conditioned on a text. Imagen (Saharia et al. 2022) adds such a vector to
the time embedding besides attending to the tokens; the two can be combined.
"""

__all__ = ["AttentionPooling"]

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.contract import Context
from morphogen.networks.token_attention import TokenAttention


class AttentionPooling(Component, nn.Module):
    """Adds the pooled `context.tokens` to `context.vector` and calls `network` (Lee et al. 2019).

    The arguments of the call are (x, context) or (x, t, context), as `network` takes them. The pooled vector
    is 0 at initialization, and 0 for rows without a valid token.

    Arguments:
        network: a network conditioned on a vector, such as `MLP`, `TimeConditioned` or `UNet`. It also
            receives the tokens.
        tokens: width of `context.tokens`.
        vector: width of `context.vector`.
    """

    def __init__(self, network: nn.Module, tokens: int, vector: int):
        super().__init__()
        self.network, self.tokens, self.vector = network, tokens, vector
        self.query, self.attention = nn.Parameter(torch.randn(vector)), TokenAttention(vector, 1, tokens)

    def forward(
        self, x: Float[Tensor, "b ..."], *rest: Float[Tensor, " b"] | Context | None
    ) -> Float[Tensor, "b ..."]:
        *time, context = rest
        assert context is None or isinstance(context, Context)
        context = Context() if context is None else context
        pooled = self.attention(self.query.expand(len(x), 1, -1), context)[:, 0]
        vector = pooled if context.vector is None else context.vector + pooled
        return self.network(x, *time, replace(context, vector=vector, null=None))
