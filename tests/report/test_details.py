"""The verdict follows from the intervals, and each figure in it links to its cell."""

from typing import Any

import pytest

from morphogen.report.details import Link, Sentence, details
from morphogen.report.rows import read_rows
from report.rows_of import REPORT, changed, interval, likelihood


def sentences(report: dict[str, Any]) -> list[Sentence]:
    return details(read_rows(report["rows"]), "bits/dim")


def anchors(sentence: Sentence) -> set[str]:
    return {word.anchor for word in sentence.words if isinstance(word, Link)}


def test_the_sentences_link_to_the_measured_cells():
    first, second, third, fourth = sentences(REPORT)
    assert first.text == (
        "cnn has the best held-out likelihood: =\xa01.80 bits/dim [1.78, 1.82] (exact), "
        "1.10 below WebP lossless (=\xa02.90), 0.70 below em (≤\xa02.50); "
        "no other model's interval overlaps with it "
        "(values marked ≤ are upper bounds: the true value may be lower)."
    )
    assert anchors(first) == {
        "row-cnn",
        "row-cnn-likelihood",
        "row-webp-lossless-likelihood",
        "row-em-likelihood",
    }
    assert second.text.startswith(
        "cnn generates the samples closest to the data"
    ) and "row-cnn-frechet" in anchors(second)
    assert third.text == "Samples per second, timed once: ddpm 10, cnn 100, gan 5,000, em 9,000."
    assert {"row-em-samples_per_second", "row-ddpm-samples_per_second"} <= anchors(third)
    assert fourth.text == (
        "gan misses part of the data: its recall is 0.60 [0.55, 0.65], compared with 0.95 [0.90, 1.00] for "
        "held-out real data."
    )
    assert "row-gan-recall" in anchors(fourth)


def test_the_first_sentence_follows_the_likelihoods():
    other = sentences(changed("ddpm", likelihood=likelihood(1.5, "lower_bound")))[0].text
    assert other.startswith(
        "ddpm has the best held-out likelihood: ≤\xa01.50 bits/dim [1.48, 1.52] (a bound)"
    )
    tied = sentences(changed("ddpm", likelihood=likelihood(1.81, "lower_bound")))[0].text
    assert tied.startswith(
        "The best held-out likelihood is undecided between cnn and ddpm, whose intervals overlap; the lowest "
        "value is =\xa01.80 bits/dim [1.78, 1.82] (exact), 1.10 below WebP lossless"
    )
    assert "has the best" not in tied
    codec = sentences(changed("WebP lossless", likelihood=likelihood(1.2)))[0].text
    assert "0.60 above WebP lossless (=\xa01.20), which no model beats" in codec
    assert (
        "not significantly different from WebP lossless"
        in sentences(changed("WebP lossless", likelihood=likelihood(1.82)))[0].text
    )


def test_the_second_sentence_follows_the_distances():
    assert sentences(changed("gan", frechet=interval(2.0, 0.1)))[1].text.startswith(
        "gan generates the samples closest"
    )
    default = sentences(REPORT)[1].text
    assert (
        "every other model is significantly worse; cnn is significantly farther from the training data "
        "than held-out real data, at 1.00 [0.50, 1.50]." in default
    )
    overlapping = sentences(changed("gan", frechet=interval(3.2, 0.5)))[1].text
    assert overlapping.startswith(
        "Which model generates the samples closest to the data is undecided between cnn and gan: "
        "none is significantly the best by Fréchet distance; cnn has a Fréchet distance of 3.00 [2.50, 3.50]"
    )
    assert (
        "cnn does not differ significantly from held-out real data"
        in sentences(changed("cnn", frechet=interval(1.2, 0.3)))[1].text
    )


def test_the_last_sentence_follows_the_copies_and_the_recall():
    copying = sentences(changed("ddpm", memorised=interval(0.3, 0.05) | {"chance": 0.01}))[3]
    assert "Check ddpm for memorisation before releasing it: 30 % [25, 35]" in copying.text
    assert "row-ddpm-memorised" in anchors(copying)
    assert "misses" not in sentences(changed("gan", recall=interval(0.93)))[3].text
    stored = sentences(changed("gan", stored="training rows", memorised=interval(0.3)))[3]
    assert stored.text == "gan holds training rows: release neither the model nor samples of private data."
    chance = changed("ddpm", memorised=interval(0.03, 0.02) | {"chance": 0.02})
    assert "copies of training" not in sentences(chance)[3].text, "within the fraction expected by chance"


def test_samples_are_ranked_by_every_figure_on_that_question():
    """A kernel distance decides what Fréchet distances leave open, or contradicts them."""
    close = changed("gan", frechet=interval(3.2, 0.5))
    assert "undecided between cnn and gan" in sentences(close)[1].text

    def by_kernel(**distances: float) -> str:
        rows = [row | {"kid": interval(distances[row["system"]], 0.0005)} if row["system"] in distances
                else row for row in close["rows"]]  # fmt: skip
        return sentences(close | {"rows": rows})[1].text

    text = by_kernel(cnn=0.004, gan=0.001)
    assert text.startswith(
        "gan generates the samples closest to the data, with a Fréchet distance of 3.20 [2.70, 3.70] and a "
        "kernel distance of 0.001 [0.0005, 0.0015]; every other model is significantly worse by at least one"
    )
    assert "none is significantly the best by Fréchet distance and kernel distance" in by_kernel(
        cnn=0.001, gan=0.0012
    )
    text = by_kernel(cnn=0.004, gan=0.002, em=0.0001)
    assert text.startswith("The figures contradict each other about whose samples are closest to the data:")
    assert "by Fréchet distance cnn at 3.00 [2.50, 3.50], by kernel distance em at 0.0001" in text


def test_missing_likelihoods_and_distances_are_stated():
    rows = read_rows([{"system": "gan", "family": "gan", "likelihood": None}])
    assert [sentence.text for sentence in details(rows, "bits/dim")] == [
        "No likelihoods to compare: gan has none.",
        "The samples of gan were not compared.",
        "No sampler was timed.",
    ]


@pytest.mark.parametrize(
    ("kernel", "words"),
    [
        (0.001, "does not differ significantly from held-out real data, at Fréchet distance 1.00 "
         "[0.50, 1.50], kernel distance 0.001 ["),
        (0.004, "is significantly farther from the training data than held-out real data, at kernel distance "
         "0.001 ["),
    ],
)  # fmt: skip
def test_a_kernel_distance_tells_a_model_from_held_out_data(kernel: float, words: str):
    """The Fréchet distances overlap."""
    report = changed("cnn", frechet=interval(1.2, 0.5), kid=interval(kernel, 0.0005))
    report["rows"][0]["kid"] = interval(0.001, 0.0005)
    assert f"cnn {words}" in sentences(report)[1].text
