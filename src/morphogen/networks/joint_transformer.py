r"""Causal transformer of a text and a grid of ids as one sequence: the network of DALL-E.

    start, s_1 .. s_T, z_1 .. z_(N-1)   ->   logits of   s_1 .. s_T, z_1 .. z_N
    text     h_0 = W_s[s_i] + p_i,          p_i + q_i after the end of the text
    grid     h_0 = W_z[z_j] + row + column

The text has its own vocabulary, and a learned padding q_i at each position, which later positions see. Every
position sees the whole text before it; in the grid a layer may have a sparse pattern.

Reference: Zero-shot text-to-image generation (DALL-E), Ramesh, Pavlov, Goh, Gray, Voss, Radford, Chen &
Sutskever, 2021, appendix B.1.
"""

__all__ = ["GridPositions", "JointCache", "JointTransformer"]

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.networks.attention_patterns import AttentionPattern
from morphogen.networks.blocks import BlockCache, Layer
from morphogen.networks.initialization import Initializer, NormalInit
from morphogen.networks.positions import LearnedPositions, Positions
from morphogen.numerics.tensors import raster, unraster


class GridPositions(Positions):
    """A learned vector per row and one per column (Ramesh et al. 2021), of places in raster order.

    Arguments:
        height, width: of the grid.
        features: D of the vectors.
    """

    def __init__(self, height: int, width: int, features: int):
        super().__init__()
        self.height, self.width, self.features, self.length = height, width, features, height * width
        self.rows = nn.Parameter(0.02 * torch.randn(height, features))
        self.columns = nn.Parameter(0.02 * torch.randn(width, features))

    def forward(self, offset: int, count: int) -> Float[Tensor, "t d"]:
        self.check(offset + count)
        return (self.rows[:, None] + self.columns).flatten(0, 1)[offset : offset + count]


