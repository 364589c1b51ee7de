r"""Attention: every position asks all others, and takes the average of their values weighted by how well they answer.

    Attention(Q, K, V) = softmax(Q K^T / sqrt(D / heads)) V               (Vaswani et al. 2017, eq. 1)

The same part serves the coarse grids of a U-Net (all positions see each other) and language models (`causal=True`: position i
sees 0 .. i). A causal model that draws one position at a time keeps the keys and values it has met in `KeyValues`, allocated once.
"""

__all__ = ["Attention", "GridAttention", "KeyValues"]

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.networks.dot_product import attend
from morphogen.networks.residual import groups


class KeyValues:
    """The keys and values of the positions met so far, in place: one allocation for a whole sequence.

    Arguments:
        rows, positions, heads, width: of the sequences; `width` is that of all heads together.
        like: a tensor [...] whose device and precision they take.
    """

    def __init__(self, rows: int, positions: int, heads: int, width: int, like: Float[Tensor, "..."]):
        self.keys, self.values = like.new_zeros(2, rows, heads, positions, width // heads).unbind(0)
        self.length = 0

    def append(
        self, keys: Float[Tensor, "b n t d"], values: Float[Tensor, "b n t d"]
    ) -> tuple[Float[Tensor, "b n s d"], Float[Tensor, "b n s d"]]:
        """Write those of n heads behind what is there; views of all of it."""
        end = self.length + keys.shape[2]
        self.keys[:, :, self.length : end], self.values[:, :, self.length : end] = keys, values
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]


class Attention(Component, nn.Module):
    """Multi-head self-attention ("Attention is all you need", Vaswani et al. 2017).

    Arguments:
        width: D of x [B, T, D]; a multiple of `heads`.
        heads: attentions side by side, each of width D / heads.
    """

    def __init__(self, width: int, heads: int):
        super().__init__()
        if width % heads:
            raise ValueError(f"Attention: width {width} is no multiple of {heads} heads")
        self.width, self.heads = width, heads
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "b t d"], memory: KeyValues | None = None, causal: bool = False) -> Float[Tensor, "b t d"]:
        """Attend within x; with a `memory`, also to the positions it holds, to which those of x are appended."""
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.queries_keys_values(x).chunk(3, -1))
        before = 0 if memory is None else memory.length
        if memory is not None:
            k, v = memory.append(k, v)
        # A single position may see everything before it: no mask, the fast path of one-at-a-time drawing.
        bias = _unseen(q.shape[2], before, q) if causal and before and q.shape[2] > 1 else None
        h = attend(q, k, v, causal and not before, bias)
        return self.out(h.transpose(1, 2).flatten(2))

    def memory(self, rows: int, positions: int) -> KeyValues:
        """Room for `rows` sequences of up to `positions` positions."""
        return KeyValues(rows, positions, self.heads, self.width, self.out.weight.detach())


class GridAttention(Component, nn.Module):
    """x + attention(norm(x)) over all places of a picture [B, C, H, W]; the identity at the start (Ho et al. 2020, appendix B).

    Arguments:
        channels: C; a multiple of `heads`.
        heads: attentions side by side.
        group: channels of one group of the normalisation.
    """

    def __init__(self, channels: int, heads: int = 1, group: int = 8):
        super().__init__()
        self.channels, self.heads, self.group = channels, heads, group
        self.norm, self.attention = groups(channels, group), Attention(channels, heads)
        nn.init.zeros_(self.attention.out.weight)
        nn.init.zeros_(self.attention.out.bias)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return x + self.attention(self.norm(x).flatten(2).transpose(1, 2)).transpose(1, 2).unflatten(2, x.shape[2:])


def _unseen(new: int, before: int, like: Tensor) -> Tensor:
    """-inf where one of the last `new` of `before + new` positions does not see one."""
    return like.new_full((new, before + new), -torch.inf).triu(before + 1)
