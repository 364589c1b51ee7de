"""The verdict follows from the intervals, and each figure in it links to its cell."""

from typing import Any

from morphogen.report.rows import read_rows
from morphogen.report.verdict import Link, Sentence, verdict
from report.rows_of import REPORT, changed, interval, likelihood


def sentences(report: dict[str, Any]) -> list[Sentence]:
    return verdict(read_rows(report["rows"]), "bits/dim")


def anchors(sentence: Sentence) -> set[str]:
    return {word.anchor for word in sentence.words if isinstance(word, Link)}


def test_three_sentences_linked_to_the_measured_cells():
    first, second, third = sentences(REPORT)
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
    assert third.text.startswith(
        "em samples fastest, at 9,000 per second, 900 times as fast as ddpm at 10 per second"
    )
    assert (
        "gan misses part of the data: its recall is 0.60 [0.55, 0.65], compared with 0.95" in third.text
        and "row-gan-recall" in anchors(third)
    )


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
        "no other model's interval overlaps with it; cnn is significantly farther from the training data "
        "than held-out real data, at 1.00 [0.50, 1.50]." in default
    )
    overlapping = sentences(changed("gan", frechet=interval(3.2, 0.5)))[1].text
    assert overlapping.startswith(
        "Which model generates the samples closest to the data is undecided between cnn and gan, whose "
        "intervals overlap; the smallest Fréchet distance is 3.00"
    )
    assert (
        "cnn does not differ significantly from held-out real data"
        in sentences(changed("cnn", frechet=interval(1.2, 0.3)))[1].text
    )


def test_the_third_sentence_follows_the_speeds_and_the_caveats():
    assert sentences(changed("cnn", samples_per_second=1e6))[2].text.startswith(
        "cnn samples fastest, at 1,000,000 per second"
    )
    copying = sentences(changed("ddpm", memorised=interval(0.3, 0.05) | {"chance": 0.01}))[2]
    assert "check ddpm for memorisation before releasing it: 30 % [25, 35]" in copying.text
    assert "row-ddpm-memorised" in anchors(copying)
    assert "misses" not in sentences(changed("gan", recall=interval(0.93)))[2].text
    assert (
        "copies" not in sentences(changed("ddpm", memorised=interval(0.03, 0.02) | {"chance": 0.02}))[2].text
    ), "within the fraction expected by chance"


def test_missing_likelihoods_and_distances_are_stated():
    rows = read_rows([{"system": "gan", "family": "gan", "likelihood": None}])
    assert [sentence.text for sentence in verdict(rows, "bits/dim")] == [
        "No likelihoods to compare: gan has none.",
        "The samples of gan were not compared.",
        "No sampler was timed.",
    ]
