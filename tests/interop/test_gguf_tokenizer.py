"""The tokenizer read from a GGUF file gives the ids of the tokenizer written to it."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import tokenizers
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from morphogen.component import Asset, ConfigError
from morphogen.interop import gguf_tokenizer
from morphogen.interop.gguf import GGUF
from morphogen.interop.gguf_tokenizer import (
    control_tokens,
    read_representation,
    read_tokenizer,
    special_token_id,
    start_token,
)
from morphogen.representations.text import Tokens
from morphogen.representations.tokenizer import Tokenizer
from tests.interop.gguf_files import (
    SPACE,
    SPECIAL,
    VOCABULARY,
    add_sentencepiece,
    add_tokenizer,
    llama,
    make_tokenizer,
    metadata,
    sentencepiece_vocabulary,
    write,
)
from tests.interop.sentencepiece import reference_ids

TEXTS = [
    "", " ", "the cat", "  two   spaces ", "\n\n\tif x:\n\t\treturn  1\n", "don't DON'T we'll",
    "12345 1 22  333    4", "naïve café", "日本語テキスト 東京", "😀👩‍👩‍👧 🇫🇷",
    "<|im_start|>user\nhi<|im_end|>", "a\u200bb\ufeffc\u00a0d", "²³½ Ⅷ ٣", "ﬁ ﬀ Å e\u0301",
    "\x00\x07\x7f", "שלום עולם مرحبا", "https://x.y/z?a=1&b=%20#c",
    "{{ 7*7 }} \\n \\ \"'`", "aaaaaaaa" * 20, "ÿþ\x80",
    "-1.5e-10", "C'est l'été", "…—–“”‘’", "\r\n\r", "x  \n  y",
]  # fmt: skip


@pytest.fixture(scope="module")
def written() -> tokenizers.Tokenizer:
    return make_tokenizer()


@pytest.fixture(scope="module")
def file(written: tokenizers.Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> GGUF:
    return GGUF(
        write(tmp_path_factory.mktemp("tok") / "tiny.gguf", [lambda w: add_tokenizer(w, written)], {})
    )


def test_ids_equal_those_of_the_written_tokenizer(written: tokenizers.Tokenizer, file: GGUF) -> None:
    tokenizer = read_tokenizer(file)
    assert tokenizer.get_vocab() == written.get_vocab()
    for text in TEXTS:
        ids = tokenizer.encode(text).ids
        assert ids == written.encode(text).ids, text
        assert tokenizer.decode(ids, skip_special_tokens=False) == text
    assert tokenizer.encode("<|im_end|>").ids == [2]
    assert control_tokens(file) == {token: i for i, token in enumerate(SPECIAL)}
    special = [special_token_id(file, name, VOCABULARY) for name in ("bos", "eos", "padding")]
    assert special == [1, 2, None]


def test_a_space_before_a_digit_is_a_separate_piece(file: GGUF) -> None:
    """This distinguishes the smollm pre-tokenizer from GPT-2's, which keeps the space with the digit."""
    pieces = read_tokenizer(file).pre_tokenizer.pre_tokenize_str("a   7")
    assert [piece for piece, _ in pieces] == ["a", "ĠĠĠ", "7"]


def test_the_representation_encodes_any_text_without_control_tokens(
    written: tokenizers.Tokenizer, file: GGUF
) -> None:
    text = read_representation(file, 64)
    assert (text.vocabulary, text.end, text.length) == (VOCABULARY, 2, 64)
    assert text.detokenize(text.ids("café <|im_end|> 12")) == "café <|im_end|> 12" and 2 not in text.ids(
        "<|im_end|>"
    )
    assert text.detokenize([*written.encode("the cat").ids, 2, 7]) == "the cat"


