"""Advice on pictures, text and a table: what it says is so, and the recipe it writes runs."""

import runpy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from morphogen.advise import Advice, advise
from morphogen.advise.look import conditions, measure, warnings
from morphogen.advise.recipe import Given, write
from morphogen.advise.rule import GOALS, recommend
from morphogen.advise.trial import tried
from morphogen.catalogue import page, pages
from morphogen.component import ConfigError
from morphogen.data import DataError, load


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pictures(counts: dict[str, int], side: int = 8) -> str:
    generator = torch.Generator().manual_seed(0)
    for name, count in counts.items():
        Path("pictures", name).mkdir(parents=True)
        for i in range(count):
            values = torch.randint(256, (side, side), generator=generator, dtype=torch.uint8)
            Image.fromarray(values.numpy()).save(f"pictures/{name}/{i}.png")
    return "pictures"


def text() -> str:
    Path("book.txt").write_text(" ".join(f"the cat sat on mat {i * i} and a dog ran {i} miles." for i in range(400)))
    return "book.txt"


def table() -> str:
    Path("t.csv").write_text("size,count,kind\n" + "".join(f"{i % 17 * 0.1:.1f},{i * 7 % 5},{'ab'[i % 2]}\n" for i in range(80)))
    return "t.csv"


def check(found: Advice, medium: str) -> None:
    assert found.medium == medium and found.recommended in {trial.name for trial in found.trials}
    assert {trial.name for trial in found.trials} | found.misfits.keys() == {p.name for p in pages().values() if p.medium == medium}
    assert all(trial.step_seconds > 0 and trial.epoch_seconds > 0 and trial.time >= 10 for trial in found.trials)


def run(recipe: str) -> None:
    (line,) = (line for line in recipe.splitlines() if line.startswith("TIME = "))
    Path("recipe.py").write_text(recipe.replace(line, "TIME = 0.1"))
    runpy.run_path("recipe.py")


def test_pictures_in_folders(capsys):
    found = advise(pictures({"cats": 30, "dogs": 30}), "folders", seconds=0.05)
    check(found, "pictures")
    assert found.conditions == ("2 classes: cats, dogs",) and found.size.shape == "8 x 8 pixels, grey"
    of = {trial.name: trial for trial in found.trials}
    assert of["wgan_gp"].likelihood == "none" and of["gated_pixelcnn"].likelihood == "exact" and of["vae"].likelihood == "bound"
    assert of["ddpm"].steered == "class, guided" and of["ddpm"].sampling == "100 passes" and of["vae"].sampling == "1 pass"
    assert of["gated_pixelcnn"].sampling == "64 passes"
    assert found.recommended == "vae" and "few" in found.why
    run(found.recipe)
    assert len(list(Path("vae-pictures/samples").glob("*.png"))) == 16 and "bits a subpixel" in capsys.readouterr().out


def test_text(capsys):
    found = advise(text(), length=32, seconds=0.05)
    check(found, "text")
    steered = {trial.name: trial.steered for trial in found.trials}
    assert steered.pop("d3pm_text") == "no" and set(steered.values()) == {"prompt"} and "length=32" in found.recipe
    run(found.recipe)
    assert "the " in capsys.readouterr().out and len(list(Path(f"{found.recommended}-book/samples").glob("*.txt"))) == 4


def test_a_table(capsys):
    found = advise(table(), condition="kind", seconds=0.05)
    check(found, "table")
    assert found.recommended == "table_mixture" and 'condition="kind"' in found.recipe
    run(found.recipe)
    assert Path("table_mixture-t/samples/samples.csv").read_text().startswith("size,count\n")
    assert "bits a cell" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["ddpm", "wgan_gp", "latent_flow"])
