"""`morphogen reproduce` compares measured with stored intervals."""

import json
import sys
from functools import partial

import pytest

from morphogen.catalogue import build_system
from morphogen.cli import main
from morphogen.conditioning.guidance import Guided
from morphogen.families.diffusion.samplers import DDIM
from morphogen.model import parameters
from morphogen.recipes import RECIPES, Interval, findings, records, reproduce
from morphogen.recipes.binary_digits import binarised
from morphogen.recipes.comparison import comparison
from morphogen.recipes.conditional import conditional
from morphogen.representations.pixels import Pixels

LONGEST = 70  # minutes, of a showcase of an hour, and of five systems of 12 minutes
TWO = ["mixture", "wgan_gp"]
FEW_STEPS = {"_at_guidance_1": Guided(DDIM(steps=5), 1.0), "_at_guidance_3": Guided(DDIM(steps=5), 3.0)}
TINY = {
    "both": reproduce.Recipe("two families", 1, partial(comparison, "digits", 0.2, TWO, 20)),
    "guided": reproduce.Recipe(
        "one, with guidance", 1, partial(conditional, "digits", "ddpm", 0.2, FEW_STEPS, n=20)
    ),
}


def figures(**values):
    return {
        "figures": {
            "vae": {"likelihood": {"kind": "exact", "bits_per_dim": 2.0, "low": 1.9, "high": 2.1}, "steps": 7}
            | values
        }
    }


def test_overlapping_intervals_agree():
    stored = figures(frechet={"value": 5.0, "low": 4.0, "high": 6.0})
    result = findings(
        figures(
            frechet={"value": 7.0, "low": 6.5, "high": 7.5}, recall={"value": 1.0, "low": 0.9, "high": 1.0}
        ),
        stored,
    )
    assert [(line.name, line.agrees) for line in result] == [
        ("vae likelihood", True),
        ("vae frechet", False),
        ("vae recall", None),
    ]
    assert result[1].stored == Interval(5.0, 4.0, 6.0)
    assert all(line.agrees is None for line in findings(stored, None))


def test_figures_that_were_measured_otherwise_are_not_compared():
    frechet = {"value": 5.0, "low": 4.0, "high": 6.0, "n": 100}
    facts = {"split": "100 train", "seed": 0, "versions": {"morphogen": "0.1.0"}}
    spaces = [{"features": {"name": name, "sha256": "f00d"}} for name in ("digits", "random")]
    one, other = (figures(frechet=frechet) | facts | space for space in spaces)
    lines = {line.name: line for line in findings(one, other)}
    assert lines["vae likelihood"].agrees, "a likelihood does not depend on the features"
    assert lines["vae frechet"].agrees is None
    assert lines["vae frechet"].reason == "their features differ: random and digits"
    assert all(line.agrees for line in findings(one, one))


def test_an_older_record_is_not_compared_with_a_reason():
    frechet = {"value": 5.0, "low": 4.0, "high": 6.0, "n": 100}
    facts = {"split": "100 train", "seed": 0, "versions": {"morphogen": "0.1.0"}}
    for lacking, name in (
        ("split", "split of the data"),
        ("seed", "seed"),
        ("versions", "version of the code"),
    ):
        older = {key: value for key, value in facts.items() if key != lacking}
        line = findings(figures(frechet=frechet) | facts, figures(frechet=frechet) | older)[1]
        assert (
            line.agrees is None and line.reason == f"one of the two is older and does not record its {name}"
        )


def test_every_committed_figure_says_what_it_depends_on():
    for path in records.RESULTS.glob("*.json"):
        record = records.read(path.stem)
        assert all(line.agrees for line in findings(record, record))
        for row in record["figures"].values():
            for figure in row.values() if isinstance(row, dict) else ():
                if isinstance(figure, dict) and "low" in figure:
                    assert {"split", "seed", "code"} <= figure["provenance"].keys(), path


def test_recipes_are_described_and_every_record_has_a_recipe():
    assert all(recipe.description and 0 < recipe.minutes <= LONGEST for recipe in RECIPES.values())
    assert {path.stem for path in records.RESULTS.glob("*.json")} <= set(RECIPES)


def test_binarised_digits_are_shared_and_training_resumes(tmp_path):
    record = binarised("digits", 1, ("pixelcnn", "pixelrnn"), size="tiny", directory=tmp_path)
    again = binarised(
        "digits", 1, ("pixelcnn",), size="tiny", directory=tmp_path
    )  # already trained: measured only
    assert again["figures"]["pixelcnn"]["nats_per_image"] == record["figures"]["pixelcnn"]["nats_per_image"]
    assert records.outdated(record) == [] and record["models"]["pixelrnn"]["representation"]["levels"] == 2
    assert [row["steps"] for row in record["figures"].values()] == [43, 43]
    assert all(20 < line.measured.value < 64 * 0.6931 for line in findings(record, None))


def test_compared_models_have_similar_parameter_counts():
    cnn, rnn = (
        parameters(build_system(name, Pixels(2, (1, 28, 28)), {}, "small"))
        for name in ("pixelcnn", "pixelrnn")
    )
    assert 0.9 < cnn / rnn < 1.1


@pytest.mark.parametrize("name", TINY)
def test_a_recipe_is_run_stored_and_repeated(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(records, "RESULTS", tmp_path / "results")
    (tmp_path / "results").mkdir()
    monkeypatch.setattr(reproduce, "RECIPES", TINY)
    monkeypatch.chdir(tmp_path)
    for options in (["--store"], []):
        monkeypatch.setattr(sys, "argv", ["morphogen", "reproduce", name, *options])
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == 0
    out = capsys.readouterr().out
    published = {"both": "inception score 7.86", "guided": "at most 3.75 bits/dim"}[name]
    assert f"published: {published}" in out and "stored: 20" in out and "torch" in out
    record = json.loads((tmp_path / "results" / f"{name}.json").read_text())
    assert record["recipe"] == name and records.outdated(record) == []
    if name == "both":  # EM is deterministic, and the real data are the same
        assert all(line.agrees for line in findings(record, record))
        lines = [line for line in out.splitlines() if line.startswith("real data memorised")]
        assert [line.rstrip().endswith("agrees") for line in lines] == [False, True]


def test_an_unknown_recipe_is_a_one_line_error(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["morphogen", "reproduce", "mnist"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert capsys.readouterr().err.strip() == (
        "morphogen: no recipe is named 'mnist'; did you mean mnist-5k, mnist-5k-ddpm, fashion-mnist? "
        "(`morphogen reproduce` lists all)"
    )
