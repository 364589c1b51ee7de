"""The verdict is three short sentences, read in ten seconds, and says what a person must know."""

from typing import Any

import pytest

from morphogen.report.rows import read_rows
from morphogen.report.verdict import verdict
from report.rows_of import REPORT, changed, interval, likelihood, model, row

REAL = row("real data", None, None, 1.0, 0.95, None) | {"breaks_no_rule": interval(1.0)}
WORDS = 55  # that a person reads in ten seconds, at 330 a minute


def said(*rows: dict[str, Any], **features: Any) -> dict[str, str]:
    return {sentence.topic: sentence.text for sentence in verdict(read_rows(rows), "bits/dim", features)}


def test_the_verdict_of_a_comparison():
    assert said(*REPORT["rows"]) == {
        "Likelihood": "cnn is the best, at =\xa01.80 bits/dim.",
        "Samples": "cnn generates those closest to the data; held-out data are significantly closer, by "
        "Fréchet distance.",
        "Caution": "gan misses part of the data: its recall is 0.60.",
    }
    assert said({"system": "PNG", "family": "codec"}) == {"Status": "No model has been measured yet."}


def everything_wrong() -> list[dict[str, Any]]:
    """Five models of a table that tie, copy, break rules, and are hardly trained, in a blind space."""
    figures = {"column_shapes": interval(0.7), "pair_trends": interval(0.7), "breaks_no_rule": interval(0.2)}
    rows = [
        model(name, **figures, closer=interval(0.9), two_sample=interval(0.9))
        | {"undertrained": "it took 3 steps", "memorised": interval(0.8)}
        for name in ("table_mixture", "table_flow", "table_transformer", "a", "b")
    ]
    good = {key: interval(1.0) for key in figures}
    return [REAL | {"two_sample": interval(0.5), "table": {"figures": good}}, *rows]


def test_three_sentences_of_a_table_are_read_in_ten_seconds_whatever_is_wrong():
    found = said(*everything_wrong(), sight={"reason": "blind"})
    assert list(found) == ["Likelihood", "Samples", "Caution"]
    assert len(" ".join(found.values()).split()) <= WORDS
    assert found["Caution"].endswith("3 more below."), "copies and nearness first"
    assert found["Caution"].startswith("table_mixture copies training examples: 80 % of its samples.")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"memorised": interval(0.3)}, "ddpm copies training examples: 30 % of its samples."),
        ({"undertrained": "it took 9 steps"}, "Hardly trained: ddpm."),
        ({"breaks_no_rule": interval(0.7)}, "30 % of the rows of ddpm break a rule of the data."),
        ({"closer": interval(0.6)}, "ddpm repeat training rows too closely."),
        ({"recall": interval(0.5)}, "ddpm misses part of the data: its recall is 0.50."),
        ({"breaks_no_rule": interval(0.92)}, "Nothing was found against these figures."),
        ({"recall": interval(0.86)}, "Nothing was found against these figures."),
        ({"closer": interval(0.54)}, "Nothing was found against these figures."),
    ],
)
def test_each_warning_is_given_exactly_beyond_its_interval(change, words):
    alone = row("ddpm", "diffusion", likelihood(2.1), 1.2, 0.92, 10.0)
    assert said(REAL, alone | change)["Caution"] == words
    assert said(REAL, alone)["Caution"] == "Nothing was found against these figures."


def test_features_that_see_nothing_are_a_warning():
    alone = row("ddpm", "diffusion", likelihood(2.1), 1.2, 0.92, 10.0)
    assert "may not tell real data from noise" in said(REAL, alone, sight={"reason": "x"})["Caution"]
    assert "noise" not in said(REAL, alone, sight={"reason": ""})["Caution"]


def test_one_model_is_not_the_best_and_ties_are_undecided():
    alone = said(REAL, row("ddpm", "diffusion", likelihood(2.1), 1.2, 0.92, 10.0))
    assert alone["Likelihood"] == "ddpm: =\xa02.10 bits/dim."
    assert alone["Samples"] == "ddpm: not significantly worse than held-out data."
    tied = said(*changed("ddpm", likelihood=likelihood(1.81), frechet=interval(3.1, 0.5))["rows"])
    assert tied["Likelihood"] == "Undecided between cnn and ddpm."
    assert tied["Samples"].startswith("Undecided between cnn and ddpm; held-out data are significantly")
