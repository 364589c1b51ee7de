r"""Byte-level sub-word tokenizers, trained with the library `tokenizers` and stored as its JSON file.

    bpe        merges the most frequent pair of adjacent pieces until there are V pieces
    unigram    starts from many pieces and removes those that least reduce the likelihood of the text under
               p(x) = prod_i p(piece_i)

All 256 bytes are pieces, so every text can be tokenized, tokenization is lossless and there is no unknown
token. A piece never crosses a word boundary (GPT-2's pattern: an optional space, then letters, digits or
other characters).

Training is reproducible: the same texts give the same file, byte for byte. BPE is deterministic by itself.
For a unigram model the scores are rounded, the pieces sorted, and bytes that are not in the texts get the
lowest score, because the results of the library depend on its threads and the order of its hash table.

References: Neural machine translation of rare words with subword units, Sennrich, Haddow & Birch, 2016;
Subword regularization, Kudo, 2018; Language models are unsupervised multitask learners, Radford et al., 2019,
section 2.2 (the bytes and the pattern).
"""

__all__ = ["END", "Tokenizer", "bpe", "parse_tokenizer", "unigram"]

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from typing import Any, ClassVar

import tokenizers

from morphogen.component import Asset, Component, ConfigError

END = "<|endoftext|>"
PLAIN = {bytes([byte]) for byte in (*b"\t\n", *range(32, 127))}
ENDLESS = re.compile(r"[^\W\d_]{4096,}|\d{4096,}|(?:[^\w\s]|_){4096,}|\s{4096,}")  # words of the pattern
LONGEST, LEARNED = 256, 2**17  # characters of an endless word that are learned whole, and altogether
SMALLEST = 258  # vocabulary of all bytes, the end token and one learned piece


class Tokenizer(Component):
    """A byte-level tokenizer, loaded from the JSON file of the library `tokenizers`.

    Arguments:
        file: the JSON file.
        end: the end token, one of the file's special tokens; None: there is none.

    A tokenizer with byte fallback (SentencePiece's, of LLaMA 2 and Mistral) is also accepted: its pieces are
    plain text with U+2581 for a space, or `<0x0A>` for a byte. If it puts a space before every text,
    `space_prefix` is True.

    Raises ConfigError for a damaged file, a missing end token, or a vocabulary that lacks ASCII characters.
    """

    FILE: ClassVar[str] = "tokenizer.json"

    def __init__(self, file: Asset, end: str | None = "<|endoftext|>"):
        self.file, self.end = file, end
        self._model = parse_tokenizer(file)
        self._model.encode_special_tokens = True  # "<|endoftext|>" in a text is read as thirteen characters
        special = {token.content for token in self._model.get_added_tokens_decoder().values()}
        falls_back = getattr(self._model.model, "byte_fallback", False)
        spelling = _fallback_bytes if falls_back else _letter_bytes
        pieces = {
            token: piece.encode("utf8") if piece in special else spelling(piece, file)
            for piece, token in self._model.get_vocab().items()
        }
        if end is not None and end not in special:
            raise ConfigError(
                f"{file.name} has no special token {end!r}; give an end token that it has, or None"
            )
        self.end_id: int | None = None if end is None else self._model.token_to_id(end)
        size = max(pieces, default=-1) + 1
        self.pieces: tuple[bytes, ...] = tuple(pieces.get(token, b"") for token in range(size))
        self._missing = {bytes([byte]) for byte in range(256)} - set(self.pieces)
        if self._missing & PLAIN:
            raise ConfigError(
                f"{file.name} has no piece for {len(self._missing)} of the 256 bytes, "
                "among them ASCII characters; give another tokenizer"
            )

    def ids(self, text: str) -> list[int]:
        """The ids of a text; never a special token, even if the text contains its name.

        Errors: ConfigError for a character that a foreign tokenizer cannot spell, because it lacks pieces for
            some bytes
        (control characters, unassigned planes).
        """
        if self._missing:
            for character in text:
                if not self._missing.isdisjoint(map(_byte, character.encode("utf8"))):
                    raise ConfigError(
                        f"{character!r} (U+{ord(character):04X}): {self.file.name} has no piece for it; "
                        "remove it from the text"
                    )
        return self._model.encode(text, add_special_tokens=False).ids

    @cached_property
    def space_prefix(self) -> bool:
        """Whether a space is put before every text, which is not part of it."""
        return b"".join([self.pieces[i] for i in self.ids("a")]) == b" a"

    def __deepcopy__(self, memo: dict[int, Any]) -> "Tokenizer":
        return self  # immutable


