"""The verdict on samples of a table: ranks by its own figures, with ties, and what a release needs."""

from typing import Any

import pytest

from morphogen.report.details import details
from morphogen.report.rows import TABLE_MEASURES, Figure, read_rows, two_decimals
from morphogen.report.sentences import Link
from morphogen.report.table import table
from report.rows_of import interval, model, row

REAL = row("real data", None, None, 1.0, 0.9, None) | {
    "frechet": None,
    "two_sample": interval(0.53, 0.12),
    "table": {"figures": {"column_shapes": interval(0.9), "pair_trends": interval(0.8), "closer": None}},
}


def said(*rows: dict[str, Any]) -> dict[str, str]:
    return {sentence.topic: sentence.text for sentence in details(read_rows(rows), "bits/cell")}


def ranked(one: float, other: float, key: str = "column_shapes", **more: Any) -> dict[str, str]:
    return said(REAL, model("one", **{key: interval(one)}, **more), model("other", **{key: interval(other)}))


def test_the_best_model_of_each_figure_is_named_and_nothing_is_called_not_compared():
    first = model("flow", column_shapes=interval(0.95), pair_trends=interval(0.6), two_sample=interval(0.9))
    second = model("mix", column_shapes=interval(0.7), pair_trends=interval(0.8), two_sample=interval(0.5))
    text = said(REAL, first, second)
    assert text["Columns"] == (
        "flow keeps the distribution of each column best, with a column-shape score of 0.95 [0.90, 1.00]; no "
        "other model's interval overlaps with it; held-out real data do not differ significantly, at 0.90 "
        "[0.85, 0.95]."
    )
    assert text["Pairs of columns"].startswith("mix keeps the relations of columns best, with a pair-trend")
    assert text["Told apart"] == (
        "mix generates the samples that are hardest to tell from the data, with a told-apart accuracy of "
        "0.50 [0.45, 0.55] (0.5: not told apart); no other model's interval overlaps with it; held-out real "
        "data do not differ significantly, at 0.53 [0.41, 0.65]."
    )
    assert "Samples" not in text and "not compared" not in " ".join(text.values())


def test_figures_whose_intervals_are_apart_do_not_look_equal():
    """Two decimals would say that held-out rows are significantly better, at 1.00 than 1.00."""
    best, worse = (
        {"value": value, "low": low, "high": high, "n": 200}
        for value, low, high in ((1.0, 0.99997, 1.0), (0.99952, 0.9991, 0.9998))
    )
    rows = [
        REAL | {"table": {"figures": {"pair_trends": best}}},
        model("one", column_shapes=interval(0.9), pair_trends=worse),
        model("other", column_shapes=interval(0.9), pair_trends=interval(0.4)),
    ]
    text = said(*rows)["Pairs of columns"]
    assert "0.9995 [0.9991, 0.9998]" in text and "significantly better, at 1.0000 [1.0000, 1.0000]" in text
    shown = next(measure for measure in TABLE_MEASURES if measure.key == "pair_trends")
    cells = [line[0] for line in table(read_rows(rows), [shown])]
    assert [cell.text for cell in cells] == ["1.0000", "0.9995", "0.40"]
    assert cells[1].interval == "0.9991 – 0.9998"


@pytest.mark.parametrize(
    ("figure", "words"),
    [
        (Figure(0.0, 0.0, 0.0019), "0.000 [0.000, 0.002]"),
        (Figure(0.98, 0.97, 0.99), "0.98 [0.97, 0.99]"),
        (Figure(1.0, 1.0, 1.0), "1.00 [1.00, 1.00]"),
        (Figure(0.5, 0.5, 0.5 + 1e-9), "0.5000 [0.5000, 0.5000]"),
    ],
)
def test_a_narrow_interval_has_up_to_four_decimals(figure, words):
    assert f"{figure.formatted(two_decimals)} [{', '.join(figure.ends(two_decimals))}]" == words


def test_ties_are_named_and_so_are_the_models_behind_them():
    rows = [model(name, column_shapes=interval(v)) for name, v in (("a", 0.8), ("b", 0.72), ("c", 0.5))]
    text = said(REAL, *rows)["Columns"]
    assert text.startswith(
        "Which model keeps the distribution of each column best is undecided between a and b, whose "
        "intervals overlap; a has a column-shape score of 0.80 [0.75, 0.85]; c is significantly worse; "
    )


