r"""CLIP's tokenizer: lower-case byte-pair pieces, of which the last of a word ends in `</w>`.

    "A Red  circle" -> "a red circle" -> a</w>, red</w>, circle</w>

It is not lossless (case and spaces are lost), so that it encodes conditions and is no representation.

Reference: Learning transferable visual models from natural language supervision (CLIP), Radford et al., 2021,
section 2.4, with the byte-pair encoding of Sennrich, Haddow & Birch, 2016.
"""

__all__ = ["START", "CLIPTokenizer", "clip_tokenizer"]

import json
from collections.abc import Mapping, Sequence
from typing import Any

from morphogen.component import Asset, Component, ConfigError
from morphogen.representations.tokenizer import END, Tokenizer, parse_tokenizer

START = "<|startoftext|>"
PATTERN = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
SPACES: dict[str, Any] = {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "}
NORMALIZERS = [{"type": "NFC"}, SPACES, {"type": "Lowercase"}]
SPLIT = {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Removed", "invert": True}
LETTERS = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
PAIRS = {"type": "BPE", "unk_token": END, "continuing_subword_prefix": "", "end_of_word_suffix": "</w>"}
EXACT = {"single_word": False, "lstrip": False, "rstrip": False, "special": True}


class CLIPTokenizer(Component):
    """CLIP's tokenizer (Radford et al. 2021), loaded from the JSON file of the library `tokenizers`.

    Arguments:
        file: the JSON file.
        padding: the token that fills texts to a common length; Stable Diffusion 2 has "!".

    Attributes:
        vocabulary: number of ids.
        start, end, padding_id: ids of the special tokens.

    Raises ConfigError for a damaged file, or one without the special tokens.
    """

    def __init__(self, file: Asset, padding: str = "<|endoftext|>"):
        self.file, self.padding = file, padding
        self._model = parse_tokenizer(file)
        self._model.encode_special_tokens = True  # "<|endoftext|>" in a text is read as characters
        ids = {token: self._model.token_to_id(token) for token in (START, END, padding)}
        if missing := [token for token, found in ids.items() if found is None]:
            raise ConfigError(f"{file.name} has no token {missing[0]!r}: give the tokenizer of a CLIP model")
        self.vocabulary: int = self._model.get_vocab_size()
        self.start, self.end, self.padding_id = ids[START], ids[END], ids[padding]

    def ids(self, text: str) -> list[int]:
        """The ids of a text, without start and end; never a special token."""
        found: list[int] = self._model.encode(text, add_special_tokens=False).ids
        return found

    def __deepcopy__(self, memo: dict[int, Any]) -> "CLIPTokenizer":
        return self  # immutable


def clip_tokenizer(
    vocabulary: Mapping[str, int], merges: Sequence[tuple[str, str]], padding: str = "<|endoftext|>"
) -> CLIPTokenizer:
    """The tokenizer of a vocabulary and the merges of its pieces, first ones first.

    Arguments:
        vocabulary: id of each piece, `<|startoftext|>` and `<|endoftext|>` among them.
        merges: pairs of pieces of the vocabulary.
        padding: see `CLIPTokenizer`.

    Errors: ConfigError if they do not make a tokenizer.
    """
    special = [
        {"id": vocabulary[token], "content": token, "normalized": token == START, **EXACT}
        for token in sorted({START, END} & vocabulary.keys(), key=vocabulary.__getitem__)
    ]
    content = {
        "version": "1.0",
        "added_tokens": special,
        "normalizer": {"type": "Sequence", "normalizers": NORMALIZERS},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [SPLIT, LETTERS]},
        "model": PAIRS | {"vocab": dict(vocabulary), "merges": [list(pair) for pair in merges]},
    }
    return CLIPTokenizer(Asset(Tokenizer.FILE, json.dumps(content, ensure_ascii=False).encode()), padding)
