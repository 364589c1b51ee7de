r"""Tokenizers: which strings of bytes are one symbol, learned of a text by the library `tokenizers` and kept as its JSON file.

    bpe        the most frequent pair of neighbours becomes a piece, again and again, until there are V
    unigram    of many pieces those are kept without which the text's likelihood under p(x) = prod_i p(piece_i) would fall most

Both work on bytes: all 256 are pieces, so that every text can be spelled and comes back as it was, and no text is unknown. A piece
never reaches over the border of a word (GPT-2's pattern: an optional space and then letters, digits or signs).

Trained again on the same texts, the file is the same to the byte: BPE's is so by itself; of a unigram the scores are
rounded, the pieces sorted, and those bytes that the text does not hold share the least score, where the library leaves all of
this to the order in which its threads and its hash table come to it.

References: Neural machine translation of rare words with subword units, Sennrich, Haddow & Birch, 2016; Subword regularization,
Kudo, 2018; Language models are unsupervised multitask learners, Radford et al., 2019, section 2.2 (the bytes and the pattern).
"""

__all__ = ["END", "Tokenizer", "bpe", "unigram"]

import json
from collections.abc import Iterable
from functools import cache
from typing import Any, ClassVar

import tokenizers

from morphogen.component import Asset, Component, ConfigError

END = "<|endoftext|>"
PLAIN = {bytes([byte]) for byte in (*b"\t\n", *range(32, 127))}
LEAST = 258  # all bytes, the end, and something to learn


class Tokenizer(Component):
    """Text to ids and the bytes of each id, from a file of the library `tokenizers` whose pieces are byte-level.

    Arguments:
        file: its JSON.
        end: the piece that ends a text, one of the file's special ones; None: there is none.

    Raises ConfigError for a file that is damaged, lacks the end, or cannot spell plain text.
    """

    FILE: ClassVar[str] = "tokenizer.json"

    def __init__(self, file: Asset, end: str | None = "<|endoftext|>"):
        self.file, self.end = file, end
        self._model = _read(file)
        self._model.encode_special_tokens = True  # "<|endoftext|>" in a text is these thirteen characters, and ends nothing
        special = {token.content for token in self._model.get_added_tokens_decoder().values()}
        pieces = {number: _spelled(piece, piece in special, file) for piece, number in self._model.get_vocab().items()}
        if end is not None and end not in special:
            raise ConfigError(f"{file.name} has no special piece {end!r} to end a text with; name one that it has, or None")
        self.last: int | None = None if end is None else self._model.token_to_id(end)
        self.pieces: tuple[bytes, ...] = tuple(pieces.get(number, b"") for number in range(max(pieces, default=-1) + 1))
        self._lost = {bytes([byte]) for byte in range(256)} - set(self.pieces)
        if self._lost & PLAIN:
            raise ConfigError(f"{file.name} has no piece for {len(self._lost)} of the 256 bytes, plain letters among them; give another")

    def ids(self, text: str) -> list[int]:
        """The ids of a text, which never hold a special one: what a person writes ends nothing.

        Errors: ConfigError for a byte that no piece spells, where a file of others lacks some (controls, planes that are not assigned).
        """
        if self._lost and (gone := next((c for c in text if not self._lost.isdisjoint(map(_byte, c.encode("utf8")))), None)):
            raise ConfigError(f"{gone!r} (U+{ord(gone):04X}): {self.file.name} has no piece for it; leave it out of the text")
        return self._model.encode(text, add_special_tokens=False).ids

    def __deepcopy__(self, memo: dict[int, Any]) -> "Tokenizer":
        return self  # nothing in it changes


def bpe(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Byte-pair encoding (Sennrich et al. 2016) of these texts.

    Arguments:
        texts: what to learn from: of a data set the train part, never another.
        vocabulary: V, at least 258; fewer come out where the texts have fewer pieces.

    Raises ConfigError for a vocabulary that does not hold the bytes and the end, or for no text.
    """
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocabulary, initial_alphabet=sorted(_letters().values()), special_tokens=[END], show_progress=False
    )
    return _kept(_trained(tokenizers.models.BPE(), trainer, texts, vocabulary).to_str())


def unigram(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """A unigram model of pieces (Kudo 2018) of these texts; arguments and errors as of `bpe`."""
    trainer = tokenizers.trainers.UnigramTrainer(
        vocab_size=vocabulary, initial_alphabet=sorted(_letters().values()), special_tokens=[END], show_progress=False
    )
    config = json.loads(_trained(tokenizers.models.Unigram(), trainer, texts, vocabulary).to_str())
    pieces = [(piece, score) for piece, score in config["model"]["vocab"] if piece != END]
    least = min([score for piece, score in pieces if len(piece) > 1], default=0.0)
    rounded = [(piece, round(max(score, least), 4)) for piece, score in pieces]
    config["model"]["vocab"] = [(END, 0.0), *sorted(rounded, key=lambda entry: (-entry[1], entry[0]))]
    return _kept(json.dumps(config, ensure_ascii=False, separators=(",", ":")))


def _trained(model: Any, trainer: Any, texts: Iterable[str], vocabulary: int) -> tokenizers.Tokenizer:
    if vocabulary < LEAST:
        raise ConfigError(f"a vocabulary of {vocabulary} cannot hold the 256 bytes, the end and a piece; take {LEAST} or more")
    texts = [text for text in texts if text]
    if not texts:
        raise ConfigError("a tokenizer is learned of a text, and there is none; give one that is not empty")
    fresh = tokenizers.Tokenizer(model)
    fresh.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    fresh.decoder = tokenizers.decoders.ByteLevel()
    fresh.train_from_iterator(texts, trainer)
    return fresh


def _kept(content: str) -> Tokenizer:
    return Tokenizer(Asset(Tokenizer.FILE, content.encode("utf8")))


def _byte(number: int) -> bytes:
    return bytes([number])


def _read(file: Asset) -> tokenizers.Tokenizer:
    try:
        return tokenizers.Tokenizer.from_str(file.content.decode("utf8"))
    except BaseException as error:  # a panic of the library's Rust is no Exception
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        why = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise ConfigError(f"{file.name} is no tokenizer file ({why}); restore it, or train again") from None


def _spelled(piece: str, special: bool, file: Asset) -> bytes:
    """The bytes of a piece: its letters stand for bytes, but those of a special one for themselves."""
    if special:
        return piece.encode("utf8")
    try:
        return bytes([_bytes()[letter] for letter in piece])
    except KeyError:
        raise ConfigError(f"{file.name}: its piece {piece!r} is not written in bytes; give a byte-level tokenizer") from None


@cache
def _letters() -> dict[int, str]:
    """GPT-2's letter for each byte: a printable one is itself in Latin-1, the n-th other is U+0100 + n."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + n) for n, byte in enumerate(others)}


@cache
def _bytes() -> dict[str, int]:
    return {letter: byte for byte, letter in _letters().items()}
