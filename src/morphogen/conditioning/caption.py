r"""Captions as context: a text is tokenized with the encoder's own vocabulary and encoded.

    c = encoder(tokenizer(caption))        tokens [B, T, D] with their mask, and one vector [B, D]

Data hold captions as UTF-8 bytes (`Captions`), so that the same data condition a model with its own
vocabulary, one with CLIP's and one with that of a language model. `CaptionDropout` has the empty caption as
null, as Stable Diffusion does; `ConditionDropout` has learned ones, as GLIDE and Imagen do.

References: Learning transferable visual models from natural language supervision, Radford et al., 2021;
High-resolution image synthesis with latent diffusion models, Rombach et al., 2022.
"""

__all__ = ["Caption", "CaptionDropout", "Captions", "TruncatedCaption", "caption_bytes", "caption_texts"]

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from jaxtyping import Int
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.conditioning.dropout import Dropout, rows_of_context
from morphogen.conditioning.known_words import KnownWords, UnknownWord
from morphogen.contract import Conditioner, ConditionSpec, Context
from morphogen.networks.text_encoder import TextEncoder
from morphogen.numerics.randomness import Rng
from morphogen.numerics.trees import Tree
from morphogen.representations.text import Bytes, Text

CAPTION = "caption"  # the name of the condition
SHOWN = 40  # characters of a caption in a message


class TruncatedCaption(UserWarning):
    """A caption is longer than the encoder takes; its end is left out."""


class Captions(ConditionSpec):
    """Captions, one per row, as UTF-8 bytes, int64 [B, L], padded with -1.

    No paper: the texts of the data.

    Arguments:
        text: how a model that is trained on these data tokenizes them: `Bytes`, or `Tokens` of the pieces
            learned from the captions of the train part.
        words: of the captions of the train part; None: not known.

    A caption in words of which some are not among these is read with an `UnknownWord` warning.

        >>> Captions(Bytes(8)).read(["a cat", "no"]).tolist()
        [[97, 32, 99, 97, 116], [110, 111, -1, -1, -1]]
    """

    plural, optional = "captions", True
    remedy = "give every picture a caption, 1.txt beside 1.png or in a table metadata.csv"

    def __init__(self, text: Text, words: KnownWords | None = None):
        self.text, self.words = text, words

    def parse(self, text: str) -> Int[Tensor, " l"]:
        if self.words is not None and (note := self.words.note(text)) is not None:
            warnings.warn(note, UnknownWord, stacklevel=2)
        return Bytes(1).tokenize(text)

    def joined(self, other: ConditionSpec) -> "Captions":
        """These captions, with the words of others too."""
        words = getattr(other, "words", None)
        if self.words is None or words is None or words.words <= self.words.words:
            return self
        return Captions(self.text, KnownWords.of([*self.words.words, *words.words]))

    def stack(self, rows: Sequence[Any]) -> Int[Tensor, "b l"]:
        return nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=-1)


def caption_bytes(texts: Sequence[str]) -> Int[Tensor, "b l"]:
    """Captions, or one of them, as UTF-8 bytes, padded with -1.

    Errors: ConfigError for a text that UTF-8 cannot encode.
    """
    rows = [Bytes(1).tokenize(text) for text in ([texts] if isinstance(texts, str) else texts)]
    return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)


def caption_texts(captions: Int[Tensor, "b l"]) -> list[str]:
    """The texts of captions; the inverse of `caption_bytes`."""
    rows = captions.cpu().tolist()
    return [bytes(byte for byte in row if byte >= 0).decode("utf8", errors="replace") for row in rows]


class TextIds(Protocol):
    """A part that tokenizes texts: `Bytes`, `Tokens` or `Tokenizer`."""

    def ids(self, text: str) -> list[int]:
        """The ids of a text. Errors: ConfigError for a character that it has no id for."""


class Caption(Conditioner):
    """Encode captions as `context.tokens`, their mask, and `context.vector` (Radford et al. 2021).

    A caption that is longer than the encoder takes loses its end, with a `TruncatedCaption` warning if it is
    a person's.

    Arguments:
        tokenizer: a part with `ids(text)`, such as `Tokens`; its file is saved next to the config.
        encoder: of the ids, such as `TextTransformer`.
    """

    name = CAPTION

    def __init__(self, tokenizer: Any, encoder: TextEncoder):
        super().__init__()
        self.tokenizer, self.encoder = tokenizer, encoder

    @property
    def widths(self) -> Mapping[str, int]:  # type: ignore[override]
        """Those of the encoder."""
        return self.encoder.widths

    @property
    def spec(self) -> Captions:
        """What the condition is, so that a model takes words whatever data it was trained on."""
        return Captions(Bytes(max(1, self.encoder.capacity)))

    def check(self, condition: Tree) -> None:
        """Check captions. Errors: ConfigError for what is no caption, or has a character without an id."""
        if not isinstance(condition, Tensor) or condition.ndim != 2 or condition.is_floating_point():
            raise ConfigError('a caption is a text, such as "a red circle", or UTF-8 bytes [B, L]: give that')
        for text in dict.fromkeys(caption_texts(condition)):
            if (tokens := len(self.ids(text))) > (capacity := self.encoder.capacity):
                shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
                warnings.warn(
                    f"the caption {shown!r} has {tokens} tokens, and the encoder takes {capacity}: "
                    f"the last {tokens - capacity} are left out",
                    TruncatedCaption,
                    stacklevel=2,
                )

    def forward(self, condition: Int[Tensor, "b l"], rng: Rng | None = None) -> Context:
        """The context of captions as UTF-8 bytes [B, L]."""
        rows = [torch.tensor(self.ids(text), dtype=torch.int64) for text in caption_texts(condition)]
        ids = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)
        ids = ids[:, : self.encoder.capacity].to(condition.device)
        return self.encoder(ids, ids >= 0)

    def ids(self, text: str) -> list[int]:
        """The ids of a caption. Errors: ConfigError for a character that the tokenizer has no id for."""
        tokenizer: TextIds = self.tokenizer
        return tokenizer.ids(text)


class CaptionDropout(Dropout):
    """Replace the caption of a row by the empty one with probability p in training (Rombach et al. 2022).

    Arguments:
        conditioner: of captions, `Caption` or `Frozen(Caption)`.
        p: probability that a row loses its caption.

    Raises ConfigError for a p outside [0, 1].
    """

    def __init__(self, conditioner: Conditioner, p: float = 0.1):
        super().__init__(conditioner, p)
        self.name = conditioner.names[0]

    def null_of(self, context: Context) -> Context:
        given = (context.vector, context.tokens, context.text)
        device = next(field.device for field in given if field is not None)
        return self.absent(rows_of_context(context)).map(lambda field: field.to(device))

    def absent(self, rows: int) -> Context:
        device = next((p.device for p in self.parameters()), torch.device("cpu"))
        empty = self.conditioner(torch.full((1, 1), -1, device=device))
        return empty[torch.zeros(rows, dtype=torch.int64, device=device)]
