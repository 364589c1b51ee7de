r"""A frozen text encoder with further tokens, whose embeddings alone are trained.

    W_e' = [W_e; V],    V [k, D] trained, W_e and all other weights frozen

An image is worth one word: Personalizing text-to-image generation using textual inversion, Gal, Alaluf,
Atzmon, Patashnik, Bermano, Chechik & Cohen-Or, 2022, section 4.
"""

__all__ = ["ExtendedVocabulary", "embedding_of"]

from typing import Any, Self

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.func import functional_call

from morphogen.component import ConfigError
from morphogen.contract import Boundary, Context
from morphogen.networks.text_encoder import TextEncoder


class ExtendedVocabulary(TextEncoder):
    """A frozen encoder with k more token ids, vocabulary .. vocabulary + k - 1 (Gal et al. 2022).

    The new embeddings start at the mean of the others.

    Arguments:
        encoder: trained, with one embedding of its vocabulary; it is not changed.
        tokens: k, number of new ids.

    Errors: ConfigError for an encoder without such an embedding, and for fewer than one token.
    """

    def __init__(self, encoder: TextEncoder, tokens: int):
        super().__init__()
        if tokens < 1:
            raise ConfigError(f"ExtendedVocabulary: tokens is {tokens}: give 1 or more new ones")
        self.tokens, self.frozen = tokens, Boundary()
        self.frozen.encoder = encoder
        self.frozen.eval()
        table = embedding_of(encoder)
        self.added = nn.Parameter(table.detach().mean(0).repeat(tokens, 1))
        self.vocabulary = len(table) + tokens
        self.capacity, self.widths = encoder.capacity, encoder.widths

    @property
    def encoder(self) -> Any:
        """The encoder without the new tokens."""
        return self.frozen.encoder

    @property
    def table(self) -> Float[Tensor, "v d"]:
        """All embeddings, the new ones last."""
        return torch.cat([embedding_of(self.encoder), self.added])

    def train(self, mode: bool = True) -> Self:
        """Set the mode; the encoder itself stays in evaluation mode."""
        super().train(mode)
        self.frozen.eval()
        return self

    def forward(self, ids: Int[Tensor, "b t"], mask: Bool[Tensor, "b t"]) -> Context:
        inner: Any = self
        while isinstance(inner, ExtendedVocabulary):
            inner = inner.encoder
        return functional_call(inner, {f"{_path(inner)}.weight": self.table}, (ids, mask))


def embedding_of(encoder: Any) -> Float[Tensor, "v d"]:
    """The embeddings of the tokens of an encoder. Errors: ConfigError if it has none of its vocabulary."""
    if isinstance(encoder, ExtendedVocabulary):
        return encoder.table
    table: Any = encoder.get_submodule(_path(encoder))
    return table.weight


def _path(encoder: Any) -> str:
    """The path of the embedding of the tokens."""
    found = [
        name
        for name, part in encoder.named_modules()
        if isinstance(part, nn.Embedding) and part.num_embeddings == getattr(encoder, "vocabulary", None)
    ]
    if len(found) != 1:
        raise ConfigError(
            f"{type(encoder).__name__} has {len(found)} embeddings of its vocabulary, and new tokens need "
            "one: give an encoder of token ids, such as TextTransformer"
        )
    return found[0]
