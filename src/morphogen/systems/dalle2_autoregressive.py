r"""DALL-E 2 with its autoregressive prior: CLIP's embedding of a picture as a sequence of codes.

    p(z | caption) = prod_k p(code_k | code_<k, d, caption),     d = bin of <z, the caption's embedding>

Paper: Hierarchical text-conditional image generation with CLIP latents, Ramesh, Dhariwal, Nichol, Chu & Chen,
2022, section 2.2 and appendix C. The codes are those of the principal components of z; the decoder and the
upsamplers are those of `dalle2`. In samples d is drawn from the upper half of its values.
"paper": 319 components of 1,024 bins, 24 layers of width 1,664: 0.98 billion parameters; the paper states 1.
The tokens of the caption are attended to apart; in the paper they begin the sequence.
Its training is not measured.
"""

__all__ = ["dalle2_autoregressive"]

from typing import Any

from morphogen.conditioning.caption import CaptionDropout, Captions
from morphogen.conditioning.embedded_caption import EmbeddedCaption
from morphogen.families.autoregressive import Autoregressive
from morphogen.families.autoregressive.embedding_codes import EmbeddingCodes, PrincipalCodes
from morphogen.model import Model
from morphogen.networks.attention import Attention, CrossAttention
from morphogen.networks.blocks import Block
from morphogen.networks.feed_forward import FeedForward
from morphogen.networks.normalization import LayerNorm
from morphogen.networks.positions import LearnedPositions
from morphogen.networks.transformer import Tied, Transformer
from morphogen.plan import AdamW, Cosine, Plan
from morphogen.representations.contrastive_embedding import ContrastiveEmbedding
from morphogen.representations.pixels import Pixels
from morphogen.representations.resized import reduced
from morphogen.staged import Cascade
from morphogen.systems import Size
from morphogen.systems.clip import clip
from morphogen.systems.dalle2 import SIZES as CASCADES
from morphogen.systems.dalle2 import decoded

SIZES: dict[Size, dict[str, int]] = {
    "tiny": {"components": 4, "bins": 16, "width": 16, "layers": 1, "heads": 2},
    "small": {"components": 48, "bins": 128, "width": 128, "layers": 3, "heads": 4},
    "paper": {"components": 319, "bins": 1024, "width": 1664, "layers": 24, "heads": 26},
}
PLANS: dict[Size, Plan] = {
    "tiny": Plan(AdamW(3e-3), batch=32, ema=0.99),
    "small": Plan(AdamW(2e-3, weight_decay=0.04), 128, Cosine(warmup=50), ema=0.99, clip=1.0),
    "paper": Plan(AdamW(1.6e-4, (0.9, 0.91), 1e-10, 0.04), batch=4096, ema=0.999),
}


def dalle2_autoregressive(pixels: Pixels, caption: Captions, size: Size = "small") -> Cascade:
    """DALL-E 2 (Ramesh et al. 2022) with the autoregressive prior of CLIP's embeddings."""
    contrastive = clip(reduced(pixels, CASCADES[size]["clip"]), caption, size)
    return decoded(_prior(contrastive, **SIZES[size], plan=PLANS[size]), pixels, caption, size)


def _prior(
    contrastive: Model, components: int, bins: int, width: int, layers: int, heads: int, plan: Plan
) -> Model:
    """p(z | caption), of an agreement of z and the caption."""
    z, caption = ContrastiveEmbedding(contrastive), EmbeddedCaption(contrastive)
    cross: Any = CrossAttention(width, heads, caption.widths["tokens"])
    block = Block(Attention(width, heads), FeedForward(width, 4 * width), LayerNorm(width), cross)
    positions, vector = LearnedPositions(components + 1, width), caption.widths["vector"]
    network = Transformer(bins, components + 1, block, layers, positions, Tied(), bins, vector=vector)
    objective = EmbeddingCodes(Autoregressive(network), PrincipalCodes(z.shape[0], components, bins))
    return Model(objective, z, CaptionDropout(caption, 0.1), plan)
