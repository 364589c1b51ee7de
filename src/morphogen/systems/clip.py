r"""CLIP: a picture tower and a text tower whose embeddings of a picture and of its caption are close.

    s_ij = <f(x_i), g(y_j)> / temperature,    loss_i = -1/2 [log softmax_j(s_ij)_i + log softmax_j(s_ji)_i]

Paper: Learning transferable visual models from natural language supervision, Radford, Kim, Hallacy, Ramesh,
Goh, Agarwal, Sastry, Askell, Mishkin, Clark, Krueger & Sutskever, 2021.
"paper": ViT-B/32 for pictures of 224 pixels, 151,277,313 parameters with the vocabulary of the released
model, 49,408; the paper trains it with batches of 32,768 pairs for 32 epochs of 400 million. It does not
generate: `evaluation.picture_text` has zero-shot classification, retrieval and the score of samples.
The weights of both towers are scaled by their inputs, as in the paper: with N(0, 0.02), which is as large at
its widths, those of "small" learn almost nothing in 200 steps.
Measured, small, by how it ranks DALL-E's samples of `shapes`: recipes/results/text-to-picture.json.
"""

__all__ = ["clip"]

from typing import Any

from morphogen.conditioning.caption import Caption, Captions
from morphogen.conditioning.caption_encoder import text_transformer
from morphogen.families.contrastive import Contrastive
from morphogen.model import Model
from morphogen.networks.attention import Attention
from morphogen.networks.blocks import Block
from morphogen.networks.feed_forward import FeedForward
from morphogen.networks.initialization import FanInInit
from morphogen.networks.normalization import LayerNorm
from morphogen.networks.vision_transformer import Projection, VisionTransformer
from morphogen.plan import AdamW, Constant, Cosine, Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {
    # patches: about how many a side; features: width of the embeddings; tokens: most of a caption,
    # with start and end
    "tiny": {"patches": 4, "features": 16, "tokens": 66},
    "small": {"patches": 8, "features": 128, "tokens": 66},
    "paper": {"patches": 7, "features": 512, "tokens": 77},
}
TOWERS: dict[Size, dict[str, dict[str, Any]]] = {
    "tiny": {
        "picture": {"width": 32, "layers": 2, "heads": 2},
        "text": {"width": 32, "layers": 2, "heads": 2},
    },
    "small": {
        "picture": {"width": 64, "layers": 4, "heads": 4},
        "text": {"width": 128, "layers": 3, "heads": 4},
    },
    "paper": {
        "picture": {"width": 768, "layers": 12, "heads": 12},
        "text": {"width": 512, "layers": 12, "heads": 8},
    },
}
PLANS: dict[Size, Plan] = {
    "tiny": Plan(AdamW(2e-3), batch=32, schedule=Constant(), clip=1.0),
    "small": Plan(AdamW(2e-3, weight_decay=0.1), batch=128, schedule=Cosine(warmup=100), clip=1.0),
    "paper": Plan(
        AdamW(5e-4, weight_decay=0.2, betas=(0.9, 0.98), eps=1e-6), batch=32768, schedule=Cosine(warmup=2000)
    ),
}


def clip(pixels: Pixels, caption: Captions, size: Size = "small") -> Model:
    """CLIP: contrastive embeddings of pictures and captions, for retrieval, zero-shot classes and ranking."""
    sizes, towers = SIZES[size], TOWERS[size]
    picture = VisionTransformer(
        pixels.shape,
        _patch(pixels.shape, sizes["patches"]),
        _block(towers["picture"]),
        towers["picture"]["layers"],
        sizes["features"],
        initializer=FanInInit(),
    )
    encoder = text_transformer(caption, sizes["tokens"], **towers["text"])
    objective = Contrastive(picture, Projection(encoder.width, sizes["features"]))
    return Model(objective, pixels, Caption(caption.text, encoder), PLANS[size])


def _block(tower: dict[str, Any]) -> Block:
    """One layer of a tower."""
    width = tower["width"]
    return Block(
        Attention(width, tower["heads"]), FeedForward(width, 4 * width, "quick-gelu"), LayerNorm(width)
    )


def _patch(shape: tuple[int, ...], patches: int) -> int:
    """The side of a patch: the divisor of both sides that gives at least this many, if there is one."""
    sides = shape[1:]
    return max(p for p in range(1, max(1, min(sides) // patches) + 1) if not any(side % p for side in sides))
