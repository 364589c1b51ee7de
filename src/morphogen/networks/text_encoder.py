r"""Encoders of texts to a context: a vector per token, which other networks attend to, and one per text.

    BagOfWords    tokens = norm(W_e[s]),   vector = norm(mean of the tokens)   no order of words, the baseline
    LeadingText   the ids s themselves    they come before x in the sequence of a network

The transformer of CLIP is in `text_transformer.py`.

References: Photorealistic text-to-image diffusion models with deep language understanding, Saharia et al.,
2022, which compares text encoders; Zero-shot text-to-image generation (DALL-E), Ramesh et al., 2021.
"""

__all__ = ["BagOfWords", "LeadingText", "TextEncoder", "normalized_context"]

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component, ConfigError
from morphogen.contract import Context


class TextEncoder(Component, nn.Module, ABC):
    """Base class of encoders of token ids to a `Context` with tokens, their mask, and a vector per text.

    Attributes:
        capacity: the largest number of tokens of a text, without those that the encoder adds.
        widths: of the fields that it sets: {"tokens": D, "vector": D}.
    """

    capacity: int
    widths: Mapping[str, int]

    @abstractmethod
    def forward(self, ids: Int[Tensor, "b t"], mask: Bool[Tensor, "b t"]) -> Context:
        """Encode ids, padded on the right; `mask` is True at valid ones, of which a row may have none."""

    def check_length(self, tokens: int) -> None:
        """Errors: ConfigError for more tokens than the capacity."""
        if tokens > self.capacity:
            raise ConfigError(
                f"a text of {tokens} tokens: {type(self).__name__} takes {self.capacity}; shorten it"
            )


class BagOfWords(TextEncoder):
    """Normalized token embeddings and their normalized mean, whatever the order of the words.

    No paper: the baseline of text encoders.

    Arguments:
        vocabulary: V, number of token ids.
        length: maximal number of tokens.
        width: D.
    """

    def __init__(self, vocabulary: int, length: int, width: int):
        super().__init__()
        self.vocabulary, self.length, self.width = vocabulary, length, width
        self.capacity, self.widths = length, {"tokens": width, "vector": width}
        self.embedding = nn.Embedding(vocabulary, width)

    def forward(self, ids: Int[Tensor, "b t"], mask: Bool[Tensor, "b t"]) -> Context:
        self.check_length(ids.shape[1])
        return normalized_context(self.embedding(ids.clamp_min(0)), mask)


class LeadingText(TextEncoder):
    """The ids as `context.text`, for a network that models them and x as one sequence (Ramesh et al. 2021).

    All texts are padded to one length with -1, so that x begins at the same position in every row.

    Arguments:
        length: maximal number of tokens, 256 in the paper.
    """

    def __init__(self, length: int):
        super().__init__()
        self.length, self.capacity, self.widths = length, length, {}

    def forward(self, ids: Int[Tensor, "b t"], mask: Bool[Tensor, "b t"]) -> Context:
        self.check_length(ids.shape[1])
        return Context(text=F.pad(torch.where(mask, ids, -1), (0, self.length - ids.shape[1]), value=-1))


def normalized_context(h: Float[Tensor, "b t d"], valid: Bool[Tensor, "b t"]) -> Context:
    """Tokens of mean 0 and variance 1, 0 where they are not valid, their mask and their normalized mean."""
    tokens = torch.where(valid[..., None], F.layer_norm(h, h.shape[-1:]), 0)
    mean = tokens.sum(1) / valid.sum(1, keepdim=True).clamp_min(1)
    return Context(F.layer_norm(mean, mean.shape[-1:]), tokens, valid)
