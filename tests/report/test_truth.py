"""What the report says of adversarial situations: its words and figures, from rows made by hand.

| situation                                 | the report                                                   |
|-------------------------------------------|--------------------------------------------------------------|
| one model alone                           | describes it; nothing is "best" or bold                      |
| a model closer than held-out data         | says so, and to look for copies; never praises a difference  |
| 25 seconds of training                    | says that the model is hardly trained, and judges no claim   |
| timings                                   | figures alone: one timing has no interval                    |
| ties                                      | undecided; all tied models are named, and all are bold       |
| an undertrained diffusion                 | is no evidence against diffusions; its speed is              |
| features that cannot tell data from noise | no precision or recall, and one sentence that says why       |
| a recall within its interval              | no part of the data is called missing                        |
| few samples                               | the measures that n is too small for are not given           |
| rows of two feature spaces                | the second one's distance is not ranked                      |
| three points of a loss                    | no curve                                                     |
"""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from morphogen.report.claims import CLAIMS, judge
from morphogen.report.details import details
from morphogen.report.rows import read_rows
from morphogen.report.table import columns, table
from report.rows_of import REPORT, changed, interval, likelihood, row
from report.test_page import read

REAL = row("real data", None, None, 1.0, 0.95, None)
SHORT = "it took 120 steps, and from 250 on one can see whether its loss still falls"
BLIND = "the features (random) cannot tell real examples from noise"


def said(*rows: dict[str, Any]) -> dict[str, str]:
    """The sentences about some rows, by topic."""
    return {sentence.topic: sentence.text for sentence in details(read_rows(rows), "bits/dim")}


def bold(*rows: dict[str, Any]) -> set[tuple[str, str]]:
    """The cells in bold, as (row, column)."""
    read = read_rows(rows)
    shown = columns(read, "bits/dim")
    return {
        (known.name, measure.key)
        for known, line in zip(read, table(read, shown), strict=True)
        for measure, cell in zip(shown, line, strict=True)
        if cell.leading
    }


def statuses(family: str, *rows: dict[str, Any]) -> dict[str, str]:
    """The status of the claims about a family, by their text."""
    return {c.text: judge(c, read_rows(rows)).status for c in CLAIMS if c.family == family}


def without(known: dict[str, Any], reason: str, *measures: str) -> dict[str, Any]:
    return known | dict.fromkeys(measures) | {"withheld": dict.fromkeys(measures, reason)}


def test_one_model_alone_is_described_and_not_ranked():
    rows = REAL, row("ddpm", "diffusion", likelihood(2.1, "lower_bound"), 3.0, 0.92, 10.0)
    text = said(*rows)
    assert text["Likelihood"].startswith("The held-out likelihood of ddpm is ≤\xa02.10 bits/dim [2.08, 2.12]")
    assert text["Samples"].startswith("The samples of ddpm have a Fréchet distance of 3.00 [2.50, 3.50]")
    assert text["Speed"] == "Samples per second, timed once: ddpm 10."
    assert text["Copies and coverage"].startswith("ddpm does not show significant memorisation")
    assert not re.search(r"\bbest\b|fastest|closest|no other model", " ".join(text.values()))
    assert bold(*rows) == set()
    assert set(statuses("diffusion", *rows).values()) == {"not measured"}


def test_a_model_closer_than_held_out_data_is_no_praise():
    rows = copy.deepcopy(REPORT["rows"])
    rows[0]["frechet"], rows[2]["frechet"] = interval(5.0, 0.5), interval(1.0, 0.5)
    text = said(*rows)["Samples"]
    assert (
        "cnn is closer to the training data than held-out real data, at 5.00 [4.50, 5.50], which good "
        "samples are not: see whether it copies" in text
    )
    assert "differs" not in text and "apart" not in text


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        (interval(3.4, 0.5), "cnn does not differ significantly from held-out real data, at 3.40"),
        (interval(1.0, 0.5), "cnn is significantly farther from the training data than held-out real data"),
    ],
)  # fmt: skip
def test_the_direction_of_a_difference_is_said(reference, words):
    assert words in said(*changed("real data", frechet=reference)["rows"])["Samples"]


def test_hardly_trained_models_are_said_to_be(tmp_path):
    rows = [known | {"undertrained": SHORT} if known.get("parameters") else known for known in REPORT["rows"]]
    rows[0] = REPORT["rows"][0]
    limits = said(*rows)["Limits"]
    for name in ("em", "cnn", "gan", "ddpm"):
        assert f"{name} is hardly trained, so its figures do not show what it can do: {SHORT}." in limits
    page = read(REPORT | {"rows": rows}, {}, tmp_path)
    assert page.text.count("hardly trained") == 8, "once in the limits and once in the table"
    assert "Limits" not in said(*REPORT["rows"])


def test_an_undertrained_diffusion_is_no_evidence_about_diffusions():
    rows = changed("ddpm", frechet=interval(70.0, 1.0))["rows"]
    assert statuses("diffusion", *rows)["The best samples"] == "contradicted"
    found = statuses("diffusion", *changed("ddpm", frechet=interval(70.0, 1.0), undertrained=SHORT)["rows"])
    assert found["The best samples"] == found["Covers the data"] == "not measured"
    assert found["Slow to sample: many steps"] == "supported", "its speed does not depend on the training"