def test_recipes_of_other_kinds_run(name):
    data = load(pictures({"cats": 30, "dogs": 30}))
    trial = replace(tried(page("vae"), data, seconds=0.01), name=name)
    steered, likelihood = ("class, guided", "bound") if name == "ddpm" else ("class", "none" if name == "wgan_gp" else "bound")
    recipe = write(Given("pictures", {}), data, replace(trial, steered=steered, likelihood=likelihood))
    assert ("mg.Guided" in recipe) == (name == "ddpm") and ("log_prob" in recipe) == (name != "wgan_gp")
    run(recipe)
    assert len(list(Path(f"{name}-pictures/samples").glob("*.png"))) == 16


def test_a_recipe_imports_the_front_door_and_nothing_else():
    data = load(table())
    recipe = write(Given('odd "name".csv', {"condition": "a'b"}), data, tried(page("table_mixture"), data, seconds=0.01))
    compile(recipe, "recipe.py", "exec")
    assert [line for line in recipe.splitlines() if "import" in line] == ["import morphogen as mg"]


def test_a_step_over_all_rows_is_scaled_to_all_of_them(monkeypatch):
    data = load(table())
    monkeypatch.setattr("morphogen.advise.trial.ROWS", 20)
    part = tried(page("table_mixture"), data, seconds=0.05)
    assert part.epoch_seconds == part.step_seconds  # a step is an epoch
    monkeypatch.setattr("morphogen.advise.trial._timed", lambda *arguments: [1.0])
    assert tried(page("table_mixture"), data, seconds=0.01).step_seconds == pytest.approx(len(data.train) / 20)


def test_what_does_not_fit_is_named_with_the_reason(monkeypatch):
    found = advise(pictures({"a": 20, "b": 20}, side=9), seconds=0.01)
    assert "9 x 9" in found.misfits["realnvp"]
    Path("one.csv").write_text("size\n" + "".join(f"{i % 17}\n" for i in range(80)))
    monkeypatch.setattr("morphogen.advise.pages", lambda: {"table_flow": page("table_flow")})
    with pytest.raises(ConfigError, match="no system fits"):
        advise("one.csv", seconds=0.01)


def test_warnings_tell_what_is_wrong_and_nothing_else(monkeypatch):
    uneven = " ".join(warnings(load(pictures({"cats": 200, "dogs": 5})), "cpu"))
    assert "uneven classes" in uneven and "by heart" in uneven and "exact copies" not in uneven
    rows = "".join(f"{(0 if i % 2 else i * 0.7548776662)!r},{i % 3}\n" for i in range(80))
    Path("t.csv").write_text("rain,b\n" + rows + "0.5,1\n" * 20)
    told = " ".join(warnings(load("t.csv"), "cpu"))
    assert "'rain' is 0" in told and "exact copies" in told and "few" in told
    assert warnings(load("digits"), "cpu") == ()


def test_columns_that_can_condition_are_offered_as_options():
    assert conditions(load(table())) == ('--condition "count": 0 to 4', '--condition "kind": a, b')
    size = measure(load("t.csv"))
    assert size.train + size.valid + size.test == 80 and size.bytes == 80 * 3 * 8


@pytest.mark.parametrize("medium", GOALS)
def test_the_rule_names_systems_there_are(medium):
    assert {name for row in GOALS[medium].values() for name in row} <= {p.name for p in pages().values() if p.medium == medium}


def test_the_rule_follows_the_goal_and_passes_over_what_does_not_fit():
    data, every = load("digits"), list(pages())
    assert [recommend(data, every, goal)[0] for goal in ("quality", "likelihood", "speed")] == ["ddpm", "gated_pixelcnn", "wgan_gp"]
    assert recommend(data, ["vae", "mixture"], "quality")[0] == "vae"


@pytest.mark.parametrize(("data", "condition"), [("digits", "colour"), ("book.txt", "folders"), ("t.csv", "sizes"), ("t.csv", "folders")])
def test_a_condition_that_is_none_is_refused(data, condition):
    text(), table()
    with pytest.raises(DataError):
        advise(data, condition)
