"""The commands on a tokenized text: train, resume, sample from a prompt, evaluate; one-line errors."""

import json
import re
import sys
from pathlib import Path

import pytest

from morphogen.cli import main
from morphogen.run import Run


def run(monkeypatch, capsys, *words: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["morphogen", *words])
    with pytest.raises(SystemExit) as stop:
        main()
    out = capsys.readouterr()
    return int(stop.value.code or 0), out.out, out.err


@pytest.fixture
def text(tmp_path: Path, monkeypatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rhyme.txt").write_text(
        "".join(f"the cat of {i} sat on mat {i * i % 31}.\n" for i in range(900))
    )
    return "rhyme.txt"


@pytest.mark.parametrize("tokenizer", ["bpe:280", "characters"])
def test_train_sample_and_evaluate_with_a_tokenizer(text, tokenizer, monkeypatch, capsys):
    words = ("--data", text, "--tokenizer", tokenizer, "--length", "16", "--steps", "3", "--size", "tiny")
    assert run(monkeypatch, capsys, "train", "gpt", *words)[0] == 0
    made = Run.latest("runs")
    assert made.record["settings"]["tokenizer"] == tokenizer
    assert len(list((made.directory / "model").glob("tokenizer-*.json"))) == (tokenizer == "bpe:280")
    code, out, _ = run(monkeypatch, capsys, "sample", "--n", "2", "--prompt", "the cat")
    assert code == 0 and out.count("the cat") >= 2
    assert run(monkeypatch, capsys, "evaluate", "--n", "12")[0] == 0
    report = json.loads((made.directory / "evaluation.json").read_text())
    assert report["unit"] == ("bits/byte" if tokenizer == "bpe:280" else "bits/character")
    if tokenizer == "characters":
        code, _, error = run(monkeypatch, capsys, "sample", "--prompt", "Zebra")
        assert code == 2 and error.startswith("morphogen: 'Z' (U+005A)") and error.count("\n") == 1


def test_the_cost_of_a_weight_format_is_printed_in_the_unit_of_the_data(text, monkeypatch, capsys):
    options = ("--tokenizer", "characters", "--length", "16", "--steps", "3", "--size", "tiny")
    run(monkeypatch, capsys, "train", "gpt", "--data", text, *options)
    code, out, error = run(monkeypatch, capsys, "evaluate", "--n", "12", "--weights", "int8")
    found = re.search(
        r"int8: [+-]([0-9.]+) bits/character \(.*\), perplexity x ([0-9.]+), (\d+)% of the bytes", out
    )
    assert code == 0 and found is not None, error
    assert 0 < float(found[1]) < 0.05 and abs(float(found[2]) - 1) < 0.05 and 20 < int(found[3]) < 60
    code, _, error = run(monkeypatch, capsys, "evaluate", "--weights", "int3")
    assert code == 2 and error == "morphogen: --weights int3: unknown; use fp32, bf16, int8, int4, exact\n"


def test_training_resumes_with_the_same_tokenizer(text, monkeypatch, capsys):
    words = ("--data", text, "--tokenizer", "unigram:270", "--length", "16", "--steps", "3", "--size", "tiny")
    run(monkeypatch, capsys, "train", "gpt", *words)
    directory = str(Run.latest("runs").directory)
    code, _, error = run(monkeypatch, capsys, "train", "--resume", directory)
    assert code == 0, error


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--tokenizer", "words"), "tokenizer 'words': write bytes, characters, bpe:1000"),
        (("--tokenizer", "bpe:10"), "a vocabulary of 10 is too small for the 256 bytes"),
        (("--tokenizer", "bpe:280", "--length", "9000"), "length"),
    ],
)
def test_invalid_tokenizers_end_in_one_line(text, words, why, monkeypatch, capsys):
    code, _, error = run(
        monkeypatch, capsys, "train", "gpt", "--data", text, "--steps", "1", "--size", "tiny", *words
    )
    assert code == 2 and why in error and error.count("\n") == 1
    assert not Path("runs").exists()


def test_an_invalid_text_ends_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for content in (b"", b"caf\xe9 " * 200):
        Path("bad.txt").write_bytes(content)
        code, _, error = run(
            monkeypatch, capsys, "train", "gpt", "--data", "bad.txt", "--tokenizer", "bpe:300", "--steps", "1"
        )
        assert code == 2 and error.startswith("morphogen: bad.txt: ") and error.count("\n") == 1