def test_a_character_without_a_token_is_rejected(file: GGUF) -> None:
    """SmolLM2's vocabulary lacks 21 bytes: 6 control characters, and some that begin no character."""
    content = json.loads(read_tokenizer(file).to_str())
    content["model"]["vocab"]["ĄĄĄĄ"] = content["model"]["vocab"].pop("Ą")  # byte 4
    text = Tokens(Tokenizer(Asset("tokenizer.json", json.dumps(content).encode()), None), 8)
    assert text.detokenize(text.ids("a b")) == "a b"
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
def test_pre_tokenizers_split_as_in_llama_cpp(
    name: str, pieces: list[str], written: tokenizers.Tokenizer, tmp_path: Path
) -> None:
    file = GGUF(write(tmp_path / "split.gguf", [lambda w: add_tokenizer(w, written, name)], {}))
    split = read_tokenizer(file).pre_tokenizer.pre_tokenize_str("x 1234    don't!?")
    assert [piece.replace("Ġ", " ") for piece, _ in split] == pieces


def damaged(path: Path, written: tokenizers.Tokenizer, change: object) -> GGUF:
    """The tiny file with its metadata changed after reading."""
    file = GGUF(write(path / "bad.gguf", [lambda w: add_tokenizer(w, written)], {}))
    change(file.metadata)
    return file


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda m: m.update({"tokenizer.ggml.model": "bert"}),
            "unsupported tokenizer 'bert'; use a model with gpt2 (byte-level BPE)",
        ),
        (lambda m: m.update({"tokenizer.ggml.pre": "qwen9"}), "unknown pre-tokenizer 'qwen9'; supported are"),
        (
            lambda m: m["tokenizer.ggml.merges"].__setitem__(0, "alone"),
            "merge 'alone' is not a pair of tokens",
        ),
        (lambda m: m["tokenizer.ggml.merges"].__setitem__(0, "no such"), "cannot be built"),
        (lambda m: m["tokenizer.ggml.tokens"].__setitem__(9, "!"), "is empty or has duplicates"),
        (lambda m: m.pop("tokenizer.ggml.tokens"), "metadata key tokenizer.ggml.tokens is missing"),
        (lambda m: m.update({"tokenizer.ggml.tokens": 3}), "must be list, got '3'"),
    ],
)
def test_a_damaged_tokenizer_raises_a_one_line_error(
    change: object, message: str, written: tokenizers.Tokenizer, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"bad.gguf: ") as error:
        read_tokenizer(damaged(tmp_path, written, change))
    assert message in str(error.value) and len(str(error.value).splitlines()) == 1


def test_an_id_outside_the_vocabulary_is_rejected(written: tokenizers.Tokenizer, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="bos_token_id must be less than 300, got 999"):
        special_token_id(
            damaged(tmp_path, written, lambda m: m.update({"tokenizer.ggml.bos_token_id": 999})),
            "bos",
            VOCABULARY,
        )


ALPHABET = "ab \u00e9"


