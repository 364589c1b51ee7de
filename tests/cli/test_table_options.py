"""--table reaches the reader of a table, is kept in the settings of a run, and is repeated by advise."""

from pathlib import Path

import pytest

from morphogen.compare import evaluate
from morphogen.run import Run
from tests.command_line import run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"1,{200 + i * 7 % 30}\t{i % 5}\n" for i in range(80))
    (tmp_path / "t.tsv").write_text("price\tb\n" + rows)
    return tmp_path


def test_a_run_keeps_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    words = ("train", "table_mixture", "--data", "t.tsv", "--size", "tiny", "--steps", "1")
    assert run(monkeypatch, *words, "--table", "decimal=,", "--table", "header=yes") == 0
    made = Run.latest()
    read = capsys.readouterr().out.splitlines()[1]  # what was read is said before the training
    assert read.startswith("t.tsv: ") and all(part in read for part in ("train", "valid", "test"))
    assert made.record["settings"]["table"] == {"decimal": ",", "header": "yes"}
    assert made.model().representation.columns[0].decimals == 3
    assert evaluate(made, 8)["rows"][-1]["error"] is None  # the data are read in the same way


def test_advise_gives_them_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    assert run(monkeypatch, "advise", "t.tsv", "--table", "decimal=,") == 0
    assert "--data t.tsv --table decimal=, --time" in " ".join(capsys.readouterr().out.split())
    assert 'mg.load_data("t.tsv", table={"decimal": ","})' in (folder / "recipe.py").read_text()


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("drop=a --table drop=b", "--table drop=a and drop=b: give it once, with commas"),
        ("decimal", "decimal="),
        ("colour=red", "choose from decimal"),
    ],
)
def test_other_options_are_refused(
    option: str, reason: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    assert run(monkeypatch, "train", "table_mixture", "--data", "t.tsv", "--table", *option.split()) == 2
    error = capsys.readouterr().err
    assert reason in error and len(error.splitlines()) == 1 and not (folder / "runs").exists()
