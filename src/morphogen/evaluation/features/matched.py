"""Picture embeddings of a contrastive model as features, for Frechet distance, precision and recall.

Reference: The role of ImageNet classes in Frechet Inception distance, Kynkaanniemi, Karras, Aittala, Aila &
Lehtinen, 2023, who recommend CLIP's.
"""

__all__ = ["MatcherFeatures"]

from jaxtyping import Float
from torch import Tensor

from morphogen.evaluation.features.space import Features, digest
from morphogen.inference.matching import Matcher
from morphogen.model import tensors


class MatcherFeatures(Features):
    """Embeddings of pictures, of norm 1, by a trained contrastive model (Kynkaanniemi et al. 2023).

    Arguments:
        matcher: of the model.
        name: name in a report.
    """

    def __init__(self, matcher: Matcher, name: str = "clip"):
        self.matcher, self.name = matcher, name
        _, height, width = matcher.model.representation.shape
        self.resize = f"to {height} x {width}, bicubic, antialiased"
        self.sha256 = digest([tensor.cpu() for tensor in tensors(matcher.model).values()])

    def embed(self, medium: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        return self.matcher.pictures(medium).cpu()
