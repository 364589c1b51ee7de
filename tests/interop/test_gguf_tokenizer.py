"""The tokenizer of a GGUF file gives the ids of the tokenizer that was written into it."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer

from morphogen.component import ConfigError
from morphogen.interop import gguf_tokenizer
from morphogen.interop.gguf import GGUF
from morphogen.interop.gguf_tokenizer import control_words, read_tokenizer, special
from tests.interop.written import SPECIAL, tokenizer, words, write

WILD = [
    "", " ", "the cat", "  two   spaces ", "\n\n\tif x:\n\t\treturn  1\n", "don't DON'T we'll", "12345 1 22  333    4", "naïve café",
    "日本語テキスト 東京", "😀👩‍👩‍👧 🇫🇷", "<|im_start|>user\nhi<|im_end|>", "a\u200bb\ufeffc\u00a0d", "²³½ Ⅷ ٣", "ﬁ ﬀ Å e\u0301",
    "\x00\x07\x7f", "שלום עולם مرحبا", "https://x.y/z?a=1&b=%20#c", "{{ 7*7 }} \\n \\ \"'`", "aaaaaaaa" * 20, "ÿþ\x80", "-1.5e-10", "C'est l'été",
    "…—–“”‘’", "\r\n\r", "x  \n  y",
]  # fmt: skip


@pytest.fixture(scope="module")
def made() -> Tokenizer:
    return tokenizer()


@pytest.fixture(scope="module")
def file(made: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> GGUF:
    return GGUF(write(tmp_path_factory.mktemp("tok") / "tiny.gguf", [lambda w: words(w, made)], {}))


def test_ids_are_those_of_the_tokenizer_that_was_written(made: Tokenizer, file: GGUF) -> None:
    read = read_tokenizer(file)
    assert read.get_vocab() == made.get_vocab()
    for text in WILD:
        ids = read.encode(text).ids
        assert ids == made.encode(text).ids, text
        assert read.decode(ids, skip_special_tokens=False) == text
    assert read.encode("<|im_end|>").ids == [2] and control_words(read) == tuple(SPECIAL)
    assert (special(file, "bos", 320), special(file, "eos", 320), special(file, "padding", 320)) == (1, 2, None)


def test_a_space_before_a_digit_stands_alone(file: GGUF) -> None:
    """What the cut called smollm is for: the mutant that cuts as GPT-2 does would keep a space with the digit behind it."""
    cut = read_tokenizer(file).pre_tokenizer.pre_tokenize_str("a   7")
    assert [piece for piece, _ in cut] == ["a", "ĠĠĠ", "7"]


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
def test_text_is_cut_as_the_name_says(name: str, pieces: list[str], made: Tokenizer, tmp_path: Path) -> None:
    read = read_tokenizer(GGUF(write(tmp_path / "cut.gguf", [lambda w: words(w, made, name)], {})))
    cut = [piece for piece, _ in read.pre_tokenizer.pre_tokenize_str("x 1234    don't!?")]
    assert [piece.replace("Ġ", " ") for piece in cut] == pieces


def test_sentence_pieces_merge_by_their_scores(tmp_path: Path) -> None:
    """Written out: of `▁hello`, he (-1) before ll (-2) before hell (-3) and ▁hell (-4); o has no partner. Bytes where no letter is."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *"▁helo", "he", "ll", "hell", "▁hell", "▁w"]
    scores = [0.0] * 259 + [-10.0] * 5 + [-1.0, -2.0, -3.0, -4.0, -5.0]

    def fill(writer: object) -> None:
        writer.add_tokenizer_model("llama")
        writer.add_token_list(tokens)
        writer.add_token_scores(scores)
        writer.add_token_types([2, 3, 3, *[6] * 256, *[1] * 10])

    read = read_tokenizer(GGUF(write(tmp_path / "pieces.gguf", [fill], {})))
    assert read.encode("hello é").tokens == ["▁hell", "o", "▁", "<0xC3>", "<0xA9>"]
    for text in ("hello", "oh, hello  é!", "<s>", "日本"):
        assert read.decode(read.encode(text).ids, skip_special_tokens=False).removeprefix(" ") == text


def damaged(path: Path, made: Tokenizer, change: object) -> GGUF:
    """The tiny file, its metadata changed once it is read."""
    file = GGUF(write(path / "bad.gguf", [lambda w: words(w, made)], {}))
    change(file.metadata)
    return file


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m.update({"tokenizer.ggml.model": "bert"}), "its tokenizer is 'bert'; gpt2 and llama are read"),
        (lambda m: m.update({"tokenizer.ggml.pre": "qwen9"}), "cuts text as 'qwen9' does; known are"),
        (lambda m: m["tokenizer.ggml.merges"].__setitem__(0, "alone"), "'alone' among the merges is no pair"),
        (lambda m: m["tokenizer.ggml.merges"].__setitem__(0, "no such"), "cannot be built"),
        (lambda m: m["tokenizer.ggml.tokens"].__setitem__(9, "!"), "no list of different words"),
        (lambda m: m.pop("tokenizer.ggml.tokens"), "says nothing of tokenizer.ggml.tokens"),
        (lambda m: m.update({"tokenizer.ggml.tokens": 3}), "is '3', which is no list"),
    ],
)
def test_a_damaged_tokenizer_is_one_line(change: object, says: str, made: Tokenizer, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"bad.gguf: ") as error:
        read_tokenizer(damaged(tmp_path, made, change))
    assert says in str(error.value) and len(str(error.value).splitlines()) == 1


def test_an_id_of_no_word_is_refused(made: Tokenizer, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="bos_token_id is 999, there are 320 words"):
        special(damaged(tmp_path, made, lambda m: m.update({"tokenizer.ggml.bos_token_id": 999})), "bos", 320)


def test_the_mutant_that_forgets_the_digits_is_killed(made: Tokenizer, file: GGUF, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf_tokenizer, "CUTS", {"smollm": (gguf_tokenizer.GPT2,)})
    with pytest.raises(AssertionError):
        test_ids_are_those_of_the_tokenizer_that_was_written(made, file)
