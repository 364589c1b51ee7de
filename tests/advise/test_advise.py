"""Advice on pictures, text and a table: its facts are correct, and its recipe runs."""

import os
import runpy
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

import morphogen
from morphogen.advise import Advice, advise
from morphogen.advise.dataset_summary import conditions, measure, warnings
from morphogen.advise.recipe import DataSource, write
from morphogen.advise.recommendation import recommend
from morphogen.advise.trial import Trial, _Stopwatch, forecast, try_system
from morphogen.advise.trial import _condition as condition_of
from morphogen.catalogue import build_system, page, pages
from morphogen.component import ConfigError
from morphogen.data import DataError, load_data
from morphogen.media import media
from morphogen.media.sound import Waveform


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
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
    Path("book.txt").write_text(
        " ".join(f"the cat sat on mat {i * i} and a dog ran {i} miles." for i in range(400))
    )
    return "book.txt"


def table() -> str:
    Path("t.csv").write_text(
        "size,count,kind\n" + "".join(f"{i % 17 * 0.1:.1f},{i * 7 % 5},{'ab'[i % 2]}\n" for i in range(80))
    )
    return "t.csv"


def check(advice: Advice, medium: str) -> None:
    assert advice.medium == medium and advice.recommended in {trial.name for trial in advice.trials}
    assert {trial.name for trial in advice.trials} | advice.misfits.keys() == {
        p.name for p in pages().values() if p.medium == medium
    }
    assert all(
        trial.step_seconds > 0 and trial.epoch_seconds > 0 and trial.time >= 10 for trial in advice.trials
    )


def run(recipe: str) -> None:
    (line,) = (line for line in recipe.splitlines() if line.startswith("TIME = "))
    Path("recipe.py").write_text(recipe.replace(line, "TIME = 0.1"))
    runpy.run_path("recipe.py")


@pytest.mark.slow
def test_advice_on_folders_of_pictures(capsys):
    advice = advise(pictures({"cats": 30, "dogs": 30}), "folders", seconds=0.05)
    check(advice, "pictures")
    assert advice.conditions == ("2 classes: cats, dogs",) and advice.size.shape == "8 x 8 pixels, grey"
    trials = {trial.name: trial for trial in advice.trials}
    assert (
        trials["wgan_gp"].likelihood == "none"
        and trials["gated_pixelcnn"].likelihood == "exact"
        and trials["vae"].likelihood == "bound"
    )
    assert (
        trials["ddpm"].condition == "class, guided"
        and trials["ddpm"].sampling == "100 passes"
        and trials["vae"].sampling == "1 pass"
    )
    assert trials["gated_pixelcnn"].sampling == "64 passes"
    assert advice.recommended == "vae" and "few" in advice.reason
    run(advice.recipe)
    assert (
        len(list(Path("vae-pictures/samples").glob("*.png"))) == 16
        and "bits per subpixel" in capsys.readouterr().out
    )


def test_advice_on_a_text(capsys):
    advice = advise(text(), length=32, seconds=0.05)
    check(advice, "text")
    by_name = {trial.name: trial.condition for trial in advice.trials}
    assert (
        {by_name.pop(name) for name in ("d3pm_text", "text_vae")} == {"none"}
        and set(by_name.values()) == {"prompt"}
        and "length=32" in advice.recipe
    )
    run(advice.recipe)
    assert (
        "the " in capsys.readouterr().out
        and len(list(Path(f"{advice.recommended}-book/samples").glob("*.txt"))) == 4
    )


def test_advice_on_a_table(capsys):
    advice = advise(table(), condition="kind", seconds=0.05)
    check(advice, "table")
    assert advice.recommended == "table_mixture" and 'condition="kind"' in advice.recipe
    run(advice.recipe)
    assert Path("table_mixture-t/samples/samples.csv").read_text().startswith("size,count,kind\n")
    assert "bits per cell" in capsys.readouterr().out


def test_an_energy_based_model_is_tried_as_one_without_likelihood():
    trial = try_system(page("energy_model"), load_data(pictures({"cats": 30, "dogs": 30})), seconds=0.01)
    assert (trial.family, trial.likelihood, trial.condition) == ("energy", "none", "class")


@pytest.mark.parametrize("name", ["ddpm", "wgan_gp", "latent_flow"])
def test_recipes_with_guidance_and_without_likelihood_run(name):
    data = load_data(pictures({"cats": 30, "dogs": 30}))
    trial = replace(try_system(page("vae"), data, seconds=0.01), name=name)
    condition, likelihood = (
        ("class, guided", "bound") if name == "ddpm" else ("class", "none" if name == "wgan_gp" else "bound")
    )
    recipe = write(
        DataSource("pictures", {}), data, replace(trial, condition=condition, likelihood=likelihood)
    )
    assert ("mg.Guided" in recipe) == (name == "ddpm") and ("log_prob" in recipe) == (name != "wgan_gp")
    run(recipe)
    assert len(list(Path(f"{name}-pictures/samples").glob("*.png"))) == 16


