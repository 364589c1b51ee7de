"""Pictures conditioned on their captions, as training data for text-to-picture models.

A picture with several captions is several rows, one of each: row i is picture i mod n with its caption number
i // n, beginning again where it has fewer, so that every picture is as frequent as any other. Batches hold
the text in bytes (`Captions`); the model has the tokenizer. Its vocabulary is that of the data set's
`Captions`, learned from the captions of the train part.
"""

__all__ = ["Captioned", "CaptionedPictures", "captioned"]

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jaxtyping import Int, Shaped, UInt8
from torch import Tensor

from morphogen.caller import option
from morphogen.component import ConfigError
from morphogen.conditioning.caption import CAPTION, Captions, caption_bytes
from morphogen.conditioning.known_words import KnownWords
from morphogen.contract import Batch
from morphogen.counted import counted
from morphogen.data.dataset import DataError, Dataset, Examples
from morphogen.data.text import WINDOW, Untokenized, text_representation
from morphogen.media.pictures import PICTURES
from morphogen.representations.text import Text

CAPTION_TOKENIZER = "bpe:2000"  # the default


class Captioned(Examples):
    """Pictures, each with one of its captions as the condition "caption", UTF-8 bytes [B, L].

    Arguments:
        pictures: examples.
        captions: of each picture, one or more.
        variants: captions of each picture that are rows; None: as many as any picture has.
    """

    def __init__(self, pictures: Examples, captions: Sequence[Sequence[str]], variants: int | None = None):
        self.pictures, self.texts = pictures, [list(texts) for texts in captions]
        self.variants = max(map(len, self.texts), default=1) if variants is None else variants
        if pictures.labels is not None:
            self.labels = pictures.labels.repeat(self.variants)

    def __len__(self) -> int:
        return len(self.pictures) * self.variants

    def __getitem__(self, indices: Int[Tensor, " b"]) -> Batch:
        rows = self.pictures[indices % len(self.pictures)]
        return Batch(rows.medium, {**rows.condition, CAPTION: caption_bytes(self.captions_of(indices))})

    def captions_of(self, indices: Int[Tensor, " b"]) -> list[str]:
        """The captions of rows."""
        n = len(self.pictures)
        chosen = ((self.texts[i % n], i // n) for i in indices.tolist())
        return [texts[variant % len(texts)] for texts, variant in chosen]

    @property
    def values(self) -> UInt8[Tensor, "n c h w"]:
        """The pictures in bytes, without repetition."""
        return self.pictures.values

    @property
    def captions(self) -> list[str]:
        """The first caption of each picture."""
        return [texts[0] for texts in self.texts]

    def contents(self) -> Iterator[Shaped[Tensor, "..."]]:
        yield from self.pictures.contents()
        yield caption_bytes(["\0".join(texts) for texts in self.texts])


@dataclass(frozen=True)
class CaptionedPictures(Untokenized):
    """Pictures whose batches have captions, before these have a vocabulary.

    Arguments:
        data: the pictures.
        train: texts from which a vocabulary is learned.
        every: texts of all parts.
    """

    data: Dataset
    train: Sequence[str]
    every: Sequence[str]

    @property
    def notes(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of the data."""
        return self.data.notes

    def windows(self, tokenizer: str | Text | None = None, length: int | None = None) -> Dataset:
        """The pictures, with captions of at most `length` tokens as a condition.

        Arguments:
            tokenizer: see `text_representation`; None: "bpe:2000", learned from the train part.
            length: tokens that a text encoder of the data takes; None: the longest caption, at most 64.

        Errors: DataError for another tokenizer, and for a caption that it cannot encode.
        """
        data, kind = self.data, tokenizer or CAPTION_TOKENIZER
        if length is not None and length < 1:
            raise DataError(f"length {length}: a caption needs at least 1 token")
        text = text_representation(data.name, kind, self.train, self.every, length or WINDOW)
        try:
            sizes = [len(text.ids(caption)) for caption in self.every]
        except ConfigError as error:
            raise DataError(f"{data.name}: {error}") from None
        if length is None and not isinstance(tokenizer, Text):
            text = text_representation(
                data.name, kind, self.train, self.every, max(1, min(WINDOW, max(sizes)))
            )
        notes = data.notes
        if long := sum(size > text.length for size in sizes):
            notes += (
                f"{long} of {counted(len(sizes), 'caption')} are longer than {text.length} tokens: their "
                f"ends are not read; {option('length', max(sizes))} reads them whole",
            )
        conditions = {**data.conditions, CAPTION: Captions(text, KnownWords.of(self.train))}
        for part in (data.train, data.valid, data.test):
            part.conditions = conditions
        return replace(data, conditions=conditions, notes=notes)


def captioned(loaded: Any) -> Any:
    """Pictures that all have a caption, with the captions as a condition; anything else unchanged.

    Where some pictures have none, the captions are no condition, and a note names the first of these.
    """
    parts = (
        [getattr(loaded, name) for name in ("train", "valid", "test")] if isinstance(loaded, Dataset) else []
    )
    if not parts or loaded.representation.medium is not PICTURES:
        return loaded
    if not all(len(getattr(part, "captions", ())) for part in parts):
        return loaded
    texts = [_every(part) for part in parts]
    if not all(all(map(any, each)) for each in texts):
        return loaded
    rows = [
        Captioned(part, each, None if part is loaded.train else 1)
        for part, each in zip(parts, texts, strict=True)
    ]
    train, valid, test = rows
    data = replace(loaded, train=train, valid=valid, test=test)
    learn, *others = [[text for each in part for text in each] for part in texts]
    return CaptionedPictures(data, learn, [text for part in (learn, *others) for text in part])


def _every(part: Any) -> list[list[str]]:
    """All captions of each picture of a part."""
    return [[caption] if isinstance(caption, str) else list(caption) for caption in part.captions]
