r"""Multi-head attention: self-attention, cross-attention and attention over a grid, with a key-value cache.

    Attention(Q, K, V) = softmax(Q K^T / sqrt(d)) V      d: width of one head    (Vaswani et al. 2017, eq. 1)

`Attention` serves U-Nets (all positions of a coarse grid attend to each other), encoders (all positions
except padding) and language models (`causal=True`: position i attends to 0 .. i, or to a window of the last
few). Several query heads may share one key and value head (multi-query, Shazeer 2019; grouped-query, Ainslie
et al. 2023), which shrinks the cache and the memory traffic of every decoding step by the same factor.

In incremental decoding the keys and values of earlier positions are kept in `KeyValues`, which is allocated
once.
"""

__all__ = ["Attention", "CrossAttention", "GridAttention", "KeyValues", "SourceKeyValues"]

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.networks.dot_product import attend
from morphogen.networks.relative_positions import RelativePositions
from morphogen.networks.residual import group_norm


class KeyValues:
    """Key-value cache of self-attention, written in place into one allocation for the whole sequence.

    Arguments:
        rows, positions, heads, width: size of the cache; `width` is that of one head.
        like: a tensor [...] with the device and dtype of the cache.
    """

    def __init__(self, rows: int, positions: int, heads: int, width: int, like: Float[Tensor, "..."]):
        self.keys, self.values = like.new_zeros(2, rows, heads, positions, width).unbind(0)
        self.length = 0

    def append(
        self, keys: Float[Tensor, "b n t d"], values: Float[Tensor, "b n t d"]
    ) -> tuple[Float[Tensor, "b n s d"], Float[Tensor, "b n s d"]]:
        """Append the keys and values of n heads; returns views of all cached ones."""
        end = self.length + keys.shape[2]
        self.keys[:, :, self.length : end], self.values[:, :, self.length : end] = keys, values
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def reorder(self, rows: Int[Tensor, " m"]) -> None:
        """Select, reorder or repeat rows; only the positions written so far are copied."""
        self.keys, self.values = (
            _select_rows(cached, rows, self.length) for cached in (self.keys, self.values)
        )

    def truncate(self, length: int) -> None:
        """Keep the first `length` positions; later ones are overwritten by the next `append`."""
        self.length = length


