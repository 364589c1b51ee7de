"""`morphogen advise` on a small table."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from morphogen.advise.trial import try_system
from morphogen.cli.advise import advise
from morphogen.cli.bad_argument import BadArgument


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    Path("t.csv").write_text(
        "size,the kind\n" + "".join(f"{i % 17 * 0.1:.1f},{'ab'[i % 2]}\n" for i in range(80))
    )


def run(*words: str):
    app = typer.Typer()
    app.command()(advise)
    return CliRunner().invoke(app, words)


@pytest.fixture
def short_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "morphogen.advise.try_system",
        lambda page, data, device, seconds: try_system(page, data, device, 0.02),
    )


def test_advice_is_printed_and_the_recipe_written(short_trials):
    done = run("t.csv", "--condition", "the kind")
    assert done.exit_code == 0, done.output
    for word in ("2 classes: a, b", "table_mixture", "table_flow", "bound", "few", "python recipe.py"):
        assert word in done.output
    assert "morphogen train table_mixture --data t.csv --condition 'the kind' --time 10s" in done.output
    compile(Path("recipe.py").read_text(), "recipe.py", "exec")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--goal", "beauty"], "beauty"),
        (["--out", "mine.py"], "mine.py"),
        (["--out", "no/r.py"], "no folder"),
    ],
)
def test_invalid_options_are_refused_before_any_trial(words, named):
    Path("mine.py").write_text("existing")
    done = run("t.csv", *words)
    assert isinstance(done.exception, BadArgument) and named in str(done.exception)
    assert Path("mine.py").read_text() == "existing" and not Path("recipe.py").exists()


def test_force_overwrites_the_recipe(short_trials):
    Path("mine.py").write_text("existing")
    assert run("t.csv", "--out", "mine.py", "--force").exit_code == 0
    assert "import morphogen as mg" in Path("mine.py").read_text()