def test_an_undertrained_model_is_no_evidence_for_the_others():
    rows = [
        REAL,
        row("cnn", "autoregressive", likelihood(1.8), 3.0, 0.9, 100.0),
        row("ddpm", "diffusion", likelihood(2.1), 70.0, 0.9, 10.0) | {"undertrained": SHORT},
    ]
    assert statuses("autoregressive", *rows)["The best likelihoods"] == "not measured"
    del rows[2]["undertrained"]
    assert statuses("autoregressive", *rows)["The best likelihoods"] == "supported"


def test_ties_are_undecided_and_all_tied_models_are_bold():
    rows = copy.deepcopy(REPORT["rows"])
    rows[2]["frechet"], rows[3]["frechet"], rows[4]["frechet"] = (interval(v, 0.5) for v in (3.0, 3.4, 3.8))
    rows[4]["likelihood"] = likelihood(1.81)
    text = said(*rows)
    assert text["Samples"].startswith(
        "Which model generates the samples closest to the data is undecided between cnn, gan and ddpm"
    )
    assert text["Likelihood"].startswith("The best held-out likelihood is undecided between cnn and ddpm")
    marked = bold(*rows)
    assert {name for name, key in marked if key == "frechet"} == {"cnn", "gan", "ddpm"}
    assert {name for name, key in marked if key == "likelihood"} == {"cnn", "ddpm"}
    assert statuses("autoregressive", *rows)["The best likelihoods"] == "open", "one family is not worse"
    assert statuses("diffusion", *rows)["The best samples"] == "open"


def test_single_timings_are_given_without_a_verdict(tmp_path):
    """They have no interval: nothing about them is fastest, significant or bold."""
    rows = copy.deepcopy(REPORT["rows"])
    assert said(*rows)["Speed"] == "Samples per second, timed once: ddpm 10, cnn 100, gan 5,000, em 9,000."
    assert "samples_per_second" not in {key for _, key in bold(*rows)}
    assert {key for _, key in bold(*rows)} > {"likelihood", "frechet"}
    page = read(REPORT, {}, tmp_path)
    assert "fastest" not in page.text and "Timings are single and have none" in page.text
    slow = judge(next(c for c in CLAIMS if c.text == "Slow to sample: many steps"), read_rows(rows))
    assert slow.reason == (
        "by single timings and a factor of 1.5, faster than 0 and slower than 3 of 3 other families"
    )


def test_features_that_cannot_tell_noise_give_no_fidelity(tmp_path):
    measures = "precision", "recall", "density", "coverage"
    rows = [
        without(known, BLIND, *measures) if known.get("parameters") else known for known in REPORT["rows"]
    ]
    limits = said(*rows)["Limits"]
    assert limits == f"Precision, recall, density and coverage are not given: {BLIND}."
    assert not {key for _, key in bold(*rows)} & set(measures), "no bold precision for noise"
    page = read(REPORT | {"rows": rows}, {}, tmp_path)
    assert [c.key for c in columns(read_rows(rows), "bits/dim")].count("precision") == 0
    assert "misses part of the data" not in page.text
    assert "lower recall" not in said(*rows)["Copies and coverage"], "what was not measured is not denied"


@pytest.mark.parametrize(("recall", "is_missing"), [(0.86, False), (0.84, True)])
def test_a_part_is_missing_only_beyond_the_intervals(recall, is_missing):
    """Held-out data have a recall of 0.95 [0.90, 1.00], a model's interval is +- 0.05."""
    rows = changed("gan", recall=interval(recall))["rows"]
    text = said(*rows)["Copies and coverage"]
    assert ("gan misses part of the data" in text) == is_missing
    assert ("No model shows significant memorisation or a significantly lower recall" in text) != is_missing


def test_measures_below_their_n_are_not_given():
    reason = "n = 20 is below 100: the balls are too large"
    rows = [
        without(known, reason, "recall") if known.get("parameters") else known for known in REPORT["rows"]
    ]
    text = said(*rows)
    assert text["Limits"] == f"Recall is not given: {reason}."
    assert "recall" not in text["Copies and coverage"]


def test_a_distance_in_another_space_is_not_ranked():
    rows = copy.deepcopy(REPORT["rows"])
    for known, space in zip(rows, ("digits", "digits", "digits", "random", "digits"), strict=False):
        known["frechet"]["provenance"] = {"features": space}
    rows[3]["frechet"] |= interval(0.01, 0.005)
    text = said(*rows)
    assert text["Samples"].startswith("cnn generates the samples closest to the data")
    assert "Fréchet of gan is not given: not comparable with the rows above" in text["Limits"]
    assert ("gan", "frechet") not in bold(*rows)


@pytest.mark.parametrize(("points", "is_drawn"), [(3, False), (7, False), (8, True)])
def test_few_points_are_no_curve(tmp_path: Path, points: int, is_drawn: bool):
    report = copy.deepcopy(REPORT)
    report["rows"][4]["run"] = "ddpm-001"
    folder = tmp_path / "ddpm-001"
    folder.mkdir()
    for name, key in (("metrics", "loss"), ("timings", "seconds")):
        lines = [{"step": s, "player": "model", key: 1 / (s + 1)} for s in range(points)]
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    page = read(report, {}, tmp_path)
    assert ("polyline" in page.tags) == is_drawn
    assert (f"too few points for a curve: ddpm ({points} points)" in page.text) != is_drawn


def test_a_budget_says_whether_it_repeats(tmp_path):
    timed = read(REPORT, {}, tmp_path)
    assert "do not repeat exactly; a budget in steps (compare --steps) does" in timed.text
    counted = read(REPORT | {"budget": None, "steps": 500}, {}, tmp_path)
    assert (
        "500 steps of training each" in counted.text and "all figures but the timings repeat" in counted.text
    )
