"""`morphogen advise` on a small table."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from morphogen.advise import Advice
from morphogen.advise.dataset_summary import Size
from morphogen.advise.trial import Trial, try_system
from morphogen.catalogue import Misfit, build_system, fitting
from morphogen.cli import main
from morphogen.cli.advise import _print, advise
from morphogen.cli.bad_argument import BadArgument
from morphogen.cli.console import PlainConsole
from morphogen.conditioning import Classes
from morphogen.representations import Pixels


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


def test_what_is_timed_is_said_while_it_is(short_trials):
    done = run("t.csv")
    systems = fitting("table", {})
    assert done.stderr == "".join(
        f"timing {name}, {i} of {len(systems)}\n" for i, name in enumerate(systems, 1)
    )


def test_an_interruption_of_the_reading_says_one_line(monkeypatch, capsys):
    def stopped(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("morphogen.advise.load_data", stopped)
    monkeypatch.setattr("sys.argv", ["morphogen", "advise", "t.csv"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 130 and capsys.readouterr().err == "morphogen: stopped\n"


def test_how_long_it_takes_is_said_before_and_what_ctrl_c_does(short_trials):
    done = run("t.csv")
    said = " ".join(done.stdout.split())
    count = len(fitting("table", {}))
    assert f"timing {count} systems for about {3 * count}s in all" in said
    assert "Ctrl-C stops, and recommends" in said
    assert said.index(f"timing {count} systems") < said.index("systems that fit") < said.index("recommended")


def test_what_was_not_timed_is_named_and_the_exit_code_says_that_it_was_stopped(monkeypatch):
    def trial(page, data, device, seconds):
        if page.name == "table_mixture":
            raise KeyboardInterrupt
        return try_system(page, data, device, 0.02)

    monkeypatch.setattr("morphogen.advise.try_system", trial)
    done = run("t.csv")
    said = " ".join(done.stdout.split())
    assert "not timed table_mixture, table_transformer, table_vae: stopped before" in said
    timed = "|".join(name for name in fitting("table", {}) if name < "table_mixture")
    assert re.search(f"recommended ({timed})", said)
    assert Path("recipe.py").exists() and done.exit_code == 130


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


def test_overwrite_overwrites_the_recipe(short_trials):
    Path("mine.py").write_text("existing")
    assert run("t.csv", "--out", "mine.py", "--overwrite").exit_code == 0
    assert "import morphogen as mg" in Path("mine.py").read_text()


def test_a_recipe_that_exists_is_kept_and_the_next_written_beside_it(short_trials):
    """The same recipe is not written twice."""
    Path("recipe.py").write_text("# mine")
    for _ in range(2):
        done = run("t.csv")
        assert (
            done.exit_code == 0 and "recipe: recipe-2.py" in done.output and "systems that fit" in done.output
        )
    assert Path("recipe.py").read_text() == "# mine"
    assert sorted(path.name for path in Path().glob("recipe*")) == ["recipe-2.py", "recipe.py"]


NAMES = {"progressive_distillation": "diffusion + diffusion + diffusion", "pixelcnn": "autoregressive"}
WHOLE = (  # all that is written of them
    "systems that fit, at size small, timed on 2 cores likelihood condition per sample steps/s epoch --time "
    "autoregressive diffusion + estimate class, guided 100 passes 13.4 5s 5m"
)


def long_advice() -> Advice:
    """Two systems whose names, families and facts are long."""
    facts = ("", "estimate", "class, guided", "100 passes")
    trials = tuple(
        Trial(name, family, *facts, parameters=9, step_seconds=1 / 13.4, epoch_seconds=5.0, time=300)
        for name, family in NAMES.items()
    )
    size = Size(48, 6, 6, "8 x 8", "256 levels", 99)
    chosen = ({}, (), "quality", "pixelcnn", "few data", "")
    return Advice("pics", {}, "pictures", size, (), (), "2 cores", trials, *chosen)


@pytest.mark.parametrize(("width", "is_table"), [(120, True), (80, True), (60, False), (44, False)])
def test_no_word_of_the_systems_is_broken_at_any_width(width, is_table, capsys):
    _print(PlainConsole(width=width), long_advice())
    printed = capsys.readouterr().out
    systems = printed[printed.index("systems that fit") : printed.index("recommended")]
    words = [word.strip(":;") for word in systems.split()]
    assert set(words) == {*WHOLE.split(), *NAMES} and words.count("guided") == 2
    assert (systems.count("steps/s") == 1) == is_table
    assert max(map(len, systems.splitlines())) <= width


@pytest.mark.parametrize(("epoch", "is_said"), [(3000.0, True), (5.0, False)])
def test_a_training_shorter_than_an_epoch_says_so(epoch, is_said, capsys):
    advice = long_advice()
    trials = tuple(replace(trial, epoch_seconds=epoch) for trial in advice.trials)
    _print(PlainConsole(width=200), replace(advice, trials=trials))
    assert ("5m is 0.1 of an epoch here: train longer if you can" in capsys.readouterr().out) == is_said


def test_a_model_that_holds_its_training_examples_is_not_to_be_released(capsys):
    advice = long_advice()
    trials = (replace(advice.trials[0], stored="training rows"), advice.trials[1])
    _print(PlainConsole(width=200), replace(advice, trials=trials))
    expected = "memorizing     progressive_distillation holds training rows: release neither the model nor"
    assert expected in capsys.readouterr().out


def test_a_system_that_does_not_fit_has_its_reason_without_the_names_of_the_others():
    conditions = {"label": Classes(2)}
    with pytest.raises(Misfit, match=r"choose one that fits: .*ddpm") as misfit:
        build_system("sketch_to_picture", Pixels(256, (1, 8, 8)), conditions)
    assert misfit.value.reason == 'needs sketches; the data have labels; add condition="sketch"'
