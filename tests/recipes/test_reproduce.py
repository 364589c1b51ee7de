"""`morphogen reproduce`: measured now beside stored; whether the intervals meet is what is asked."""

import json
import sys
from functools import partial

import pytest

from morphogen.catalogue import compose
from morphogen.cli import main
from morphogen.model import parameters
from morphogen.recipes import RECIPES, Interval, findings, records, reproduce
from morphogen.recipes.binarised import binarised
from morphogen.recipes.comparison import comparison
from morphogen.recipes.guided_ddpm import guided_ddpm
from morphogen.representations.pixels import Pixels

TINY = {
    "both": reproduce.Recipe("two families", 1, partial(comparison, "digits", 0.2, ["mixture", "ddpm"], 20)),
    "steered": reproduce.Recipe("one, steered", 1, partial(guided_ddpm, "digits", 0.2, n=20)),
}


def figures(**values):
    return {"figures": {"vae": {"likelihood": {"kind": "exact", "bits_per_dim": 2.0, "low": 1.9, "high": 2.1}, "steps": 7} | values}}


def test_intervals_that_meet_agree():
    stored = figures(frechet={"value": 5.0, "low": 4.0, "high": 6.0})
    found = findings(figures(frechet={"value": 7.0, "low": 6.5, "high": 7.5}, recall={"value": 1.0, "low": 0.9, "high": 1.0}), stored)
    assert [(line.name, line.agrees) for line in found] == [("vae likelihood", True), ("vae frechet", False), ("vae recall", None)]
    assert found[1].stored == Interval(5.0, 4.0, 6.0)
    assert all(line.agrees is None for line in findings(stored, None))


def test_every_recipe_says_what_it_does_and_every_record_has_one():
    assert all(recipe.what and 0 < recipe.minutes <= 40 for recipe in RECIPES.values())
    assert {path.stem for path in records.RESULTS.glob("*.json")} <= set(RECIPES)


def test_black_and_white_digits_are_the_same_for_both_and_training_goes_on(tmp_path):
    found = binarised("digits", 1, ("pixelcnn", "pixelrnn"), size="tiny", directory=tmp_path)
    again = binarised("digits", 1, ("pixelcnn",), size="tiny", directory=tmp_path)  # finished: only measured
    assert again["figures"]["pixelcnn"]["nats_a_picture"] == found["figures"]["pixelcnn"]["nats_a_picture"]
    assert records.moved(found) == [] and found["models"]["pixelrnn"]["representation"]["levels"] == 2
    assert [row["steps"] for row in found["figures"].values()] == [43, 43]
    assert all(20 < line.measured.value < 64 * 0.6931 for line in findings(found, None))


def test_the_two_that_are_compared_have_about_as_many_numbers():
    cnn, rnn = (parameters(compose(name, Pixels(2, (1, 28, 28)), 0, "small")) for name in ("pixelcnn", "pixelrnn"))
    assert 0.9 < cnn / rnn < 1.1


@pytest.mark.parametrize("name", TINY)
def test_a_recipe_is_run_stored_and_run_again(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(records, "RESULTS", tmp_path / "results")
    (tmp_path / "results").mkdir()
    monkeypatch.setattr(reproduce, "RECIPES", TINY)
    monkeypatch.chdir(tmp_path)
    for words in (["--store"], []):
        monkeypatch.setattr(sys, "argv", ["morphogen", "reproduce", name, *words])
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == 0
    out = capsys.readouterr().out
    assert "published: at most 3.75 bits/dim" in out and "stored: 20" in out and "torch" in out
    record = json.loads((tmp_path / "results" / f"{name}.json").read_text())
    assert record["recipe"] == name and records.moved(record) == []
    if name == "both":  # the mixture's EM is the same each time, and so are the real data
        assert all(line.agrees for line in findings(record, record))
        assert next(line for line in out.splitlines()[-40:] if line.startswith("real data frechet")).rstrip().endswith("agrees")


def test_an_unknown_recipe_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["morphogen", "reproduce", "mnist"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert capsys.readouterr().err.strip() == (
        "morphogen: no recipe is named 'mnist'; did you mean mnist-5k, mnist-5k-ddpm, fashion-mnist? (`morphogen reproduce` lists all)"
    )
