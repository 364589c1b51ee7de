r"""CLIP's text transformer: a causal transformer whose output at the end token represents the text.

    s      = [start, s_1 .. s_n, end]                       padding after the end does not matter to them
    h_0    = W_e[s] + W_p,    h_l = block_l(h_(l-1))        causal attention
    tokens = norm(h_(L - skip)),    vector = norm(h_L) at the end token

Stable Diffusion reads the tokens of the last layer (1.x) or of the one before it (2.x), of texts that are
filled up to `length` with a padding token, which its networks attend to.

References: Learning transferable visual models from natural language supervision (CLIP), Radford, Kim,
Hallacy et al., 2021, section 2.4; High-resolution image synthesis with latent diffusion models, Rombach,
Blattmann, Lorenz, Esser & Ommer, 2022.
"""

__all__ = ["TextTransformer"]

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import ConfigError
from morphogen.contract import Context
from morphogen.networks.blocks import Layer
from morphogen.networks.initialization import Initializer, NormalInit
from morphogen.networks.positions import LearnedPositions
from morphogen.networks.text_encoder import TextEncoder


class TextTransformer(TextEncoder):
    """Causal text encoder (Radford et al. 2021): ids [B, T] to tokens [B, T + 2, D] and a vector [B, D].

    Arguments:
        vocabulary: V, number of token ids, those of `start` and `end` among them.
        length: maximal number of positions, 77 in the paper, of which start and end take two.
        block: template of one layer; the network holds copies of it.
        layers: number of layers, L.
        start, end: ids of the tokens before and after a text.
        padding: id that fills every text up to `length`, whose tokens are then all valid, as Stable
            Diffusion has them; None: texts have their own length and a mask.
        skip: number of last layers that the tokens leave out; the vector passes all.
        initializer: weight initialisation; None: `NormalInit`.

    Raises ConfigError for an id outside the vocabulary, or as many skipped layers as there are.
    """

    def __init__(
        self,
        vocabulary: int,
        length: int,
        block: Layer,
        layers: int,
        start: int,
        end: int,
        padding: int | None = None,
        skip: int = 0,
        initializer: Initializer | None = None,
    ):
        super().__init__()
        for name, token in (("start", start), ("end", end), ("padding", padding)):
            if token is not None and not 0 <= token < vocabulary:
                raise ConfigError(
                    f"TextTransformer: {name} must be an id in 0 .. {vocabulary - 1}, got {token}"
                )
        if length < 2:
            raise ConfigError(f"TextTransformer: start and end take 2 positions, and length is {length}")
        if not 0 <= skip < layers:
            raise ConfigError(f"TextTransformer: skip must be 0 .. {layers - 1}, got {skip}")
        self.vocabulary, self.length, self.layers = vocabulary, length, layers
        self.start, self.end, self.padding, self.skip = start, end, padding, skip
        self.initializer = initializer if initializer is not None else NormalInit()
        self.capacity, self.widths = length - 2, {"tokens": block.width, "vector": block.width}
        self.token_embedding = nn.Embedding(vocabulary, block.width)
        self.positions = LearnedPositions(length, block.width)
        self.blocks = nn.ModuleList(block.copy() for _ in range(layers))
        self.norm = block.final_norm()
        self.initializer(self, layers)

    @property
    def block(self) -> nn.Module:
        """The first layer."""
        return self.blocks[0]

    @property
    def width(self) -> int:
        """D of the tokens and of the vector."""
        return self.token_embedding.embedding_dim

    def forward(self, ids: Int[Tensor, "b t"], mask: Bool[Tensor, "b t"]) -> Context:
        """Encode the ids. Errors: ConfigError for more than `length` - 2 of them."""
        self.check_length(ids.shape[1])
        s, end = self._framed(ids, mask)
        h = skipped = self.token_embedding(s) + self.positions(0, s.shape[1])
        for i, block in enumerate(self.blocks):
            h = block(h)
            skipped = h if i < self.layers - self.skip else skipped
        vector = self.norm(h[torch.arange(len(h), device=h.device), end])
        tokens = self.norm(skipped)
        if self.padding is not None:
            return Context(vector, tokens)
        valid = torch.arange(s.shape[1], device=s.device) <= end[:, None]
        return Context(vector, torch.where(valid[..., None], tokens, 0), valid)

    def _framed(
        self, ids: Int[Tensor, "b t"], mask: Bool[Tensor, "b t"]
    ) -> tuple[Int[Tensor, "b s"], Int[Tensor, " b"]]:
        """The ids between start and end, padded, and the position of the end."""
        fill, end = self.end if self.padding is None else self.padding, mask.sum(1) + 1
        s = F.pad(torch.where(mask, ids, fill), (1, 1), value=fill)
        s[:, 0] = self.start
        s = s.scatter(1, end[:, None], self.end)
        return (s if self.padding is None else F.pad(s, (0, self.length - s.shape[1]), value=fill)), end