@st.composite
def sentencepiece_vocabularies(draw: st.DrawFn) -> dict[str, float]:
    """Controls, bytes, and pieces over a small alphabet in any order, with a score each."""
    first = dict.fromkeys(["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))], 0.0)
    characters = {SPACE} | draw(st.sets(st.sampled_from("ab")))
    letters = st.text(st.sampled_from(sorted(characters)), min_size=2, max_size=5)
    pieces = draw(st.permutations(sorted(characters | draw(st.sets(letters, max_size=14)))))
    return first | {piece: -float(i) for i, piece in enumerate(pieces)}


@settings(max_examples=150, derandomize=True, deadline=None, phases=[Phase.generate])
@given(
    sentencepiece_vocabularies(),
    st.lists(st.text(ALPHABET, max_size=30), min_size=5, max_size=5),
    st.booleans(),
)
def test_sentencepiece_equals_a_slow_reference(
    vocabulary: dict[str, float], texts: list[str], prefix: bool
) -> None:
    with TemporaryDirectory() as folder:
        change = metadata({"tokenizer.ggml.add_space_prefix": prefix})
        path = write(Path(folder) / "sp.gguf", [lambda w: add_sentencepiece(w, vocabulary), change], {})
        text = read_representation(GGUF(path), 64)
    for words in texts:
        assert text.ids(words) == reference_ids(words, vocabulary, SPACE if prefix else ""), words
        assert text.detokenize(text.ids(words)) == words


def test_sentencepiece_equals_transformers(tmp_path: Path) -> None:
    """Of the same file. At a space in front, transformers' tokenizer puts no other, unlike SentencePiece."""
    transformers = pytest.importorskip("transformers")
    path = llama(tmp_path / "sp.gguf", sentencepiece=sentencepiece_vocabulary())
    text, theirs = (
        read_representation(GGUF(path), 64),
        transformers.AutoTokenizer.from_pretrained(str(tmp_path), gguf_file=path.name),
    )
    for words in TEXTS:
        if not words.startswith(" ") and words:
            assert text.ids(words) == theirs(words, add_special_tokens=False)["input_ids"], words


def test_a_hugging_face_tokenizer_with_byte_fallback() -> None:
    """The file of LLaMA 2's tokenizer in transformers: the same parts, written as JSON."""
    ids = {token: i for i, token in enumerate(sentencepiece_vocabulary())}
    model = {"type": "BPE", "vocab": ids, "merges": [], "byte_fallback": True, "unk_token": "<unk>"}
    prepend = {"type": "Prepend", "prepend": SPACE}
    spaces = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False) | {"special": True}
    added = [{"id": i, "content": token} | flags for i, token in enumerate(["<unk>", "<s>", "</s>"])]
    content = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": [prepend, spaces]}, "pre_tokenizer": None,
        "post_processor": None, "decoder": None, "model": model,
    }  # fmt: skip
    text = Tokens(Tokenizer(Asset("tokenizer.json", json.dumps(content).encode()), "</s>"), 8)
    assert text.space_prefix and text.end == 2
    assert text.detokenize(text.ids(" a </s>\n😀")) == " a </s>\n😀" and 2 not in text.ids("</s>")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tokenizer.ggml.scores": None}, "metadata key tokenizer.ggml.scores is missing"),
        ({"tokenizer.ggml.scores": [0.5]}, "tokenizer.ggml.scores must be 345 numbers, one per token"),
        ({"tokenizer.ggml.token_type": "x"}, "tokenizer.ggml.token_type must be"),
        ({"tokenizer.ggml.model": "t5"}, "unsupported tokenizer 't5'; use a model with gpt2"),
    ],
)
def test_a_damaged_sentencepiece_tokenizer(values: dict[str, object], message: str, tmp_path: Path) -> None:
    path = llama(tmp_path / "bad.gguf", sentencepiece=sentencepiece_vocabulary(), change=metadata(values))
    with pytest.raises(ConfigError, match=r"bad.gguf: ") as error:
        read_tokenizer(GGUF(path))
    assert message in str(error.value) and len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("values", "start"),
    [
        ({"tokenizer.ggml.add_bos_token": None}, None),
        ({"tokenizer.ggml.add_bos_token": None, "tokenizer.ggml.pre": "llama-bpe"}, 1),
        ({"tokenizer.ggml.add_bos_token": True}, 1),
        ({"tokenizer.ggml.add_bos_token": True, "tokenizer.ggml.bos_token_id": None}, None),
    ],
)
def test_the_start_token_is_that_of_llama_cpp(
    values: dict[str, object], start: int | None, tmp_path: Path
) -> None:
    assert start_token(GGUF(llama(tmp_path / "bos.gguf", change=metadata(values)))) == start


def test_the_mutant_that_ranks_merges_by_id_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    def by_length(words: dict[str, int], scores: object) -> list[tuple[str, str]]:
        return sorted(_ranked_merges(words, scores), key=lambda pair: -len("".join(pair)))

    _ranked_merges = gguf_tokenizer._ranked_merges
    monkeypatch.setattr(gguf_tokenizer, "_ranked_merges", by_length)
    with pytest.raises((AssertionError, ExceptionGroup)):
        test_sentencepiece_equals_a_slow_reference()


def test_mutant_without_digit_splitting_is_killed(
    written: tokenizers.Tokenizer, file: GGUF, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf_tokenizer, "SPLITS", {"smollm": (gguf_tokenizer.GPT2,)})
    with pytest.raises(AssertionError):
        test_ids_equal_those_of_the_written_tokenizer(written, file)
