"""Texts are measured in bytes whatever their symbols, quickly; BLEU is sacrebleu's."""

import time

import pytest
import torch

from morphogen.catalogue import compose
from morphogen.compare.bench import Bench
from morphogen.component import ConfigError
from morphogen.data.text import text_by_content
from morphogen.evaluation.codecs import codecs
from morphogen.evaluation.features import ByteFeatures
from morphogen.evaluation.memorisation import memorisation
from morphogen.evaluation.text import bleu
from morphogen.representations.text import Bytes

LINES = [f"line {i}: the {['cat', 'rat', 'bat', 'hen'][i % 4]} of {i * i % 97} sat on mat {i * 7 % 31}.\n" for i in range(1500)]
CORPUS = text_by_content("toy", "toy", "".join(LINES).encode(), 16)


@pytest.fixture(scope="module")
def data():
    return CORPUS.windows("bpe:300", 16)


def test_features_of_tokens_are_those_of_their_bytes(data):
    rows = data.test.first(20).medium
    text = data.representation
    words = text.present(rows)
    alone = torch.cat([ByteFeatures(Bytes(1))(torch.tensor([list(word.encode())])) for word in words])
    assert torch.allclose(ByteFeatures(text)(rows), alone, atol=1e-5)


def test_codecs_pack_the_bytes_that_tokens_spell(data):
    of_tokens, of_bytes = codecs(data), codecs(CORPUS.windows("bytes", 16))
    for one, other in zip(of_tokens, of_bytes, strict=True):
        assert one["likelihood"]["bits_per_dim"] == pytest.approx(other["likelihood"]["bits_per_dim"], rel=0.1)


def test_copies_are_told_in_tokens_and_ended_rows_have_their_own_length(data):
    train = data.train.first(40).medium.clone()
    train[:20, 5:] = -1
    found = memorisation(train, data.train, data.valid.first().medium)
    assert found["value"] == 1.0 and found["threshold"] > 0


def test_a_run_on_tokens_is_measured_in_seconds(data):
    """The whole row of `morphogen evaluate`: likelihood, samples, features, copies."""
    torch.manual_seed(0)
    model = compose("gpt", data.representation, 0, "tiny")
    begun = time.perf_counter()
    bench = Bench(data, 60)
    row, _ = bench.model(model, system="gpt")
    assert time.perf_counter() - begun < 20
    assert bench.facts()["unit"] == "bits/byte" and row["likelihood"]["kind"] == "lower_bound" and row["tokens_per_second"] > 0


def test_characters_are_counted_as_such():
    assert Bench(CORPUS.windows("characters", 16), 20).facts()["unit"] == "bits/character"


def test_a_model_that_reads_other_symbols_is_refused(data):
    with pytest.raises(ConfigError, match="load them with the model's own symbols"):
        Bench(data, 20).model(compose("gpt", Bytes(16), 0, "tiny"))


def test_bleu_is_sacrebleus():
    sacrebleu = pytest.importorskip("sacrebleu")
    references = [line.strip() for line in LINES[:60]]
    written = [line.replace("cat", "dog").replace("sat on", "sat by") for line in references]
    found = bleu(written, references)
    assert found["value"] == pytest.approx(sacrebleu.corpus_bleu(written, [references]).score)
    assert found["low"] < found["value"] < found["high"] and found["n"] == 60
    assert "tok:13a" in found["signature"] and "nrefs:1" in found["signature"]
    assert bleu(references, references)["value"] == pytest.approx(100)
    with pytest.raises(ValueError, match="2 texts beside 1 references"):
        bleu(["a", "b"], ["a"])
