r"""Denoising transformer: logits of every original token from a corrupted sequence.

    h_0 = W_e[x_t] + W_p + f(t) + W_c c,     h_l = block_l(h_(l-1)),     logits = W_o norm(h_L)

Attention is bidirectional, unlike a decoder's (as in BERT, Devlin et al. 2019; for text diffusion, Austin et
al. 2021).
"""

__all__ = ["DenoisingTransformer"]

from jaxtyping import Float, Int
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.contract import Context
from morphogen.networks.blocks import Layer
from morphogen.networks.initialization import Initializer, NormalInit
from morphogen.networks.positions import Positions, TimeEmbedding


class DenoisingTransformer(Component, nn.Module):
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
        super().__init__()
        self.input_vocabulary, self.vocabulary = input_vocabulary, vocabulary
        self.layers, self.vector = layers, vector
        self.initializer = initializer if initializer is not None else NormalInit()
        width = block.width
        self.embedding, self.positions = nn.Embedding(input_vocabulary, width), positions
        self.time = TimeEmbedding(width, width)
        self.condition = nn.Linear(vector, width) if vector else None
        self.blocks, self.norm = nn.ModuleList(block.copy() for _ in range(layers)), block.final_norm()
        self.out = nn.Linear(width, vocabulary)
        self.initializer(self, layers)
        for parameter in self.out.parameters():
            nn.init.zeros_(parameter)

    @property
    def block(self) -> nn.Module:
        """The first layer."""
        return self.blocks[0]

    def forward(
        self, x_t: Int[Tensor, "b n"], t: Float[Tensor, " b"], context: Context | None
    ) -> Float[Tensor, "b n v"]:
        embedding = self.time(t)
        if self.condition is not None and context is not None and context.vector is not None:
            embedding = embedding + self.condition(context.vector)
        h = self.embedding(x_t) + embedding[:, None]
        if self.positions is not None:
            h = h + self.positions(0, x_t.shape[1])
        for block in self.blocks:
            h = block(h, context, causal=False)
        return self.out(self.norm(h))
