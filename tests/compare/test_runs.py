"""Trained runs evaluated again, alone and in a comparison; comparisons resumed, and trained further."""

import json
import shutil
from pathlib import Path

import pytest

from morphogen.compare import Comparison, announcement, evaluate, find_runs, rescore, resume
from morphogen.compare.scorer import KEYS
from morphogen.data import load_data
from morphogen.evaluation.features import RandomFeatures
from morphogen.run import Run, RunError
from real_tables import penguins

SYSTEMS = ["mixture", "latent_flow"]
TIMED = ("samples_per_second", "tokens_per_second")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison of two systems, one of them staged."""
    directory = tmp_path_factory.mktemp("runs") / "compare-digits-001"
    settings = {"data": "digits", "resolution": None, "length": 64}
    list(
        Comparison(
            load_data("digits"), 0.4, directory, SYSTEMS, "tiny", n=30, seed=3, settings=settings
        ).run()
    )
    return directory


@pytest.fixture
def other_space(monkeypatch: pytest.MonkeyPatch) -> None:
    """Features are the random ones from now on, in which a Frechet distance has other units."""
    monkeypatch.setattr("morphogen.compare.scorer.features_for", lambda data: RandomFeatures(1))


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / finished.name)
    return tmp_path / finished.name


def rows_of(directory: Path) -> dict[str, dict]:
    return {row["system"]: row for row in json.loads((directory / "report.json").read_text())["rows"]}


def steps_of(directory: Path) -> dict[str, int]:
    return {run.record["system"]: run.record["steps"] for run in find_runs([directory])}


def test_rescoring_gives_the_same_figures_without_training(finished, tmp_path):
    before = steps_of(finished)
    again = rescore(find_runs([finished]), tmp_path / "again", n=30)
    list(again.run())
    old, new = rows_of(finished), rows_of(tmp_path / "again")
    assert list(old) == list(new) and steps_of(finished) == before
    for name in SYSTEMS:
        assert [key for key in KEYS if key not in TIMED and old[name][key] != new[name][key]] == []
    assert steps_of(tmp_path / "again") == before, "find_runs follows a comparison of runs to the runs"


def test_runs_of_one_system_have_distinct_names(finished, tmp_path):
    run = find_runs([finished])[0]
    twin = tmp_path / "mixture-digits-002"
    shutil.copytree(run.directory, twin)
    assert rescore([run, Run.open(twin)], tmp_path / "out", n=30).systems == ["mixture 001", "mixture 002"]


def test_runs_on_other_data_are_refused(copy, tmp_path):
    one, other = find_runs([copy])
    earlier = {"fingerprint": None}  # runs of a version that recorded the split alone
    one.record["settings"] |= earlier
    for change in ({"data": "mnist-5k"}, {"resolution": 16}, {"split": "another"}):
        change |= earlier
        strange = Run(other.directory, other.record | {"settings": other.record["settings"] | change})
        with pytest.raises(RunError, match="cannot be compared"):
            rescore([one, strange], tmp_path / "out")
    one, other = find_runs([copy])
    other.record["settings"] |= {"fingerprint": {"sha256": "0", "examples": {}}}
    with pytest.raises(RunError, match="cannot be compared: their data are not the same"):
        rescore([one, other], tmp_path / "out")
    with pytest.raises(RunError, match="name no data"):
        rescore([Run(one.directory, one.record | {"settings": {}})], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_resume_evaluates_missing_rows_and_keeps_the_others(copy):
    report = json.loads((copy / "report.json").read_text())
    kept, _ = report["rows"][-2:]
    report["rows"] = report["rows"][:-1]
    (copy / "report.json").write_text(json.dumps(report | {"finished": False}))
    comparison = resume(copy)
    assert comparison.waiting == ["latent_flow"] and list(copy.glob("latent_flow-*"))
    list(comparison.run())
    rows = rows_of(copy)
    assert rows["mixture"] == kept and rows["latent_flow"]["error"] is None
    assert len(list(copy.glob("latent_flow-*"))) == 1, "the existing run is used"
    assert json.loads((copy / "report.json").read_text())["finished"]
    assert set(comparison.record.samples) == {"real data", *SYSTEMS}, (
        "the shown samples of kept rows are restored"
    )


def test_a_larger_budget_trains_every_run_further(copy):
    before, figures = steps_of(copy), rows_of(copy)
    comparison = resume(copy, budget=1.0)
    assert comparison.waiting == SYSTEMS
    list(comparison.run())
    after = steps_of(copy)
    assert after["latent_flow"] > before["latent_flow"]
    assert len(list(copy.glob("*/run.json"))) == 2 and rows_of(copy)["latent_flow"]["train_seconds"] >= 1
    assert rows_of(copy / "after-0.4s") == figures and (copy / "after-0.4s" / "report.html").exists()
    assert rows_of(copy)["real data"] == figures["real data"]


def test_rows_in_another_feature_space_are_measured_again(copy, other_space):
    """Frechet distances of two spaces, 4.03 and 179.84, stood in one table."""
    before, steps = rows_of(copy), steps_of(copy)
    report = json.loads((copy / "report.json").read_text())
    (copy / "report.json").write_text(json.dumps(report | {"rows": report["rows"][:-1]}))
    comparison = resume(copy)
    assert (
        comparison.waiting == SYSTEMS and "features differ: digits and random" in comparison.again["mixture"]
    )
    assert "mixture is measured again: their features differ" in next(announcement(comparison))
    list(comparison.run())
    after = rows_of(copy)
    assert steps_of(copy) == steps and list(after) == list(before)
    spaces = {row["memorised"]["provenance"]["features"] for row in after.values() if row["memorised"]}
    assert spaces == {"random"}
    assert [key for key in before if key not in SYSTEMS and after[key]["family"] == "codec"]


def test_a_row_of_another_space_without_its_run_is_marked(copy, other_space):
    shutil.rmtree(next(copy.glob("mixture-*")))
    comparison = resume(copy)
    assert comparison.trainable == ["latent_flow"]
    list(comparison.run())
    marked = rows_of(copy)["mixture"]
    assert (
        marked["memorised"] is None
        and "digits and random" in marked["error"]
        and "is gone" in marked["error"]
    )
    assert rows_of(copy)["latent_flow"]["error"] is None


def test_rows_of_an_earlier_version_are_measured_again(copy):
    report = json.loads((copy / "report.json").read_text())
    for row in report["rows"]:
        for figure in row.values():
            if isinstance(figure, dict):
                figure.pop("provenance", None)
    (copy / "report.json").write_text(json.dumps(report))
    comparison = resume(copy)
    assert comparison.waiting == SYSTEMS and "older and does not record its" in comparison.again["mixture"]


def test_every_figure_of_a_table_says_what_it_depends_on(tmp_path):
    """Its sections too, with their details; those of an earlier version are measured again."""
    path = tmp_path / "penguins.csv"
    penguins().to_csv(path, index=False)
    settings = {"data": str(path)}
    data, out = load_data(str(path)), tmp_path / "out"
    list(Comparison(data, None, out, ["table_mixture"], "tiny", settings=settings, steps=20).run())
    report = json.loads((out / "report.json").read_text())
    for row in report["rows"]:
        section = row["table"]
        assert row["two_sample"]["provenance"]["features"] and len(section["details"]["pairs"]) == 28
        assert {"rules_kept", "column_shapes"} <= section["figures"].keys()
        for figure in figures_in(section):
            assert figure["provenance"].keys() == {"split", "seed", "samples", "code"}
            assert figure["provenance"]["samples"] == report["n"] == len(data.test)
    assert resume(out).waiting == []
    for figure in figures_in(report["rows"][1]["table"]["figures"]):
        del figure["provenance"]
    (out / "report.json").write_text(json.dumps(report))
    assert "older and does not record its" in resume(out).again["table_mixture"]


def figures_in(node):
    """Every figure at any depth."""
    if isinstance(node, dict) and "low" in node:
        return [node]
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [figure for child in children for figure in figures_in(child)]


@pytest.mark.slow
def test_equal_steps_repeat_exactly(tmp_path):
    data, settings = load_data("digits"), {"data": "digits"}
    for name in ("one", "two"):
        list(
            Comparison(data, None, tmp_path / name, ["vae"], "tiny", n=100, settings=settings, steps=12).run()
        )
    one, two = rows_of(tmp_path / "one"), rows_of(tmp_path / "two")
    differing = {key for key in KEYS if one["vae"][key] != two["vae"][key]}
    assert one["vae"]["steps"] == 12 and differing == {"samples_per_second", "run", "train_seconds"}
    comparison = resume(tmp_path / "one", steps=20)
    list(comparison.run())
    assert rows_of(tmp_path / "one")["vae"]["steps"] == 20 and (tmp_path / "one" / "after-12steps").exists()
    with pytest.raises(RunError, match="has trained for 20 steps; a budget of 3 s is not possible"):
        resume(tmp_path / "one", budget=3.0)


def test_resume_is_refused_with_a_reason(copy, tmp_path):
    with pytest.raises(RunError, match="is not a comparison"):
        resume(tmp_path)
    with pytest.raises(RunError, match=r"0\.1 s is not possible"):
        resume(copy, budget=0.1)
    file = copy / "report.json"
    report = json.loads(file.read_text())
    of_earlier = {"data": "digits", "resolution": None, "length": 64}
    file.write_text(json.dumps(report | {"split": "other", "settings": of_earlier}))
    with pytest.raises(RunError, match="have changed"):
        resume(copy)
    file.write_text(json.dumps(report | {"settings": {}}))
    with pytest.raises(RunError, match="does not record its data"):
        resume(copy)
    file.write_text(json.dumps(report | {"settings": report["settings"] | {"tokens": None}}))
    with pytest.raises(RunError, match="older version"):
        resume(copy)
    file.write_text("{")
    with pytest.raises(RunError, match="cannot be read"):
        resume(copy)


def test_evaluate_gives_the_figures_of_the_comparison(copy):
    run = find_runs([copy])[0]
    report = evaluate(run, n=30)
    assert json.loads((run.directory / "evaluation.json").read_text()) == json.loads(json.dumps(report))
    assert (
        report["rows"][0]["system"] == "real data"
        and report["rows"][-1]["frechet"] == rows_of(copy)["mixture"]["frechet"]
    )


def test_an_unfinished_run_is_refused(copy):
    run = find_runs([copy])[0]
    shutil.rmtree(run.directory / "model")
    with pytest.raises(RunError, match="model does not exist"):
        evaluate(run)
