"""Text metrics are per byte for every tokenizer, and fast; BLEU matches sacrebleu."""

import math
import time

import pytest
import torch

from morphogen.catalogue import build_system
from morphogen.compare.scorer import Scorer
from morphogen.component import ConfigError
from morphogen.data.text import text_by_content
from morphogen.evaluation.codecs import codec_baselines
from morphogen.evaluation.features import ByteFeatures
from morphogen.evaluation.memorisation import memorisation
from morphogen.evaluation.text import bleu
from morphogen.representations.text import Bytes

LINES = [
    f"line {i}: the {['cat', 'rat', 'bat', 'hen'][i % 4]} of {i * i % 97} sat on mat {i * 7 % 31}.\n"
    for i in range(1500)
]
CORPUS = text_by_content("toy", "toy", "".join(LINES).encode(), 16)


@pytest.fixture(scope="module")
def data():
    return CORPUS.windows("bpe:300", 16)


def test_features_of_tokens_match_those_of_their_bytes(data):
    rows = data.test.first(20).medium
    text = data.representation
    decoded = text.present(rows)
    expected = torch.cat([ByteFeatures(Bytes(1))(torch.tensor([list(s.encode())])) for s in decoded])
    assert torch.allclose(ByteFeatures(text)(rows), expected, atol=1e-5)


def test_codecs_compress_the_decoded_bytes(data):
    of_tokens, of_bytes = codec_baselines(data), codec_baselines(CORPUS.windows("bytes", 16))
    for one, other in zip(of_tokens, of_bytes, strict=True):
        assert one["likelihood"]["bits_per_dim"] == pytest.approx(
            other["likelihood"]["bits_per_dim"], rel=0.1
        )


def test_copies_are_detected_in_tokens_and_in_rows_that_end_early(data):
    train = data.train.first(40).medium.clone()
    train[:20, 14:] = -1
    result = memorisation(train, data.train, data.valid.first().medium)
    assert result["value"] == 1.0 and result["chance"] <= 0.01
    train[:, 5:] = -1  # of five tokens held-out texts are in the training text as well
    assert memorisation(train, data.train, data.valid.first().medium)["value"] == 0


def test_a_model_of_tokens_is_evaluated_in_seconds(data, tmp_path, monkeypatch):
    """The complete row of `morphogen evaluate`: likelihood, samples, features of bytes, copies."""
    monkeypatch.setenv("MORPHOGEN_DATA", str(tmp_path))  # without pretrained features, which take longer
    torch.manual_seed(0)
    model = build_system("gpt", data.representation, {}, "tiny")
    start = time.perf_counter()
    scorer = Scorer(data, 60)
    row, _ = scorer.model(model, system="gpt")
    assert time.perf_counter() - start < 20
    assert (
        scorer.facts()["unit"] == "bits/byte"
        and row["likelihood"]["kind"] == "lower_bound"
        and row["tokens_per_second"] > 0
    )


def test_the_unit_for_a_character_tokenizer():
    assert Scorer(CORPUS.windows("characters", 16), 20).facts()["unit"] == "bits/character"


def test_a_model_with_another_tokenizer_raises(data):
    with pytest.raises(ConfigError, match="load the data with the model's tokenizer"):
        Scorer(data, 20).model(build_system("gpt", Bytes(16), {}, "tiny"))


def test_bleu_matches_sacrebleu():
    sacrebleu = pytest.importorskip("sacrebleu")
    references = [line.strip() for line in LINES[:60]]
    translations = [line.replace("cat", "dog").replace("sat on", "sat by") for line in references]
    result = bleu(translations, references)
    assert result["value"] == pytest.approx(sacrebleu.corpus_bleu(translations, [references]).score)
    assert result["low"] < result["value"] < result["high"] and result["n"] == 60
    assert "tok:13a" in result["signature"] and "nrefs:1" in result["signature"]
    assert bleu(references, references)["value"] == pytest.approx(100)
    with pytest.raises(ValueError, match="2 translations and 1 references"):
        bleu(["a", "b"], ["a"])


def test_short_translations_pay_for_their_brevity():
    """Every n-gram is right, so that BLEU is 100 e^(1 - r / c), as in sacrebleu; longer ones pay nothing."""
    sacrebleu = pytest.importorskip("sacrebleu")
    references = [f"{i} {i + 1} {i + 2} {i + 3} {i + 4} {i + 5} {i + 6} {i + 7}" for i in range(40)]
    short = [" ".join(reference.split()[:5]) for reference in references]
    found = bleu(short, references)
    assert found["value"] == pytest.approx(100 * math.exp(1 - 8 / 5))
    assert found["value"] == pytest.approx(sacrebleu.corpus_bleu(short, [references]).score)
    assert found["low"] == pytest.approx(found["high"]) == pytest.approx(found["value"])
    assert bleu(references, short)["value"] == pytest.approx(sacrebleu.corpus_bleu(references, [short]).score)
