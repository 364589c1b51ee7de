r"""Recurrent encoder: a sequence of tokens to one vector, from the largest values of its states.

    h_t = LSTM(W_e x_t + W_c c, h_(t-1)),     y = W_o max_t h_t

The maximum over the tokens, where a last state is further from the first ones, keeps latents in use that
depend on them.

Reference: Preventing posterior collapse in sequence VAEs with pooling, Long, Cao & Cheung, 2019.
"""

__all__ = ["SequenceEncoder"]

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.contract import Context


class SequenceEncoder(Component, nn.Module):
    """Token ids [B, T], padded with -1 after their end, to [B, outputs] (Long et al. 2019).

    Arguments:
        vocabulary: V, number of token ids.
        outputs: number of output features.
        width: of the embedding and of the state.
        vector: width of `context.vector`, projected and added to every input (0: unconditional).
    """

    accepts_mask = True  # padding is -1

    def __init__(self, vocabulary: int, outputs: int, width: int, vector: int = 0):
        super().__init__()
        self.vocabulary, self.outputs, self.width, self.vector = vocabulary, outputs, width, vector
        self.token_embedding = nn.Embedding(vocabulary, width)
        self.condition = nn.Linear(vector, width, bias=False) if vector else None
        self.layer = nn.LSTM(width, width, batch_first=True)
        self.head = nn.Linear(width, outputs)

    def forward(self, x: Int[Tensor, "b t"], context: Context | None = None) -> Float[Tensor, "b e"]:
        e = self.token_embedding(x.clamp_min(0))
        if self.condition is not None and context is not None and context.vector is not None:
            e = e + self.condition(context.vector)[:, None]
        states, _ = self.layer(e)
        pooled = states.masked_fill((x < 0)[..., None], -torch.inf).amax(1)
        return self.head(pooled)
