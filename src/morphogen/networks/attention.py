r"""Attention: every position asks others, and takes the average of their values weighted by how well they answer.

    Attention(Q, K, V) = softmax(Q K^T / sqrt(d)) V               d of one head       (Vaswani et al. 2017, eq. 1)

One part for the coarse grids of a U-Net (all positions see each other), for encoders (all but padding) and for language models
(`causal=True`: position i sees 0 .. i, or with a window its last few). Several heads may share one key and one value (Shazeer 2019,
multi-query; Ainslie et al. 2023, grouped): what a memory holds, and reads anew at every step, shrinks by as much.

A causal model that draws one position at a time keeps the keys and values it has met in `KeyValues`, allocated once.
"""

__all__ = ["Attention", "CrossAttention", "GridAttention", "KeyValues", "SourceKeyValues"]

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.networks.dot_product import attend
from morphogen.networks.relative_positions import RelativePositions
from morphogen.networks.residual import groups


class KeyValues:
    """The keys and values of the positions met so far, in place: one allocation for a whole sequence.

    Arguments:
        rows, positions, heads, width: of the sequences; `width` is that of one head.
        like: a tensor [...] whose device and precision they take.
    """

    def __init__(self, rows: int, positions: int, heads: int, width: int, like: Float[Tensor, "..."]):
        self.keys, self.values = like.new_zeros(2, rows, heads, positions, width).unbind(0)
        self.length = 0

    def append(
        self, keys: Float[Tensor, "b n t d"], values: Float[Tensor, "b n t d"]
    ) -> tuple[Float[Tensor, "b n s d"], Float[Tensor, "b n s d"]]:
        """Write those of n heads behind what is there; views of all of it."""
        end = self.length + keys.shape[2]
        self.keys[:, :, self.length : end], self.values[:, :, self.length : end] = keys, values
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def select(self, rows: Int[Tensor, " m"]) -> None:
        """Keep, reorder or repeat rows; only what was written is moved."""
        self.keys, self.values = (_selected(held, rows, self.length) for held in (self.keys, self.values))

    def rewind(self, length: int) -> None:
        """Forget the positions from `length` on: they will be written over."""
        self.length = length


class Attention(Component, nn.Module):
    """Multi-head self-attention ("Attention is all you need", Vaswani et al. 2017).

    Arguments:
        width: D of x [B, T, D]; a multiple of `heads`, unless `head_width` is given.
        heads: attentions side by side.
        key_values: how many keys and values they share, a divisor of `heads`; None: each has its own; 1: multi-query (Shazeer 2019).
        bias: whether the projections have one.
        positions: what the comparison of two positions knows of their distance (`Rotary`, `ALiBi`); None: nothing.
        window: how many positions a causal one sees, itself among them (Beltagy et al. 2020); None: all before it.
        head_width: of one head; None: D / heads.

    Raises ConfigError for numbers that do not divide.
    """

    def __init__(
        self, width: int, heads: int, key_values: int | None = None, bias: bool = True, positions: RelativePositions | None = None,
        window: int | None = None, head_width: int | None = None,
    ):  # fmt: skip
        super().__init__()
        shared = heads if key_values is None else key_values
        if (width % heads and head_width is None) or shared < 1 or heads % shared:
            raise ConfigError(f"Attention: width {width} is no multiple of {heads} heads, or {heads} no multiple of {shared} keys")
        if window is not None and window < 1:
            raise ConfigError(f"Attention: window {window} sees nothing; take at least 1, or None for all")
        self.width, self.heads, self.key_values, self.bias = width, heads, key_values, bias
        self.positions, self.window, self.head_width = positions, window, head_width
        each = head_width if head_width is not None else width // heads
        self.shared, self.each = shared, each
        self.queries_keys_values = nn.Linear(width, (heads + 2 * shared) * each, bias)
        self.out = nn.Linear(heads * each, width, bias)

    def forward(
        self, x: Float[Tensor, "b t d"], memory: KeyValues | None = None, causal: bool = False, mask: Bool[Tensor, "b t"] | None = None
    ) -> Float[Tensor, "b t d"]:
        """Attend within x, to valid positions (`mask`); with a `memory`, also to those it holds, to which those of x are appended."""
        before, new = 0 if memory is None else memory.length, x.shape[1]
        q, k, v = self.project(x, before)
        if memory is not None:
            k, v = memory.append(k, v)
        if causal and new == 1 and self.window is not None:  # the last of all sees its window, as a view
            k, v = k[:, :, -self.window :], v[:, :, -self.window :]
        plain = causal and not before and self.window is None and mask is None  # the kernel's own mask
        seen = None if plain or not causal or new == 1 else self.visible(new, before, x)
        distance = None if self.positions is None else self.positions.bias(new, k.shape[2], q)
        return self.out(_attend(q, k, v, plain and new > 1, _bias(seen, mask, distance, q)))

    def project(
        self, x: Float[Tensor, "b t d"], place: int
    ) -> tuple[Float[Tensor, "b h t e"], Float[Tensor, "b n t e"], Float[Tensor, "b n t e"]]:
        """Queries of h heads, keys and values of n, for x that stands at positions place, place + 1, ..."""
        joint = self.queries_keys_values(x).unflatten(-1, (-1, self.each))
        if self.positions is None:
            q, k, v = joint.split((self.heads, self.shared, self.shared), 2)
        else:
            asked, v = joint.split((self.heads + self.shared, self.shared), 2)
            q, k = self.positions.turn(asked, place).split((self.heads, self.shared), 2)
        return q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)

    def visible(self, new: int, before: int, like: Float[Tensor, "..."]) -> Bool[Tensor, "t s"]:
        """Which of the `before + new` positions each of the last `new` sees."""
        seen = torch.ones(new, before + new, dtype=torch.bool, device=like.device).tril(before)
        return seen if self.window is None else seen.triu(before - self.window + 1)

    def memory(self, rows: int, positions: int) -> KeyValues:
        """Room for `rows` sequences of up to `positions` positions."""
        return KeyValues(rows, positions, self.shared, self.each, self.out.weight.detach())