@pytest.mark.parametrize(("value", "is_behind"), [(0.86, False), (0.79, True)])
def test_held_out_rows_are_better_only_beyond_the_intervals(value, is_behind):
    """Held-out rows have 0.90 [0.85, 0.95]."""
    text = said(REAL, model("one", column_shapes=interval(value)))["Columns"]
    assert text.startswith(f"one has a column-shape score of {value:.2f} ["), "one alone is not the best"
    assert ("held-out real data are significantly better, at 0.90" in text) == is_behind
    assert ("do not differ significantly" in text) != is_behind


def test_every_figure_links_to_its_cell():
    sentences = details(read_rows([REAL, model("one", column_shapes=interval(0.7))]), "bits/cell")
    links = {
        word.anchor for known in sentences for word in known.words if isinstance(word, Link)
    }  # of all sentences
    assert {"row-one-column_shapes", "row-real-data-column_shapes"} <= links


def test_other_media_without_a_distance_are_ranked_by_the_two_sample_test():
    rows = [
        row(name, "gan", None, 1.0, 0.9, 1.0) | {"frechet": None, "two_sample": interval(v)}
        for name, v in (("one", 0.6), ("other", 0.9))
    ]
    text = said(*rows)
    assert text["Samples"].startswith(
        "one generates the samples closest to the data, with a told-apart accuracy of 0.60 [0.55, 0.65]; "
    )
    assert "Columns" not in text and "Release" not in text


@pytest.mark.parametrize(("closer", "is_near"), [(0.54, False), (0.56, True)])
def test_a_model_nearer_to_training_rows_is_named_only_beyond_the_interval(closer, is_near):
    text = said(REAL, model("one", column_shapes=interval(0.9), closer=interval(closer)))["Release"]
    assert (
        f"The rows of one are closer to training rows than to held-out rows: {closer:.2f}" in text
    ) == is_near
    assert ("one is not significantly closer to training rows than to held-out rows (" in text) != is_near


@pytest.mark.parametrize(("duplicates", "is_more"), [(0.12, False), (0.2, True)])
def test_duplicates_count_against_those_of_held_out_rows(duplicates, is_more):
    """Held-out rows have 0.08 [0.03, 0.13]: rows recur in these data."""
    real = REAL | {"table": {"figures": {"duplicates": interval(0.08)}}}
    text = said(real, model("one", column_shapes=interval(0.9), duplicates=interval(duplicates)))["Release"]
    assert ("Rows of one repeat training rows in all columns" in text) == is_more
    assert ("not significantly more frequent than among held-out rows" in text) != is_more
    assert "held-out rows 0.08 [0.03, 0.13]" in text


def test_a_release_is_not_promised():
    text = said(REAL, model("one", column_shapes=interval(0.9), closer=interval(0.5, 0.1)))["Release"]
    assert "Not measured:" in text and "membership inference" in text and "differential privacy" in text
    assert text.endswith("These figures alone do not show that generated rows may be released.")
    assert "Release" not in said(REAL, model("one", column_shapes=interval(0.9))), "nothing was measured"


@pytest.mark.parametrize(("n", "high", "most"), [(62, 0.0583, "6 %"), (1000, 0.0038, "1 %")])
def test_what_no_memorisation_means_depends_on_n(n, high, most):
    copies = {"value": 0.0, "low": 0.0, "high": high, "n": n, "chance": 0.0, "power": 1.0}
    text = said(REAL | {"memorised": None}, model("one", memorised=copies), model("two", memorised=copies))
    assert (
        f"No model shows significant memorisation; with {n:,} samples, up to {most} of copies cannot be "
        "excluded (95 % intervals)." in text["Copies and coverage"]
    )


@pytest.mark.parametrize(("power", "is_denied"), [(0.1, False), (0.9, True)])
def test_copies_that_would_not_be_recognised_are_not_denied(power, is_denied):
    copies = {"value": 0.0, "low": 0.0, "high": 0.01, "n": 1000, "chance": 0.0, "power": power}
    text = said(REAL | {"memorised": None}, model("one", memorised=copies)).get("Copies and coverage", "")
    assert ("one does not show significant memorisation" in text) == is_denied