def bpe(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Train a byte-pair encoding (Sennrich et al. 2016).

    Arguments:
        texts: training texts: only those of the train part of a data set.
        vocabulary: V, at least 258; the result is smaller if the texts have fewer pieces.

    Raises ConfigError for a vocabulary below 258, or without any text.
    """
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocabulary,
        initial_alphabet=sorted(_letters().values()),
        special_tokens=[END],
        show_progress=False,
    )
    return _from_json(_train(tokenizers.models.BPE(), trainer, texts, vocabulary).to_str())


def unigram(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Train a unigram language model of pieces (Kudo 2018); arguments and errors as for `bpe`."""
    trainer = tokenizers.trainers.UnigramTrainer(
        vocab_size=vocabulary,
        initial_alphabet=sorted(_letters().values()),
        special_tokens=[END],
        show_progress=False,
    )
    config = json.loads(_train(tokenizers.models.Unigram(), trainer, texts, vocabulary).to_str())
    pieces = [(piece, score) for piece, score in config["model"]["vocab"] if piece != END]
    lowest = min([score for piece, score in pieces if len(piece) > 1], default=0.0)
    rounded = [(piece, round(max(score, lowest), 4)) for piece, score in pieces]
    config["model"]["vocab"] = [(END, 0.0), *sorted(rounded, key=lambda entry: (-entry[1], entry[0]))]
    return _from_json(json.dumps(config, ensure_ascii=False, separators=(",", ":")))


def parse_tokenizer(file: Asset) -> tokenizers.Tokenizer:
    """Load the library's tokenizer. Errors: ConfigError for a damaged file."""
    try:
        return tokenizers.Tokenizer.from_str(file.content.decode("utf8"))
    except BaseException as error:
        raise ConfigError(
            f"{file.name} is not a valid tokenizer file ({_reason(error)}); restore it, or train again"
        ) from None


def _train(model: Any, trainer: Any, texts: Iterable[str], vocabulary: int) -> tokenizers.Tokenizer:
    """Train an untrained model with byte-level pre-tokenization."""
    if vocabulary < SMALLEST:
        raise ConfigError(
            f"a vocabulary of {vocabulary} is too small for the 256 bytes, the end token and "
            f"a learned piece; give {SMALLEST} or more"
        )
    texts = [text for text in _cut(texts) if text]
    if not texts:
        raise ConfigError("a tokenizer needs text to train on, and all texts are empty; give one that is not")
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    try:
        tokenizer.train_from_iterator(texts, trainer)
    except BaseException as error:
        raise ConfigError(f"the texts cannot be learned ({_reason(error)}); give other texts") from None
    return tokenizer


def _cut(texts: Iterable[str]) -> Iterator[str]:
    """The texts, but for each endless word (DNA, base64) some of its pieces.

    The time of the trainers grows with the square of the length of a word.
    """
    texts = list(texts)
    lengths = (len(word[0]) for text in texts for word in ENDLESS.finditer(text))
    step = LONGEST * (1 + sum(lengths) // LEARNED)
    for text in texts:
        start = 0
        for word in ENDLESS.finditer(text):
            yield text[start : word.start()]
            yield from (word[0][i : i + LONGEST] for i in range(0, len(word[0]), step))
            start = word.end()
        yield text[start:]


def _from_json(content: str) -> Tokenizer:
    return Tokenizer(Asset(Tokenizer.FILE, content.encode("utf8")))


def _byte(value: int) -> bytes:
    return bytes([value])


def _reason(error: BaseException) -> str:
    """The first line of an error of the library, or of a panic in its Rust code, which is not an Exception.

    Errors: the error itself if it is an interrupt of Python.
    """
    if isinstance(error, KeyboardInterrupt | SystemExit):
        raise error
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


def _letter_bytes(piece: str, file: Asset) -> bytes:
    """The bytes of a byte-level piece, one per letter."""
    try:
        return bytes([_bytes()[letter] for letter in piece])
    except KeyError:
        raise ConfigError(
            f"{file.name}: its piece {piece!r} is not byte-level; give a byte-level tokenizer, or one with "
            "byte fallback"
        ) from None


def _fallback_bytes(piece: str, file: Asset) -> bytes:
    """The bytes of a piece of plain text, or the byte that it names."""
    named = re.fullmatch(r"<0x([0-9A-F]{2})>", piece)
    return piece.replace("\u2581", " ").encode("utf8") if named is None else bytes.fromhex(named[1])


@cache
def _letters() -> dict[int, str]:
    """GPT-2's letter for each byte: its Latin-1 character if printable, else U+0100 + n, n = 0, 1, ..."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + n) for n, byte in enumerate(others)}


@cache
def _bytes() -> dict[str, int]:
    """The byte that each of GPT-2's letters encodes."""
    return {letter: byte for byte, letter in _letters().items()}