class SourceKeyValues:
    """The keys and values of what a decoder reads beside its own text: made once, whole.

    Arguments:
        keys, values: of every source position, [B, n, S, d].
        mask: which of them are valid, [B, S]; None: all.
    """

    def __init__(self, keys: Float[Tensor, "b n s d"], values: Float[Tensor, "b n s d"], mask: Bool[Tensor, "b s"] | None):
        self.keys, self.values, self.mask = keys, values, mask

    def select(self, rows: Int[Tensor, " m"]) -> None:
        """Keep, reorder or repeat rows."""
        self.keys, self.values = self.keys[rows], self.values[rows]
        self.mask = None if self.mask is None else self.mask[rows]


class CrossAttention(Component, nn.Module):
    """Attention from one sequence to another: the decoder asks, the source answers (Vaswani et al. 2017, section 3.2.3).

    Arguments:
        width: D of x [B, T, D], a multiple of `heads`.
        heads: attentions side by side.
        source: width of the other sequence [B, S, source]; None: D.
        bias: whether the projections have one.
    """

    def __init__(self, width: int, heads: int, source: int | None = None, bias: bool = True):
        super().__init__()
        if width % heads:
            raise ConfigError(f"CrossAttention: width {width} is no multiple of {heads} heads")
        self.width, self.heads, self.source, self.bias = width, heads, source, bias
        self.queries, self.out = nn.Linear(width, width, bias), nn.Linear(width, width, bias)
        self.keys_values = nn.Linear(width if source is None else source, 2 * width, bias)

    def forward(self, x: Float[Tensor, "b t d"], source: SourceKeyValues) -> Float[Tensor, "b t d"]:
        q = self.queries(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return self.out(_attend(q, source.keys, source.values, False, _bias(None, source.mask, None, q)))

    def read(self, tokens: Float[Tensor, "b s e"], mask: Bool[Tensor, "b s"] | None) -> SourceKeyValues:
        """Keys and values of a source."""
        k, v = self.keys_values(tokens).unflatten(-1, (2, self.heads, -1)).transpose(1, 3).unbind(2)
        return SourceKeyValues(k, v, mask)


class GridAttention(Component, nn.Module):
    """x + attention(norm(x)) over all places of [B, C, H, W] or [B, C, L]; the identity at the start (Ho et al. 2020, appendix B).

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

    def forward(self, x: Float[Tensor, "b c *n"]) -> Float[Tensor, "b c *n"]:
        return x + self.attention(self.norm(x).flatten(2).transpose(1, 2)).transpose(1, 2).unflatten(2, x.shape[2:])


def _attend(q: Tensor, k: Tensor, v: Tensor, causal: bool, bias: Tensor | None) -> Tensor:
    """Of h heads that share n keys and values, [B, T, h d]: at a single position those that share stand as positions of one head."""
    b, h, t, d = q.shape
    if t == 1 and h > k.shape[1] and bias is None:
        return attend(q.reshape(b, k.shape[1], -1, d), k, v).reshape(b, 1, -1)
    k, v = (kv if kv.shape[1] == h else kv.repeat_interleave(h // kv.shape[1], 1) for kv in (k, v))
    return attend(q, k, v, causal, bias).transpose(1, 2).flatten(2)


def _bias(seen: Tensor | None, valid: Tensor | None, distance: Tensor | None, like: Tensor) -> Tensor | None:
    """What three reasons add to the scores, [B or 1, h or 1, T or 1, S]: -inf where nothing is seen or valid."""
    if valid is not None:
        seen = valid[:, None, None] if seen is None else valid[:, None, None] & seen
    if seen is None:
        return distance
    nothing = like.new_zeros(()) if distance is None else distance
    return torch.where(seen, nothing, -torch.inf)


def _selected(held: Tensor, rows: Tensor, length: int) -> Tensor:
    """Rows of what is held; the allocation stays where their number does."""
    kept = held[rows, :, :length]
    held = held if len(rows) == len(held) else held.new_zeros(len(rows), *held.shape[1:])
    held[:, :, :length] = kept
    return held