class JointTransformer(Component, nn.Module):
    """Text and grid in one causal transformer (Ramesh et al. 2021): the logits of every id of the grid.

    The text is `context.text`, ids [B, text length] padded with -1; without one it is all padding.

    Arguments:
        text_vocabulary: number of ids of the text.
        text_length: T, the number of ids of every text with its padding.
        vocabulary: number of ids of the grid.
        sides: (height, width) of the grid.
        block: template of one layer; the network holds copies of it.
        layers: number of layers.
        patterns: of attention from the grid to the grid, one per layer; (): it is dense in all of them.
        dropout: dropout probability on the input of the first block.
        initializer: weight initialisation; None: `NormalInit`.

    Raises ConfigError for another number of patterns; in `forward`, for a text of another length.
    """

    patterned: Bool[Tensor, "k n n"]

    def __init__(
        self,
        text_vocabulary: int,
        text_length: int,
        vocabulary: int,
        sides: tuple[int, int],
        block: Layer,
        layers: int,
        patterns: Sequence[AttentionPattern] = (),
        dropout: float = 0.0,
        initializer: Initializer | None = None,
    ):
        super().__init__()
        if patterns and len(patterns) != layers:
            raise ConfigError(
                f"JointTransformer: {len(patterns)} patterns for {layers} layers: give one per layer, or ()"
            )
        self.text_vocabulary, self.text_length = text_vocabulary, text_length
        self.vocabulary, self.sides, self.layers = vocabulary, tuple(sides), layers
        self.patterns, self.dropout = tuple(patterns), dropout
        self.initializer = initializer if initializer is not None else NormalInit()
        width, (rows, columns) = block.width, self.sides
        self.text_embedding = nn.Embedding(text_vocabulary + 1, width)  # and a start token
        self.padding = nn.Embedding(text_length, width)
        self.text_positions = LearnedPositions(text_length + 1, width)
        self.grid_embedding = nn.Embedding(vocabulary, width)
        self.grid_positions = GridPositions(rows, columns, width)
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(block.copy() for _ in range(layers))
        self.norm = block.final_norm()
        self.text_head = nn.Linear(width, text_vocabulary + 1)  # and the end
        self.grid_head = nn.Linear(width, vocabulary)
        self.initializer(self, layers)
        kinds = {repr(pattern): pattern for pattern in self.patterns}
        self.kinds = [list(kinds).index(repr(pattern)) for pattern in self.patterns]
        masks = [pattern.visible(rows, columns) for pattern in kinds.values()]
        seen = torch.stack(masks) if masks else torch.zeros(0, 0, 0, dtype=torch.bool)
        self.register_buffer("patterned", seen, persistent=False)

    @property
    def block(self) -> nn.Module:
        """The first layer."""
        return self.blocks[0]

    def forward(self, x: Int[Tensor, "b ..."], context: Context | None) -> Float[Tensor, "b ... v"]:
        h = self.read(x, context)[:, self.text_length :]
        return unraster(self.grid_head(h), tuple(x.shape[1:]))

    def joint_logits(
        self, x: Int[Tensor, "b ..."], context: Context | None
    ) -> tuple[Float[Tensor, "b s u"], Float[Tensor, "b ... v"]]:
        """Logits of every id of the text, given those before it, with its end; and those of the grid."""
        h = self.read(x, context)
        grid = self.grid_head(h[:, self.text_length :])
        return self.text_head(h[:, : self.text_length]), unraster(grid, tuple(x.shape[1:]))

    def read(self, x: Int[Tensor, "b ..."], context: Context | None) -> Float[Tensor, "b t d"]:
        """The normalised output of the last block at all T + N positions."""
        places = raster(x, tuple(x.shape[1:]))
        h = torch.cat([self.embed_text(len(x), context), self.embed_grid(places[:, :-1], 0)], 1)
        return self.advance(h, None)

    def embed_text(self, rows: int, context: Context | None) -> Float[Tensor, "b t d"]:
        """The input of the first block at the start and at the positions of the text, [B, 1 + T, D]."""
        weight = self.text_embedding.weight
        text = None if context is None else context.text
        if text is None:
            text = torch.full((rows, self.text_length), -1, device=weight.device)
        if text.shape[1] != self.text_length:
            raise ConfigError(
                f"a text of {text.shape[1]} ids with its padding, where the network has {self.text_length}: "
                f"give the conditioner the encoder LeadingText({self.text_length})"
            )
        s = text.to(weight.device)
        known = self.text_embedding(s.clamp_min(0))
        ids = torch.where(s[..., None] >= 0, known, self.padding.weight)
        start = weight[-1].expand(rows, 1, -1)
        return self.drop(torch.cat([start, ids], 1) + self.text_positions(0, 1 + self.text_length))

    def embed_grid(self, ids: Int[Tensor, "b t"], offset: int) -> Float[Tensor, "b t d"]:
        """The input of the first block for ids of the grid; ids[:, 0] is at place `offset`."""
        return self.drop(self.grid_embedding(ids.clamp_min(0)) + self.grid_positions(offset, ids.shape[1]))

    def advance(
        self, h: Float[Tensor, "b t d"], caches: Sequence[BlockCache] | None
    ) -> Float[Tensor, "b t d"]:
        """The normalised output of the last block; with caches, h continues what they have."""
        past = caches[0].self_attention.length if caches else 0
        for i, block in enumerate(self.blocks):
            cache = caches[i] if caches else None
            h = block(h, None, cache, pattern=self._pattern(i, past, h.shape[1]))
        return self.norm(h)

    def make_cache(self, rows: int, context: Context | None) -> "JointCache":
        """A cache for `rows` grids whose text is already read."""
        return JointCache(self, rows, context)

    def _pattern(self, layer: int, past: int, new: int) -> Bool[Tensor, "t s"] | None:
        """Which of the first `past + new` positions the last `new` of them see; None: all before them."""
        if not self.patterns:
            return None
        text, end = 1 + self.text_length, past + new
        seen = torch.ones(new, end, dtype=torch.bool, device=self.patterned.device).tril(past)
        first, places = max(past, text), max(0, end - text)
        seen[first - past :, text:] = self.patterned[self.kinds[layer], first - text : places, :places]
        return seen


class JointCache:
    """Key-value cache of a `JointTransformer`, which begins after the text.

    `length` is the number of cached ids of the grid.

    Arguments:
        network: the transformer.
        rows: number of grids in the batch.
        context: the texts, with as many rows.
    """

    @torch.no_grad()
    def __init__(self, network: JointTransformer, rows: int, context: Context | None):
        self.network, self.length = network, 0
        blocks: Any = network.blocks
        self.text = 1 + network.text_length
        positions = self.text + network.grid_positions.length
        self.caches = [block.make_cache(rows, positions) for block in blocks]
        h = network.advance(network.embed_text(rows, context), self.caches)
        self.first = network.grid_head(h[:, -1])

    @torch.no_grad()
    def step(self, previous: Int[Tensor, " b"] | None) -> Float[Tensor, "b v"]:
        """Append the ids of the previous place (None: at the first one); returns the next logits."""
        return self.first if previous is None else self.prefill(previous[:, None])[:, 0]

    @torch.no_grad()
    def prefill(self, tokens: Int[Tensor, "b t"]) -> Float[Tensor, "b t v"]:
        """Append ids of T places; returns the logits after each."""
        h = self.network.embed_grid(tokens, self.length)
        self.length += tokens.shape[1]
        return self.network.grid_head(self.network.advance(h, self.caches))

    def reorder(self, rows: Int[Tensor, " m"]) -> None:
        """Select, reorder or repeat rows, in place."""
        self.first = self.first[rows]
        for cache in self.caches:
            cache.reorder(rows)

    def truncate(self, length: int) -> None:
        """Keep the ids of the first `length` places."""
        self.length = length
        for cache in self.caches:
            cache.self_attention.truncate(self.text + length)
