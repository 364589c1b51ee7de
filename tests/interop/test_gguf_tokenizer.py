"""The tokenizer of a GGUF file gives the ids of the tokenizer that was written into it."""

import json
from pathlib import Path

import pytest
import tokenizers

from morphogen.component import Asset, ConfigError
from morphogen.interop import gguf_tokenizer
from morphogen.interop.gguf import GGUF
from morphogen.interop.gguf_tokenizer import control_words, read_text, read_tokenizer, special
from morphogen.representations.text import Tokens
from morphogen.representations.tokenizer import Tokenizer
from tests.interop.written import SPECIAL, WORDS, tokenizer, words, write

WILD = [
    "", " ", "the cat", "  two   spaces ", "\n\n\tif x:\n\t\treturn  1\n", "don't DON'T we'll", "12345 1 22  333    4", "naïve café",
    "日本語テキスト 東京", "😀👩‍👩‍👧 🇫🇷", "<|im_start|>user\nhi<|im_end|>", "a\u200bb\ufeffc\u00a0d", "²³½ Ⅷ ٣", "ﬁ ﬀ Å e\u0301",
    "\x00\x07\x7f", "שלום עולם مرحبا", "https://x.y/z?a=1&b=%20#c", "{{ 7*7 }} \\n \\ \"'`", "aaaaaaaa" * 20, "ÿþ\x80",
    "-1.5e-10", "C'est l'été",     "…—–“”‘’", "\r\n\r", "x  \n  y",
]  # fmt: skip


@pytest.fixture(scope="module")
def made() -> tokenizers.Tokenizer:
    return tokenizer()


@pytest.fixture(scope="module")
def file(made: tokenizers.Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> GGUF:
    return GGUF(write(tmp_path_factory.mktemp("tok") / "tiny.gguf", [lambda w: words(w, made)], {}))


def test_ids_are_those_of_the_tokenizer_that_was_written(made: tokenizers.Tokenizer, file: GGUF) -> None:
    read = read_tokenizer(file)
    assert read.get_vocab() == made.get_vocab()
    for text in WILD:
        ids = read.encode(text).ids
        assert ids == made.encode(text).ids, text
        assert read.decode(ids, skip_special_tokens=False) == text
    assert read.encode("<|im_end|>").ids == [2] and control_words(file) == {word: i for i, word in enumerate(SPECIAL)}
    assert (special(file, "bos", WORDS), special(file, "eos", WORDS), special(file, "padding", WORDS)) == (1, 2, None)


def test_a_space_before_a_digit_stands_alone(file: GGUF) -> None:
    """What the cut called smollm is for: the mutant that cuts as GPT-2 does would keep a space with the digit behind it."""
    cut = read_tokenizer(file).pre_tokenizer.pre_tokenize_str("a   7")
    assert [piece for piece, _ in cut] == ["a", "ĠĠĠ", "7"]


def test_as_a_representation_it_spells_any_text_and_steers_with_none(made: tokenizers.Tokenizer, file: GGUF) -> None:
    text = read_text(file, 64)
    assert (text.vocabulary, text.end, text.length) == (WORDS, 2, 64)
    assert text.words(text.ids("café <|im_end|> 12")) == "café <|im_end|> 12" and 2 not in text.ids("<|im_end|>")
    assert text.words([*made.encode("the cat").ids, 2, 7]) == "the cat"


def test_a_letter_that_no_piece_spells_is_refused_where_it_is_met(file: GGUF) -> None:
    """SmolLM2's own vocabulary lacks 21 bytes: six controls, and such as begin no letter that is assigned."""
    content = json.loads(read_tokenizer(file).to_str())
    content["model"]["vocab"]["ĄĄĄĄ"] = content["model"]["vocab"].pop("Ą")  # byte 4
    text = Tokens(Tokenizer(Asset("tokenizer.json", json.dumps(content).encode()), None), 8)
    assert text.words(text.ids("a b")) == "a b"
    with pytest.raises(ConfigError, match=r"\(U\+0004\): tokenizer.* has no piece for it"):
        text.ids("a\x04b")


@pytest.mark.parametrize(
    ("name", "pieces"),
    [
        ("gpt-2", ["x", " 1234", "   ", " don", "'t", "!?"]),
        ("smollm", ["x", " ", "1", "2", "3", "4", "   ", " don", "'t", "!?"]),
        ("llama-bpe", ["x", " ", "123", "4", "   ", " don", "'t", "!?"]),
        ("qwen2", ["x", " ", "1", "2", "3", "4", "   ", " don", "'t", "!?"]),
        ("default", ["x", " ", "123", "4", "   ", " don", "'", "t", "!?"]),
    ],
)
def test_text_is_cut_as_the_name_says(name: str, pieces: list[str], made: tokenizers.Tokenizer, tmp_path: Path) -> None:
    read = read_tokenizer(GGUF(write(tmp_path / "cut.gguf", [lambda w: words(w, made, name)], {})))
    cut = [piece for piece, _ in read.pre_tokenizer.pre_tokenize_str("x 1234    don't!?")]
    assert [piece.replace("Ġ", " ") for piece in cut] == pieces


def damaged(path: Path, made: tokenizers.Tokenizer, change: object) -> GGUF:
    """The tiny file, its metadata changed once it is read."""
    file = GGUF(write(path / "bad.gguf", [lambda w: words(w, made)], {}))
    change(file.metadata)
    return file


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m.update({"tokenizer.ggml.model": "bert"}), "its tokenizer is 'bert'; gpt2, which is byte-level BPE, is read"),
        (lambda m: m.update({"tokenizer.ggml.pre": "qwen9"}), "cuts text as 'qwen9' does; known are"),
        (lambda m: m["tokenizer.ggml.merges"].__setitem__(0, "alone"), "'alone' among the merges is no pair"),
        (lambda m: m["tokenizer.ggml.merges"].__setitem__(0, "no such"), "cannot be built"),
        (lambda m: m["tokenizer.ggml.tokens"].__setitem__(9, "!"), "no list of different words"),
        (lambda m: m.pop("tokenizer.ggml.tokens"), "says nothing of tokenizer.ggml.tokens"),
        (lambda m: m.update({"tokenizer.ggml.tokens": 3}), "is '3', which is no list"),
    ],
)
def test_a_damaged_tokenizer_is_one_line(change: object, says: str, made: tokenizers.Tokenizer, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"bad.gguf: ") as error:
        read_tokenizer(damaged(tmp_path, made, change))
    assert says in str(error.value) and len(str(error.value).splitlines()) == 1


def test_an_id_of_no_word_is_refused(made: tokenizers.Tokenizer, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="bos_token_id is 999, there are 300 words"):
        special(damaged(tmp_path, made, lambda m: m.update({"tokenizer.ggml.bos_token_id": 999})), "bos", WORDS)


def test_the_mutant_that_forgets_the_digits_is_killed(made: tokenizers.Tokenizer, file: GGUF, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf_tokenizer, "CUTS", {"smollm": (gguf_tokenizer.GPT2,)})
    with pytest.raises(AssertionError):
        test_ids_are_those_of_the_tokenizer_that_was_written(made, file)
