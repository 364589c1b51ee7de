r"""The embedding of a picture as a condition: what the prior of DALL-E 2 samples and its decoder draws.

    vector = W_v z,     tokens = [W_1 z, .., W_n z]

The vector is added to the time embedding, the tokens are attended to beside those of the caption.

Reference: Hierarchical text-conditional image generation with CLIP latents (DALL-E 2), Ramesh, Dhariwal,
Nichol, Chu & Chen, 2022, section 2.1.
"""

__all__ = ["PictureEmbedding"]

from einops import rearrange
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Conditioner, Context
from morphogen.numerics.randomness import Rng


class PictureEmbedding(Conditioner):
    """z [B, E] to `context.vector` [B, width] and `context.tokens` [B, count, width] (Ramesh et al. 2022).

    Arguments:
        features: E, the width of z.
        width: of the vector and of each token.
        count: number of tokens, 4 in the paper.

    Errors: ConfigError in `check` for embeddings of another width.
    """

    name = "embedding"

    def __init__(self, features: int, width: int, count: int = 4):
        super().__init__()
        self.features, self.width, self.count = features, width, count
        self.widths = {"vector": width, "tokens": width}
        self.vector, self.tokens = nn.Linear(features, width), nn.Linear(features, count * width)

    def check(self, condition: Shaped[Tensor, "b ..."]) -> None:
        """Check embeddings that a person gives. Errors: ConfigError for another shape or integers."""
        if condition.shape[1:] != (self.features,) or not condition.is_floating_point():
            shape = f"{str(condition.dtype).removeprefix('torch.')} {list(condition.shape)}"
            raise ConfigError(
                f"embeddings of pictures are float [N, {self.features}], not {shape}: omit them, and "
                "the prior samples them, or give pictures to mg.inference.vary"
            )

    def forward(self, condition: Float[Tensor, "b e"], rng: Rng | None = None) -> Context:
        tokens = rearrange(self.tokens(condition), "b (t d) -> b t d", t=self.count)
        return Context(vector=self.vector(condition), tokens=tokens)
