"""BERT's tokenizer, loaded from its file."""

import copy
import json

import pytest

from morphogen.component import Asset, ConfigError, from_config, to_config
from morphogen.representations.wordpiece import WordPiece

VOCABULARY = ["[UNK]", "[CLS]", "[SEP]", "a", "red", "##dish", "circle", "[", "]", "sep"]


def file(vocabulary: list[str] = VOCABULARY) -> Asset:
    special = [
        {"id": i, "content": word, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": True}
        for i, word in enumerate(vocabulary) if word in ("[UNK]", "[CLS]", "[SEP]")
    ]  # fmt: skip
    content = {
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0},
        "padding": None,
        "added_tokens": special,
        "normalizer": {
            "type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
            "strip_accents": None, "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": {word: i for i, word in enumerate(vocabulary)},
        },
    }  # fmt: skip
    return Asset("tokenizer.json", json.dumps(content).encode())


def test_pieces_of_words_without_case_and_without_truncation() -> None:
    tokenizer = WordPiece(file())
    assert tokenizer.ids("A reddish  CIRCLE a red blob") == [3, 4, 5, 6, 3, 4, 0]
    assert (tokenizer.start, tokenizer.end) == (1, 2) and tokenizer.ids("") == []


def test_a_special_token_in_a_text_is_read_as_characters() -> None:
    assert WordPiece(file()).ids("[SEP]") == [7, 9, 8]


def test_saved_and_copied() -> None:
    tokenizer = WordPiece(file())
    assert copy.deepcopy(tokenizer) is tokenizer
    assert from_config(to_config(tokenizer)).ids("a red circle") == [3, 4, 6]


def test_a_file_without_start_and_end_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"has no tokens \[CLS\] and \[SEP\]: give the tokenizer of a BERT"):
        WordPiece(file(["[UNK]", "[CLS]", "a"]))
