"""Options that a run does not take."""

from pathlib import Path

import pytest
from PIL import Image

from tests.cases import case
from tests.cases.test_case_runs import TINY, pictures, text
from tests.command_line import run


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@case(
    "`sample --guidance 2` or `--prompt hi` of a run without conditions",
    "one line: leave it out; no other option is suggested that the run does not take either",
)
def test_what_a_run_without_conditions_does_not_take(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures("flat", {".": 40})
    text("t.txt", 300)
    for system, data in (("ddpm", "flat"), ("gpt", "t.txt")):
        assert run(monkeypatch, "train", system, "--data", data, *TINY) == 0
    guidance = (
        "guidance requires a condition that the model was trained with, and it has none: leave --guidance"
    )
    prompt = "--prompt 'hi': runs/ddpm-flat-001 does not accept a prompt; leave it out\n"
    Image.new("L", (8, 8)).save("a.png")
    for words, message in (
        (["sample", "runs/ddpm-flat-001", "--guidance", "2"], guidance),
        (["sample", "runs/ddpm-flat-001", "--prompt", "hi"], prompt),
        (["sample", "runs/gpt-t-001", "--prompt", "the", "--guidance", "2"], guidance),
        (["edit", "runs/ddpm-flat-001", "a.png", "--strength", "0.5", "--guidance", "2"], guidance),
    ):
        capsys.readouterr()
        assert run(monkeypatch, *words) == 2
        assert capsys.readouterr().err.startswith(f"morphogen: {message}")


@case("`sample --prompt hi` of a run with classes", "one line: leave it out, or give a class")
def test_a_prompt_for_a_run_with_classes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures("pets", {"cats": 20, "dogs": 20})
    assert run(monkeypatch, "train", "vae", "--data", "pets", *TINY) == 0
    capsys.readouterr()
    assert run(monkeypatch, "sample", "runs/vae-pets-001", "--prompt", "hi", "--condition", "cats") == 2
    assert "does not accept a prompt; leave it out, or give a class with --cond" in capsys.readouterr().err


@case(
    "`sample --steps 5` of a VAE, of a text or of a sound",
    "one line: leave it out, and the options that can be typed",
)
def test_options_of_another_sampler(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text("t.txt", 300)
    pictures("flat", {".": 40})
    names = (
        "--temperature, --top-k, --top-p, --min-p, --repetition-penalty, --no-repeat-ngram, --max-new, --stop"
    )
    for system, data, message in (
        ("gpt", "t.txt", f"Ancestral does not accept steps; leave --steps out; it accepts {names}, --regex"),
        ("vae", "flat", "VAESampler does not accept steps; leave --steps out; it accepts --temperature\n"),
    ):
        assert run(monkeypatch, "train", system, "--data", data, *TINY) == 0
        capsys.readouterr()
        assert run(monkeypatch, "sample", "--steps", "5") == 2
        assert capsys.readouterr().err.startswith(f"morphogen: {message}")
    assert run(monkeypatch, "sample", "runs/gpt-t-001", "--sampler", "greedy", "--beam", "3") == 2
    assert "leave --beam out; it accepts --repetition-penalty, --no-rep" in capsys.readouterr().err


@case("`evaluate` of a run that takes minutes", "a line before each step, with the time of a long one")
def test_the_steps_of_an_evaluation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures("flat", {".": 60})
    assert run(monkeypatch, "train", "vae", "--data", "flat", *TINY) == 0
    monkeypatch.setattr("morphogen.compare.runs.seconds_per_row", lambda model, examples: 10.0)
    capsys.readouterr()
    assert run(monkeypatch, "evaluate", "--n", "6") == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first == "runs/vae-flat-001: measuring the held-out data, for reference"
    assert second.endswith("drawing 6 samples, to measure them beside held-out data; about 60 s")
