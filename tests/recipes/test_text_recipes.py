"""Text recipes with tiny budgets: their records, and IBM Model 1."""

import json

import pytest

from morphogen.contract import Unsupported
from morphogen.data import Dataset
from morphogen.data.pairs import Pair, PairCorpus
from morphogen.recipes import findings, language, records, translation
from morphogen.recipes.lexicon import Lexicon

ENGLISH = ("the", "cat", "dog", "sees", "eats", "house", "white", "and", "king", "water")
SPANISH = ("el", "gato", "perro", "ve", "come", "casa", "blanca", "y", "rey", "agua")


def sentences(n: int) -> list[tuple[str, str]]:
    """Sentence pairs over all words; the target is in reversed order."""
    rows = [[(i * 7 + j * (i % 9 + 1)) % 10 for j in range(4)] for i in range(n)]
    return [(" ".join(ENGLISH[k] for k in row), " ".join(SPANISH[k] for k in reversed(row))) for row in rows]


def verses() -> Dataset:
    pairs = [
        Pair(("train", "train", "train", "valid", "test")[i % 5], *both)
        for i, both in enumerate(sentences(200))
    ]
    return PairCorpus("toy", "toy", pairs, "by hand").windows("bpe:280", 32)


def test_model_1_learns_the_dictionary():
    lexicon = Lexicon.learn(*zip(*sentences(200), strict=True))
    assert [lexicon.words[word] for word in ENGLISH] == list(SPANISH)
    assert lexicon.translate("the cat, unknown") == "el gato, unknown"


def test_translation_record(monkeypatch, tmp_path):
    pytest.importorskip("sacrebleu")
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    monkeypatch.setattr(translation, "load_data", lambda name, length, tokenizer: verses())
    monkeypatch.setattr(translation, "SIZE", "tiny")
    record = translation.translation("toy", 0.2, n=6)
    assert {"word for word", "greedy", "beam 4", "transformer"} == record["figures"].keys() and len(
        record["shown"]
    ) == 5
    records.store("toy", record)
    stored = json.loads((tmp_path / "toy.json").read_text())
    assert records.outdated(stored) == [] and len(list((tmp_path / "assets").iterdir())) == 1
    assert len(findings(stored, stored)) == 4


def test_language_record(monkeypatch, tmp_path):
    text = tmp_path / "rhyme.txt"
    text.write_text("".join(f"the cat of {i} sat on mat {i * i % 31}.\n" for i in range(900)))
    monkeypatch.setattr(language, "SIZE", "tiny")
    record = language.language(str(text), 0.2, ("ngram", "gpt"), ("bytes", "bpe:270"), length=16)
    assert {"gzip", "ngram, bytes", "gpt, bytes", "ngram, bpe:270", "gpt, bpe:270"} <= record[
        "figures"
    ].keys()
    assert record["unit"] == "bits/byte" and record["written"].keys() == record["models"].keys()
    with pytest.raises(Unsupported, match="no run of gpt with tokenizer bytes"):
        language.language(str(text), 0.2, ("gpt",), ("bytes",), length=16, directory=tmp_path)
