"""The remedy of an error names what a person can write, for the command and the file that were given."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from morphogen.cli.run_choice import choose_run
from morphogen.run import Run, write_json
from tests.command_line import run


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs `morphogen WORDS`, which must end in one line; the line."""

    def refuse(*words: str) -> str:
        capsys.readouterr()
        assert run(monkeypatch, *words) == 2
        line = capsys.readouterr().err
        assert line.startswith("morphogen: ") and line.count("\n") == 1, line
        return line

    return refuse


RUNS = ("runs/compare-x-001/ddpm-x-001", "runs/compare-x-001/vae-x-001", "runs/gpt-docs-001")
MATRIX = {  # the words after `morphogen`, and the end of the message
    "a model of a GGUF file": ("sample m.gguf", "converse with it: morphogen chat m.gguf"),
    "the same with its prefix": ("evaluate gguf:m.gguf", "converse with it: morphogen chat gguf:m.gguf"),
    "a file": ("sample notes.txt", "notes.txt is a file; give a run, a directory made by `morphogen train`"),
    "a comparison": (
        "evaluate runs/compare-x-001",
        f"runs/compare-x-001 is not a run, but holds some: give one of {', '.join(RUNS[:2])}",
    ),
    "a comparison, to edit with": ("edit runs/compare-x-001 m.png --strength 1", ", ".join(RUNS[:2])),
    "the name of a system in it": (
        "sample runs/compare-x-001/vae",
        f"there is no run runs/compare-x-001/vae; did you mean {RUNS[1]}?",
    ),
    "another number": ("sample runs/gpt-docs-002", f"did you mean {RUNS[2]}?"),
    "no run": ("sample runs", "runs is not a run, but holds some: give one of runs/gpt-docs-001"),
    "no run at all": (
        "sample here",
        "here is not a run: it has no run.json; give a directory made by `morphogen train`",
    ),
    "an option of one letter less": (
        "compare digits --system ddpm",
        "there is no --system; did you mean --systems? see: morphogen compare --help",
    ),
    "an option of another command": (
        "sample --length 20",
        "there is no --length; write --max-new 100; see: morphogen sample --help",
    ),
    "the same where there is none": (
        "evaluate --length 20",
        "No such option: --length; see: morphogen evaluate --help",
    ),
    "a system without a command for it": (
        "sample --system ddpm",
        "there is no --system; write morphogen train SYSTEM --data DATA; see: morphogen sample --help",
    ),
    "rows of a table": (
        "sample --num-rows 1000",
        "there is no --num-rows; write --n 4; see: morphogen sample --help",
    ),
    "a file under another option": (
        "sample --output x.csv",
        "write --out FOLDER or --out FILE, or for train --runs FOLDER; see: morphogen sample --help",
    ),
    "cells to fill in": (
        "fill t.csv",
        "there is no fill; write morphogen edit TABLE.csv; see: morphogen --help",
    ),
    "a mistyped path without a system": (
        "train --data note.txt",
        "no such data set, folder or file; did you mean 'notes.txt'? `morphogen data` lists the data sets",
    ),
    "a system without data": ("train ddpm", "train needs data: morphogen train ddpm --data DATA"),
    "data without its option": ("train ddpm text:x", "--data text:x; see: morphogen train --help"),
    "a mistyped path": (
        "train vae --data note.txt",
        "no such data set, folder or file; did you mean 'notes.txt'? `morphogen data` lists the data sets",
    ),
    "a mistyped data set": ("advise digit", "did you mean 'digits'? `morphogen data` lists the data sets"),
    "a path of two words": (
        "advise clip art",
        "clip art are several words; quote a path with spaces: 'clip art'",
    ),
    "a word too many": (
        "systems digits now",
        "digits now: one word too many; leave it out, or quote a path with spaces; see: morphogen systems "
        "--help",
    ),
}


@pytest.mark.parametrize("what", MATRIX)
def test_the_remedy_is_what_was_meant(what: str, refused) -> None:
    for run_directory in RUNS:
        Path(run_directory).mkdir(parents=True)
        Path(run_directory, "run.json").write_text("{}")
    Path("notes.txt").write_text("notes")
    Path("m.png").write_bytes(b"")
    Path("clip art").mkdir()
    words, end = MATRIX[what]
    assert refused(*words.split()).endswith(f"{end}\n")


def test_a_run_that_is_one_of_a_comparison_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the runs of a comparison, the newest is that of the system which was trained last."""
    compared, alone = Path("runs/compare-x-001"), Path("runs")
    for root in (alone, compared):
        Run.create(root, "vae", "x").mark("finished")
    for is_compared in (False, True):
        if is_compared:
            write_json(compared / "report.json", {})
        assert choose_run(None, Path("runs")).directory == compared / "vae-x-001"
        note = "note: runs/compare-x-001/vae-x-001 is the newest run, one of those compared in its folder\n"
        assert capsys.readouterr().err == (note if is_compared else "")
    assert choose_run(alone / "vae-x-001", Path("runs")) and capsys.readouterr().err == ""


def test_a_system_of_another_medium_that_the_folder_also_holds(refused) -> None:
    Path("clip art").mkdir()
    for i in range(4):
        Image.fromarray(np.full((8, 8), i, np.uint8)).save(f"clip art/{i}.png")
    for i in range(30):
        Path(f"clip art/{i}.md").write_text(f"about {i}\n" * 30)
    line = refused("train", "vae", "--data", "clip art", "--steps", "1")
    assert "vae models pictures, but clip art is read as text" in line
    assert line.endswith("to read its pictures: --data 'pictures:clip art'\n")
    line = refused("train", "wavenet", "--data", "clip art", "--steps", "1")
    assert "choose one of" in line and "sound:" not in line
