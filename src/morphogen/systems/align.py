r"""ALIGN: CLIP's loss with smoothed labels, a convolutional picture tower, and BERT for the captions.

    loss_i = (1 - a) loss_i of CLIP + a mean_j of the loss of assigning row i to row j

Paper: Scaling up visual and vision-language representation learning with noisy text supervision, Jia, Yang,
Xia, Chen, Parekh, Pham, Le, Sung, Li & Duerig, 2021.
"paper": EfficientNet-L2 for pictures of 289 pixels and BERT-Large for 64 tokens of a vocabulary of 100,000;
the paper trains them with LAMB, AdamW here, and batches of 16,384 pairs for 1.2 million steps. The paper is
about pairs of the web that no one has cleaned: smoothed labels allow for those that do not belong together.
The temperature begins at 1 in the paper, and at the smaller sizes at CLIP's 0.07, which a few hundred steps
from 1 do not reach.
Measured, small, on captioned emoji: recipes/results/emoji-retrieval.json.
"""

__all__ = ["align"]

import math

from morphogen.conditioning.caption import Caption, Captions
from morphogen.families.contrastive import Contrastive
from morphogen.model import Model
from morphogen.networks.bert import Bert, BertText
from morphogen.networks.efficientnet import EfficientNet, halved, rounded, scaled
from morphogen.networks.initialization import FanInInit
from morphogen.networks.vision_transformer import Projection
from morphogen.plan import AdamW, Constant, Cosine, Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size

PICTURES: dict[Size, dict[str, float]] = {
    # of EfficientNet-B0: channels, blocks
    "tiny": {"width": 0.25, "depth": 0.25},
    "small": {"width": 0.75, "depth": 0.5},
    "paper": {"width": 4.3, "depth": 5.3},
}
TEXTS: dict[Size, dict[str, int]] = {
    # tokens: most of a caption, with the class token and the separator
    "tiny": {"length": 66, "width": 32, "heads": 2, "layers": 1, "hidden": 64},
    "small": {"length": 66, "width": 128, "heads": 4, "layers": 3, "hidden": 512},
    "paper": {"length": 66, "width": 1024, "heads": 16, "layers": 24, "hidden": 4096},
}
PLANS: dict[Size, Plan] = {
    "tiny": Plan(AdamW(2e-3), batch=32, schedule=Constant(), clip=1.0),
    "small": Plan(AdamW(1e-3, weight_decay=0.1), batch=256, schedule=Cosine(warmup=100), clip=1.0),
    "paper": Plan(AdamW(1e-3, weight_decay=1e-5), batch=16384, schedule=Cosine(warmup=10_000)),
}
TEMPERATURES: dict[Size, float] = {"tiny": 0.07, "small": 0.07, "paper": 1.0}  # at first
COARSEST = 4  # least side of the pictures that the last blocks see
SMOOTHING = 0.1


def align(pixels: Pixels, caption: Captions, size: Size = "small") -> Model:
    """ALIGN: contrastive embeddings of pictures, by a convolutional network, and of captions, by BERT."""
    channels, *sides = pixels.shape
    halvings = max(0, int(math.log2(min(sides) / COARSEST)))
    stages = halved(scaled(**PICTURES[size]), halvings - 1)
    stem = rounded(PICTURES[size]["width"] * 32)
    picture = EfficientNet(channels, stages, stem, 2 if halvings else 1)
    vocabulary, text = caption.text.vocabulary, TEXTS[size]
    encoder = BertText(Bert(vocabulary + 2, **text), vocabulary, vocabulary + 1, FanInInit())
    projection = Projection(text["width"], picture.features, bias=True)
    objective = Contrastive(picture, projection, TEMPERATURES[size], smoothing=SMOOTHING)
    return Model(objective, pixels, Caption(caption.text, encoder), PLANS[size])