def sounds() -> str:
    for name in ("kick", "snare"):
        Path("sounds", name).mkdir(parents=True)
        for i in range(20):
            samples = torch.rand(100, generator=torch.Generator().manual_seed(i)) - 0.5
            Waveform(samples, 8000).save(Path("sounds", name, f"{i}.wav"))
    return "sounds"


MADE = {
    "pictures": lambda: load_data(pictures({"cats": 30, "dogs": 30})),
    "sound": lambda: load_data(sounds(), length=24),
    "table": lambda: load_data(table(), condition="kind"),
    "text": lambda: load_data(text(), length=32),
}


@pytest.mark.parametrize("medium", MADE)
def test_the_sampling_of_every_recipe_runs(medium):
    """Guidance is on wherever the model has it, around the sampler of its own family."""
    data = MADE[medium]()
    fitting = [p for p in pages().values() if p.medium == medium and p.required <= data.conditions.keys()]
    guided = 0
    for one in fitting:
        model = build_system(one.name, data.representation, data.conditions, "tiny")
        facts = ("", "", "none", condition_of(model), "", 1, 1.0, 1.0, 10)
        draw = write(DataSource("x", {}), data, Trial(one.name, *facts)).split("\n\n")[-1]
        exec(draw, {"mg": morphogen, "data": data, "model": model, "OUT": one.name})
        guided += "Guided" in draw
        assert (condition_of(model).endswith("guided")) == ("Guided" in draw)
        assert len(list(Path(one.name, "samples").iterdir())) > 1, one.name
    assert fitting and (guided > 0) == (medium in ("pictures", "sound"))


def test_a_recipe_imports_only_the_package():
    data = load_data(table())
    recipe = write(
        DataSource('odd "name".csv', {"condition": "a'b"}),
        data,
        try_system(page("table_mixture"), data, seconds=0.01),
    )
    compile(recipe, "recipe.py", "exec")
    assert [line for line in recipe.splitlines() if "import" in line] == ["import morphogen as mg"]


def test_an_epoch_that_takes_days_is_not_waited_for(monkeypatch):
    """2000 steps, or else 20 epochs, if these take an hour at most."""
    data = load_data(table())
    suggested = {}
    for step in (0.001, 0.5, 10.0, 100.0):
        monkeypatch.setattr("morphogen.advise.trial._time_steps", lambda *arguments, step=step: [step])
        monkeypatch.setattr(type(data.train), "__len__", lambda self: 10**6)
        trial = try_system(page("table_flow"), data, seconds=0.01)
        suggested[step] = trial.time
        assert trial.epochs == trial.time / trial.epoch_seconds
    assert suggested == {0.001: 600, 0.5: 3600, 10.0: 36000, 100.0: 86400}


def test_few_data_are_not_trained_on_for_hours(monkeypatch):
    """At most 200 epochs, or 250 steps where these are more: 2000 steps of 3 s would be 100 minutes."""
    data = load_data(table())
    batch = build_system("table_flow", data.representation, data.conditions, "small").plan.batch
    monkeypatch.setattr("morphogen.advise.trial._time_steps", lambda *arguments: [3.0])
    suggested = {}
    for batches in (1, 5, 10, 100):
        monkeypatch.setattr(type(data.train), "__len__", lambda self, n=batches * batch: n)
        suggested[batches] = try_system(page("table_flow"), data, seconds=0.01).time
    assert suggested == {1: 1200, 5: 3600, 10: 7200, 100: 7200}  # of 750, 3000, 6000 and 6000 s


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("place", ["between", "within"])
def test_a_signal_stops_the_trials_and_those_that_are_done_are_recommended_from(number, place, monkeypatch):
    """Between two trials, and at once within the training of one, which may have long steps."""
    names = ("table_mixture", "table_flow", "table_transformer")
    monkeypatch.setattr("morphogen.advise.pages", lambda: {name: page(name) for name in names})
    stopped, before, update = [], signal.getsignal(number), _Stopwatch.update

    def stop(*arguments):
        if not stopped:
            stopped.append(True)
            os.kill(os.getpid(), number)

    def on_trial(name, *numbers):
        if name == "table_flow" and place == "between":
            stop()
        if name == "table_flow" and place == "within":
            monkeypatch.setattr(_Stopwatch, "update", lambda *step: (stop(), update(*step)))

    advice = advise(table(), seconds=0.01, on_trial=on_trial)
    assert stopped and [trial.name for trial in advice.trials] == ["table_mixture"] and not advice.misfits
    assert advice.untried == names[1:] and advice.recommended == "table_mixture"
    assert signal.getsignal(number) is before


