r"""Recurrent encoder: a sequence of tokens to one vector, the state after its last token.

    h_t = LSTM(W_e x_t + W_c c, h_(t-1)),     y = W_o h_N

Reference: Sequence to sequence learning with neural networks, Sutskever, Vinyals & Le, 2014.
"""

__all__ = ["SequenceEncoder"]

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.contract import Context


class SequenceEncoder(Component, nn.Module):
    """Token ids [B, T], padded with -1 after their end, to [B, outputs] (Sutskever et al. 2014).

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
        last = ((x >= 0).sum(1) - 1).clamp_min(0)
        return self.head(states[torch.arange(len(x), device=x.device), last])
