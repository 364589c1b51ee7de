r"""A transformer that sees the whole of a corrupted text, and says what each symbol was.

    h_0 = W_e[x_t] + W_p + f(t) + W_c c,     h_l = block_l(h_(l-1)),     logits = W_o norm(h_L)

Every place sees every other, unlike a decoder's. (Bidirectional as BERT, Devlin et al. 2019; for diffusion of text, Austin et al. 2021.)
"""

__all__ = ["DenoisingTransformer"]

from jaxtyping import Float, Int
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.contract import Context
from morphogen.networks.blocks import Layer
from morphogen.networks.initial import Initial, Normal
from morphogen.networks.positions import Positions, TimeEmbedding


class DenoisingTransformer(Component, nn.Module):
    """x_t int64 [B, N], t [B] in [0, 1], context -> logits of x_0 [B, N, V]; uniform at the start.

    Arguments:
        symbols: values that x_t may take, a mask among them.
        vocabulary: V, values of x_0.
        block: one layer; the network has copies of it.
        layers: how many.
        positions: what is added to the embedding; None: attention knows of distance.
        vector: width of `context.vector` (0: unconditional).
        initial: where the weights begin; None: `Normal`.
    """

    def __init__(
        self, symbols: int, vocabulary: int, block: Layer, layers: int, positions: Positions | None, vector: int = 0,
        initial: Initial | None = None,
    ):  # fmt: skip
        super().__init__()
        self.symbols, self.vocabulary, self.layers, self.vector = symbols, vocabulary, layers, vector
        self.initial = initial if initial is not None else Normal()
        width = block.width
        self.embedding, self.positions, self.time = nn.Embedding(symbols, width), positions, TimeEmbedding(width, width)
        self.condition = nn.Linear(vector, width) if vector else None
        self.blocks, self.norm = nn.ModuleList(block.copy() for _ in range(layers)), block.closing()
        self.out = nn.Linear(width, vocabulary)
        self.initial(self, layers)
        for parameter in self.out.parameters():
            nn.init.zeros_(parameter)

    @property
    def block(self) -> nn.Module:
        """One layer, the first."""
        return self.blocks[0]

    def forward(self, x_t: Int[Tensor, "b n"], t: Float[Tensor, " b"], context: Context | None) -> Float[Tensor, "b n v"]:
        heard = self.time(t)
        if self.condition is not None and context is not None and context.vector is not None:
            heard = heard + self.condition(context.vector)
        h = self.embedding(x_t) + heard[:, None]
        if self.positions is not None:
            h = h + self.positions(0, x_t.shape[1])
        for block in self.blocks:
            h = block(h, context, causal=False)
        return self.out(self.norm(h))