def test_a_signal_before_the_first_trial_ends_leaves_nothing_to_recommend():
    with pytest.raises(KeyboardInterrupt):
        advise(table(), seconds=0.01, on_trial=lambda *trial: os.kill(os.getpid(), signal.SIGTERM))


def test_the_forecast_precedes_the_trials_and_grows_with_their_number_and_time(monkeypatch):
    events = []
    for names, seconds in ((["table_flow"], 0.01), (["table_flow", "table_mixture"], 0.01)):
        monkeypatch.setattr("morphogen.advise.pages", lambda names=names: {n: page(n) for n in names})
        begun = time.monotonic()
        advise(
            table(), seconds=seconds, on_trial=lambda *trial: events.append("trial"),
            on_forecast=lambda *forecast: events.append(forecast),
        )  # fmt: skip
        assert time.monotonic() - begun < 10 * forecast(len(names), seconds)
    assert events == [(1, forecast(1, 0.01)), "trial", (2, forecast(2, 0.01)), "trial", "trial"]
    assert forecast(10, 1.0) == 10 * forecast(1, 1.0) and forecast(1, 6.0) == forecast(1, 1.0) + 5


def test_a_recommendation_that_is_no_usual_choice_says_so():
    data = load_data("digits")
    assert "usual first choice" in recommend(data, ["mixture", "ddpm"], "quality")[1]
    assert recommend(data, ["mixture"], "quality")[1].startswith("the first that was timed")


def test_a_full_batch_step_is_scaled_to_all_rows(monkeypatch):
    data = load_data(table())
    monkeypatch.setattr("morphogen.advise.trial.ROWS", 20)
    part = try_system(page("table_mixture"), data, seconds=0.05)
    assert part.epoch_seconds == part.step_seconds  # one step is one epoch
    monkeypatch.setattr("morphogen.advise.trial._time_steps", lambda *arguments: [1.0])
    assert try_system(page("table_mixture"), data, seconds=0.01).step_seconds == pytest.approx(
        len(data.train) / 20
    )


def test_systems_that_do_not_fit_are_listed_with_the_reason(monkeypatch):
    tried = {name: page(name) for name in ("mixture", "realnvp", "vae")}
    monkeypatch.setattr("morphogen.advise.pages", lambda: tried)
    advice = advise(pictures({"a": 20, "b": 20}, side=9), seconds=0.01)
    assert "9 x 9" in advice.misfits["realnvp"] and advice.misfits.keys() == {"realnvp"}
    assert [trial.name for trial in advice.trials] == ["mixture", "vae"]
    Path("one.csv").write_text("kind\n" + "".join("abc"[i % 3] + "\n" for i in range(80)))
    monkeypatch.setattr("morphogen.advise.pages", lambda: {"table_flow": page("table_flow")})
    with pytest.raises(ConfigError, match="no system fits"):
        advise("one.csv", seconds=0.01)


def test_warnings_are_given_only_where_they_apply(monkeypatch):
    lines = " ".join(warnings(load_data(pictures({"cats": 200, "dogs": 5})), "cpu"))
    assert "unbalanced classes" in lines and "memorised" in lines and "exact copies" not in lines
    rows = "".join(f"{'' if i % 5 < 4 else i * 0.7548776662},{i % 3}\n" for i in range(80))
    Path("t.csv").write_text("rain,b\n" + rows + "0.5,1\n" * 20)
    table = load_data("t.csv")
    lines = " ".join(warnings(table, "cpu"))
    assert "exact copies" in lines and "few" in lines
    assert "'rain' is missing in 64% of" in " ".join(table.notes)
    assert warnings(load_data("digits"), "cpu") == ()


def test_columns_that_can_be_the_condition_are_listed():
    assert conditions(load_data(table())) == ('condition="count": 0 to 4', 'condition="kind": a, b')
    size = measure(load_data("t.csv"))
    assert size.train + size.valid + size.test == 80 and size.bytes == 80 * 3 * 8


@pytest.mark.parametrize("medium", media())
def test_recommended_systems_exist(medium):
    assert {name for row in media()[medium].goals.values() for name in row} <= {
        p.name for p in pages().values() if p.medium == medium
    }


def test_the_recommendation_follows_the_goal_and_skips_misfits():
    data = load_data("digits")
    every = [name for name in pages() if name != "latent_diffusion"]  # which takes captioned pictures only
    assert [recommend(data, every, goal)[0] for goal in ("quality", "likelihood", "speed")] == [
        "ddpm",
        "gated_pixelcnn",
        "wgan_gp",
    ]
    assert recommend(data, ["vae", "mixture"], "quality")[0] == "vae"


@pytest.mark.parametrize(
    ("data", "condition"),
    [("digits", "colour"), ("book.txt", "folders"), ("t.csv", "sizes"), ("t.csv", "folders")],
)
def test_an_invalid_condition_is_refused(data, condition):
    text(), table()
    with pytest.raises(DataError):
        advise(data, condition)
