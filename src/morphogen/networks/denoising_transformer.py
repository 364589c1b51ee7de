r"""Denoising transformers: bidirectional attention over corrupted tokens or noisy points.

    h_0 = embed(x_t) + W_p + f(t) + W_c c,     h_l = block_l(h_(l-1)),     output = W_o norm(h_L)

    DenoisingTransformer   tokens to logits of every original token
    SetTransformer         points to points, without positions: permuting the input permutes the output

Attention is bidirectional, unlike a decoder's (as in BERT, Devlin et al. 2019; for text diffusion, Austin et
al. 2021), and attends to existing elements only (`context.x_mask`).
"""

__all__ = ["DenoisingTransformer", "SetTransformer"]

from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.contract import Context, x_mask_of
from morphogen.networks.blocks import Layer
from morphogen.networks.initialization import FanInInit, Initializer, NormalInit
from morphogen.networks.positions import Positions, TimeEmbedding


class _Denoiser(Component, nn.Module):
    """The layers between the embedding of x_t and the output, which is 0 at initialisation."""

    accepts_mask = True

    def __init__(
        self,
        embedding: nn.Module,
        outputs: int,
        block: Layer,
        layers: int,
        positions: Positions | None,
        vector: int,
        initializer: Initializer,
    ):
        super().__init__()
        self.layers, self.vector, self.initializer = layers, vector, initializer
        width = block.width
        self.embedding, self.positions = embedding, positions
        self.time = TimeEmbedding(width, width)
        self.condition = nn.Linear(vector, width) if vector else None
        self.blocks, self.norm = nn.ModuleList(block.copy() for _ in range(layers)), block.final_norm()
        self.out = nn.Linear(width, outputs)
        self.initializer(self, layers)
        for parameter in self.out.parameters():
            nn.init.zeros_(parameter)

    @property
    def block(self) -> nn.Module:
        """The first layer."""
        return self.blocks[0]

    def forward(
        self, x_t: Shaped[Tensor, "b n ..."], t: Float[Tensor, " b"], context: Context | None
    ) -> Float[Tensor, "b n v"]:
        embedding = self.time(t)
        if self.condition is not None and context is not None and context.vector is not None:
            embedding = embedding + self.condition(context.vector)
        h = self.embedding(x_t) + embedding[:, None]
        if self.positions is not None:
            h = h + self.positions(0, x_t.shape[1])
        mask = x_mask_of(context)
        if mask is not None:  # a softmax over no keys is NaN: rows without elements attend to the padding
            mask = mask | ~mask.any(1, keepdim=True)
        for block in self.blocks:
            h = block(h, context, causal=False, mask=mask)
        return self.out(self.norm(h))


class DenoisingTransformer(_Denoiser):
    """x_t int64 [B, N], t [B] in [0, 1], context -> logits of x_0 [B, N, V].

    The logits are 0 at initialisation.

    Arguments:
        input_vocabulary: number of values of x_t, including a mask token if there is one.
        vocabulary: V, number of values of x_0.
        block: template of one layer; the network holds copies of it.
        layers: number of layers.
        positions: absolute position encoding, added to the embedding; None: none (attention may have a
            relative one).
        vector: width of `context.vector` (0: unconditional).
        initializer: weight initialisation; None: `NormalInit`.
    """

    def __init__(
        self,
        input_vocabulary: int,
        vocabulary: int,
        block: Layer,
        layers: int,
        positions: Positions | None,
        vector: int = 0,
        initializer: Initializer | None = None,
    ):
        initializer = initializer if initializer is not None else NormalInit()
        embedding = nn.Embedding(input_vocabulary, block.width)
        super().__init__(embedding, vocabulary, block, layers, positions, vector, initializer)
        self.input_vocabulary, self.vocabulary = input_vocabulary, vocabulary

    def forward(
        self, x_t: Int[Tensor, "b n"], t: Float[Tensor, " b"], context: Context | None
    ) -> Float[Tensor, "b n v"]:
        return super().forward(x_t, t, context)


class SetTransformer(_Denoiser):
    """x_t [B, N, D], t [B] in [0, 1], context -> [B, N, D]; equivariant to permutations of the N points.

    Set transformer, Lee et al. 2019, with full attention among the points; the output is 0 at initialisation.

    Arguments:
        dims: D, coordinates and features of one point.
        block: template of one layer, whose attention has no relative positions.
        layers: number of layers.
        vector: width of `context.vector` (0: unconditional).
        initializer: weight initialisation; None: `FanInInit`.
    """

    def __init__(
        self, dims: int, block: Layer, layers: int, vector: int = 0, initializer: Initializer | None = None
    ):
        initializer = initializer if initializer is not None else FanInInit()
        super().__init__(nn.Linear(dims, block.width), dims, block, layers, None, vector, initializer)
        self.dims = dims

    def forward(
        self, x_t: Float[Tensor, "b n d"], t: Float[Tensor, " b"], context: Context | None
    ) -> Float[Tensor, "b n d"]:
        return super().forward(x_t, t, context)
