"""Figures say what they depend on, and are compared only with their like."""

import hashlib

import pytest

from morphogen.data import load_data
from morphogen.evaluation import provenance as module
from morphogen.evaluation.features import ClassifierFeatures, RandomFeatures
from morphogen.evaluation.provenance import (
    comparable_rows,
    defined_anew,
    figures_of,
    incomparable,
    misfit,
    provenance,
    recorded,
    stamp,
    stamp_all,
)
from morphogen.evaluation.quality import MEASURES, quality

FIGURE = {"value": 4.03, "low": 3.0, "high": 5.0, "n": 100}


@pytest.fixture(scope="module")
def digits():
    return load_data("digits")


@pytest.fixture(scope="module")
def facts(digits):
    return provenance(digits, 0, ClassifierFeatures("digits"))


def test_every_figure_of_quality_carries_what_it_depends_on(digits):
    features = ClassifierFeatures("digits")
    metrics = quality(digits.test.first(100).medium, digits, features, seed=3)
    assert metrics["withheld"] == {}
    of_texts = {"known_words", "known_pairs", "repeated"}
    assert {name for name in MEASURES if metrics[name] is None} == of_texts
    for name in sorted(set(MEASURES) - of_texts):
        assert {"value", "low", "high", "n", "provenance"} <= metrics[name].keys()
        assert metrics[name]["provenance"] == {
            "split": hashlib.sha256(digits.split.encode()).hexdigest(),
            "features": "digits", "sha256": features.sha256, "resize": "",
            "seed": 3, "code": metrics[name]["provenance"]["code"],
        }  # fmt: skip
        assert "definition" in metrics[name]["provenance"]["code"]


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("features", "random", "features differ: digits and random"),
        ("sha256", "f" * 64, "weights of the features differ"),
        ("resize", "bicubic 224", "resize rule differ: none and bicubic 224"),
        ("split", "0" * 64, "split of the data differ"),
        ("seed", 1, "seed differ: 0 and 1"),
        ("code", "9", "version of the code differ"),
    ],
)
def test_a_difference_in_any_of_them_is_a_reason(facts, key, value, words):
    one = stamp("frechet", FIGURE, facts)
    assert incomparable(one, one) is None
    other = one | {"provenance": one["provenance"] | {key: value}}
    assert words in incomparable(one, other)
    del other["provenance"][key]
    assert "is older and does not record its" in incomparable(one, other)


def test_a_difference_in_n_is_a_reason_and_one_in_the_value_is_none(facts):
    one = stamp("frechet", FIGURE, facts)
    assert incomparable(one, one | {"n": 200}) == "their n differ: 100 and 200"
    assert incomparable(one, one | {"value": 7.0, "low": 6.0, "high": 8.0}) is None


def test_another_definition_of_a_measure_is_another_version(facts, monkeypatch):
    before = stamp("memorised", FIGURE, facts), stamp("frechet", FIGURE, facts)
    monkeypatch.setitem(module.DEFINITIONS, "memorised", 99)
    after = stamp("memorised", FIGURE, facts), stamp("frechet", FIGURE, facts)
    assert "version of the code differ" in incomparable(before[0], after[0])
    assert incomparable(before[1], after[1]) is None, "the other measures are as before"


def test_figures_of_older_records_are_comparable_with_each_other_alone(facts):
    reason = incomparable(FIGURE, stamp("frechet", FIGURE, facts))
    assert incomparable(FIGURE, FIGURE) is None and reason.startswith("one of the two is older")


def test_a_likelihood_does_not_depend_on_the_features(digits, facts):
    bits = {"kind": "exact", "bits_per_dim": 2.0, "low": 1.9, "high": 2.1, "n": 9}
    tree = {"vae": {"likelihood": bits, "frechet": FIGURE, "steps": 7}}
    other = provenance(digits, 0, RandomFeatures(1))
    one, two = stamp_all(tree, facts)["vae"], stamp_all(tree, other)["vae"]
    assert incomparable(one["likelihood"], two["likelihood"]) is None
    assert incomparable(one["frechet"], two["frechet"]) is not None
    assert one["steps"] == 7 and stamp_all({"vae": one}, other)["vae"] == one, "a stamped figure is kept"


def test_a_table_keeps_only_what_is_comparable_with_its_first_row(facts):
    rows = [
        {"system": "real data", "frechet": stamp("frechet", FIGURE, facts), "likelihood": None},
        {"system": "vae", "frechet": stamp("frechet", FIGURE, facts | {"features": "random"})},
        {"system": "ddpm", "frechet": stamp("frechet", FIGURE, facts), "withheld": {"recall": "few"}},
    ]
    real, vae, ddpm = comparable_rows(rows)
    assert (real, ddpm) == (rows[0], rows[2]) and vae["frechet"] is None
    assert "features differ: digits and random" in vae["withheld"]["frechet"]
    assert rows[1]["frechet"] is not None, "the rows themselves are unchanged"