class Attention(Component, nn.Module):
    """Multi-head self-attention ("Attention is all you need", Vaswani et al. 2017).

    Arguments:
        width: D of x [B, T, D]; a multiple of `heads`, unless `head_width` is given.
        heads: number of query heads.
        key_values: number of key and value heads, a divisor of `heads`; None: one per query head; 1:
            multi-query attention (Shazeer 2019).
        bias: whether the projections have a bias.
        positions: relative position encoding (`Rotary`, `ALiBi`); None: none.
        window: sliding-window size of causal attention, the position itself included (Beltagy et al. 2020);
            None: all earlier positions.
        head_width: width of one head; None: D / heads.
        out_bias: whether the output projection has a bias; None: as the others.

    Raises ConfigError for sizes that do not divide.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        key_values: int | None = None,
        bias: bool = True,
        positions: RelativePositions | None = None,
        window: int | None = None,
        head_width: int | None = None,
        out_bias: bool | None = None,
    ):
        super().__init__()
        shared = heads if key_values is None else key_values
        if (width % heads and head_width is None) or shared < 1 or heads % shared:
            raise ConfigError(
                f"Attention: width {width} must be a multiple of heads {heads}, "
                f"and heads a multiple of key_values {shared}"
            )
        if window is not None and window < 1:
            raise ConfigError(
                f"Attention: window must be at least 1, got {window}; None attends to all positions"
            )
        self.width, self.heads, self.key_values, self.bias = width, heads, key_values, bias
        self.positions, self.window, self.head_width, self.out_bias = positions, window, head_width, out_bias
        each = head_width if head_width is not None else width // heads
        self.kv_heads, self.head_dim = shared, each
        self.queries_keys_values = nn.Linear(width, (heads + 2 * shared) * each, bias)
        self.out = nn.Linear(heads * each, width, bias if out_bias is None else out_bias)

    def forward(
        self,
        x: Float[Tensor, "b t d"],
        cache: KeyValues | None = None,
        causal: bool = False,
        mask: Bool[Tensor, "b t"] | None = None,
        pattern: Bool[Tensor, "t s"] | None = None,
    ) -> Float[Tensor, "b t d"]:
        """Attend within x, to valid positions only (`mask`); with a cache, also to the cached positions.

        The keys and values of x are appended to the cache. A `pattern`, True where a position sees another
        one, replaces the causal mask.
        """
        cached, new = 0 if cache is None else cache.length, x.shape[1]
        q, k, v = self.project(x, cached)
        if cache is not None:
            k, v = cache.append(k, v)
        causal = causal and pattern is None
        if causal and new == 1 and self.window is not None:  # for the last position, the window is a view
            k, v = k[:, :, -self.window :], v[:, :, -self.window :]
        plain = causal and not cached and self.window is None and mask is None  # the kernel's own causal mask
        visible = pattern if plain or not causal or new == 1 else self.visible(new, cached, x)
        distance_bias = None if self.positions is None else self.positions.bias(new, k.shape[2], q)
        return self.out(_attend(q, k, v, plain and new > 1, _score_bias(visible, mask, distance_bias, q)))

    def project(
        self, x: Float[Tensor, "b t d"], offset: int
    ) -> tuple[Float[Tensor, "b h t e"], Float[Tensor, "b n t e"], Float[Tensor, "b n t e"]]:
        """Queries of h heads, keys and values of n heads; x[:, 0] is at position `offset`."""
        joint = self.queries_keys_values(x).unflatten(-1, (-1, self.head_dim))
        if self.positions is None:
            q, k, v = joint.split((self.heads, self.kv_heads, self.kv_heads), 2)
        else:
            queries_keys, v = joint.split((self.heads + self.kv_heads, self.kv_heads), 2)
            q, k = self.positions.rotate(queries_keys, offset).split((self.heads, self.kv_heads), 2)
        return q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)

    def visible(self, new: int, cached: int, like: Float[Tensor, "..."]) -> Bool[Tensor, "t s"]:
        """Causal mask of the last `new` of `cached + new` positions: True where a query sees a key."""
        visible = torch.ones(new, cached + new, dtype=torch.bool, device=like.device).tril(cached)
        return visible if self.window is None else visible.triu(cached - self.window + 1)

    def make_cache(self, rows: int, positions: int) -> KeyValues:
        """An empty cache for `rows` sequences of up to `positions` positions."""
        return KeyValues(rows, positions, self.kv_heads, self.head_dim, self.out.weight.detach())


class SourceKeyValues:
    """Keys and values of a source sequence for cross-attention, computed once.

    Arguments:
        keys, values: of every source position, [B, n, S, d].
        mask: True at valid source positions, [B, S]; or at those that each position of x may attend to,
            [B, T, S] (Flamingo, Alayrac et al. 2022, section 2.3); None: all are valid.
    """

    def __init__(
        self,
        keys: Float[Tensor, "b n s d"],
        values: Float[Tensor, "b n s d"],
        mask: Bool[Tensor, "b *t s"] | None,
    ):
        self.keys, self.values, self.mask = keys, values, mask

    def at(self, start: int, count: int) -> "SourceKeyValues":
        """The source as `count` positions of x from `start` see it."""
        if self.mask is None or self.mask.ndim == 2:
            return self
        return SourceKeyValues(self.keys, self.values, self.mask[:, start : start + count])

    def reorder(self, rows: Int[Tensor, " m"]) -> None:
        """Select, reorder or repeat rows."""
        self.keys, self.values = self.keys[rows], self.values[rows]
        self.mask = None if self.mask is None else self.mask[rows]


class CrossAttention(Component, nn.Module):
    """Multi-head cross-attention from x to a source sequence (Vaswani et al. 2017, section 3.2.3).

    Arguments:
        width: D of x [B, T, D], a multiple of `heads`.
        heads: number of heads.
        source: width of the source sequence [B, S, source]; None: D.
        bias: whether the projections have a bias.
        out_bias: whether the output projection has a bias; None: as the others.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        source: int | None = None,
        bias: bool = True,
        out_bias: bool | None = None,
    ):
        super().__init__()
        if width % heads:
            raise ConfigError(f"CrossAttention: width {width} must be a multiple of {heads} heads")
        self.width, self.heads, self.source, self.bias, self.out_bias = width, heads, source, bias, out_bias
        self.queries = nn.Linear(width, width, bias)
        self.out = nn.Linear(width, width, bias if out_bias is None else out_bias)
        self.keys_values = nn.Linear(width if source is None else source, 2 * width, bias)

    def forward(self, x: Float[Tensor, "b t d"], source: SourceKeyValues) -> Float[Tensor, "b t d"]:
        """Attend to the source; 0 where nothing of it is visible."""
        q = self.queries(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        if source.mask is None:
            return self.out(_attend(q, source.keys, source.values, False, None))
        visible = source.mask if source.mask.ndim == 3 else source.mask[:, None]
        nothing = ~visible.any(-1, keepdim=True)  # a softmax over no keys is NaN: see all, then discard
        bias = _score_bias((visible | nothing)[:, None], None, None, q)
        return self.out(_attend(q, source.keys, source.values, False, bias)).masked_fill(nothing, 0.0)

    def encode_source(
        self, tokens: Float[Tensor, "b s e"], mask: Bool[Tensor, "b *t s"] | None
    ) -> SourceKeyValues:
        """Keys and values of a source sequence."""
        k, v = self.keys_values(tokens).unflatten(-1, (2, self.heads, -1)).transpose(1, 3).unbind(2)
        return SourceKeyValues(k, v, mask)


class GridAttention(Component, nn.Module):
    """Residual self-attention over all positions of [B, C, H, W] or [B, C, L]: x + attention(norm(x)).

    It is the identity at initialisation (Ho et al. 2020, appendix B).

    Arguments:
        channels: C; a multiple of `heads`.
        heads: number of heads.
        group: channels per group of the group normalisation.
        eps: added to its variances.
    """

    def __init__(self, channels: int, heads: int = 1, group: int = 8, eps: float = 1e-5):
        super().__init__()
        self.channels, self.heads, self.group, self.eps = channels, heads, group, eps
        self.norm, self.attention = group_norm(channels, group, eps), Attention(channels, heads)
        nn.init.zeros_(self.attention.out.weight)
        nn.init.zeros_(self.attention.out.bias)

    def forward(self, x: Float[Tensor, "b c *n"]) -> Float[Tensor, "b c *n"]:
        h = self.norm(x).flatten(2).transpose(1, 2)
        return x + self.attention(h).transpose(1, 2).unflatten(2, x.shape[2:])


def _attend(q: Tensor, k: Tensor, v: Tensor, causal: bool, bias: Tensor | None) -> Tensor:
    """Attention of h query heads over n shared key and value heads, concatenated: [B, T, h d].

    For a single position, query heads that share a key are treated as positions of one head, so that keys and
    values are not repeated.
    """
    b, h, t, d = q.shape
    if t == 1 and h > k.shape[1] and bias is None:
        return attend(q.reshape(b, k.shape[1], -1, d), k, v).reshape(b, 1, -1)
    k, v = (kv if kv.shape[1] == h else kv.repeat_interleave(h // kv.shape[1], 1) for kv in (k, v))
    return attend(q, k, v, causal, bias).transpose(1, 2).flatten(2)


def _score_bias(
    visible: Tensor | None, valid: Tensor | None, distance_bias: Tensor | None, like: Tensor
) -> Tensor | None:
    """Bias on the scores, [B or 1, h or 1, T or 1, S]: the distance bias, and -inf at masked keys."""
    if valid is not None:
        visible = valid[:, None, None] if visible is None else valid[:, None, None] & visible
    if visible is None:
        return distance_bias
    unmasked = like.new_zeros(()) if distance_bias is None else distance_bias
    return torch.where(visible, unmasked, -torch.inf)


def _select_rows(cached: Tensor, rows: Tensor, length: int) -> Tensor:
    """The selected rows; written into the same allocation if their number does not change."""
    selected = cached[rows, :, :length]
    cached = cached if len(rows) == len(cached) else cached.new_zeros(len(rows), *cached.shape[1:])
    cached[:, :, :length] = selected
    return cached