def test_few_samples_and_blind_features_withhold_measures_with_the_reason(digits):
    few = quality(digits.test.first(99).medium, digits, ClassifierFeatures("digits"))
    assert few["frechet"] is few["recall"] is None and few["memorised"]["n"] == 99
    assert few["withheld"]["recall"].startswith("n = 99 is below 100")
    blind = quality(digits.test.first(100).medium, digits, RandomFeatures(1))
    assert blind["frechet"]["n"] == 100 and set(blind["withheld"]) == {
        "precision", "recall", "density", "coverage",
    }  # fmt: skip
    assert "(random) cannot tell real examples from noise" in blind["withheld"]["precision"]
    assert all(blind[name] is None for name in blind["withheld"])


def test_a_figure_that_was_stored_without_a_stamp_has_the_first_definition(digits, facts):
    """What counts as a copy has changed: an older record is not compared with a new one, and says why."""
    copies, distance = ({"value": 0.01, "low": 0.0, "high": 0.02, "n": 100} for _ in range(2))
    record = {"seed": 0, "split": digits.split, "versions": {"morphogen": facts["code"]}}
    record["features"] = {key: facts[name] for key, name in (("name", "features"), ("sha256", "sha256"))}
    older = stamp_all({"memorised": copies, "recognised": distance}, recorded(record))
    newer = stamp_all({"memorised": copies, "recognised": distance}, facts)
    assert "definition 1 and " in str(incomparable(older["memorised"], newer["memorised"]))
    assert incomparable(older["recognised"], newer["recognised"]) is None


def section(**figures):
    return {"table": {"figures": figures, "pictures": [], "details": {"pairs": [{"score": FIGURE}]}}}


def test_figures_of_a_section_depend_on_the_number_of_samples_and_on_no_features(digits):
    facts = provenance(digits, 3, RandomFeatures(1), samples=60)
    row = stamp_all({"kid": FIGURE} | section(breaks_no_rule=FIGURE, recall=None), facts)
    stamps = {key: figure["provenance"] for key, figure in figures_of(row).items()}
    assert stamps["breaks_no_rule"] == {
        "split": hashlib.sha256(digits.split.encode()).hexdigest(),
        "seed": 3, "samples": 60, "code": stamps["breaks_no_rule"]["code"],
    }  # fmt: skip
    assert stamps["kid"]["features"] == "random" and "samples" not in stamps["kid"]
    assert row["table"]["details"]["pairs"][0]["score"]["provenance"] == stamps["breaks_no_rule"], (
        "in lists too"
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"split": "0" * 64}, "split of the data differ"),
        ({"seed": 1}, "seed differ: 0 and 1"),
        ({"code": "9"}, "version of the code differ"),
        ({"samples": 200}, "numbers of samples differ: 100 and 200"),
    ],
)
def test_a_section_measured_otherwise_is_withheld_with_its_details(digits, change, words):
    facts = provenance(digits, 0, samples=100)
    real, flow = (stamp_all({"system": name} | section(closer=FIGURE), facts | known)
                  for name, known in (("real data", {}), ("flow", change)))  # fmt: skip
    assert comparable_rows([real, real]) == [real, real]
    kept = comparable_rows([real, flow])[1]
    assert kept["table"] == {"figures": {"closer": None}, "pictures": []} and "closer" not in kept
    assert words in kept["withheld"]["closer"]
    assert flow["table"]["figures"]["closer"] is not None, "the rows themselves are unchanged"


def test_figures_of_a_section_may_be_about_a_part_of_the_samples(digits):
    """Rules apply to fewer rows of one model than of another; the number of rows drawn is the same."""
    facts = provenance(digits, 0, samples=100)
    rows = [stamp_all(section(rules_kept=FIGURE | {"n": n}), facts) for n in (100, 93)]
    assert comparable_rows(rows) == rows


def test_a_row_is_measured_again_if_its_section_was_measured_otherwise(digits, monkeypatch):
    features = RandomFeatures(1)
    facts = provenance(digits, 0, features, samples=100)
    older = {"system": "flow", "kid": FIGURE} | section(closer=FIGURE)
    row = stamp_all(older, facts)
    assert misfit(row, facts) is None
    assert "numbers of samples differ" in misfit(row, provenance(digits, 0, features, samples=99))
    stamped = row | {"table": older["table"]}
    assert misfit(stamped, facts).startswith("one of the two is older")
    monkeypatch.setitem(module.DEFINITIONS, "closer", 3)
    assert defined_anew(row) == ["closer"] and "version of the code" in misfit(
        row, facts | {"definitions": module.DEFINITIONS}
    )
