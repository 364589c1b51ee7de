"""The verdict says what the intervals carry, and nothing else: it turns with the figures, and each figure leads to its cell."""

from typing import Any

from morphogen.report.rows import read_rows
from morphogen.report.verdict import Link, Sentence, verdict
from report.rows_of import REPORT, changed, interval, likelihood


def said(report: dict[str, Any]) -> list[Sentence]:
    return verdict(read_rows(report["rows"]), "bits/dim")


def anchors(sentence: Sentence) -> set[str]:
    return {word.anchor for word in sentence.words if isinstance(word, Link)}


def test_three_sentences_each_tied_to_measured_cells():
    first, second, third = said(REPORT)
    assert first.text == (
        "cnn explains held-out data best: =\xa01.80 bits/dim [1.78, 1.82] (exact), 1.10 less than WebP lossless (=\xa02.90), "
        "0.70 less than em (≤\xa02.50); no other model's interval reaches it (a bound, ≤, may hide a better truth)."
    )
    assert anchors(first) == {"row-cnn", "row-cnn-likelihood", "row-webp-lossless-likelihood", "row-em-likelihood"}
    assert second.text.startswith("cnn draws the samples closest to the data") and "row-cnn-frechet" in anchors(second)
    assert third.text.startswith("em samples fastest, 9,000 a second, 900 times as fast as ddpm at 10 a second")
    assert "beware of gan: its recall of 0.60 against 0.95" in third.text and "row-gan-recall" in anchors(third)


def test_the_first_sentence_turns_with_the_likelihoods():
    other = said(changed("ddpm", likelihood=likelihood(1.5, "lower_bound")))[0].text
    assert other.startswith("ddpm explains held-out data best: ≤\xa01.50 bits/dim [1.48, 1.52] (a bound)")
    assert "so the first place is open" in said(changed("ddpm", likelihood=likelihood(1.81, "lower_bound")))[0].text
    codec = said(changed("WebP lossless", likelihood=likelihood(1.2)))[0].text
    assert "yet 0.60 more than WebP lossless (=\xa01.20), which no model beats" in codec
    assert "within the error of WebP lossless" in said(changed("WebP lossless", likelihood=likelihood(1.82)))[0].text


def test_the_second_sentence_turns_with_the_distances():
    assert said(changed("gan", frechet=interval(2.0, 0.1)))[1].text.startswith("gan draws the samples closest")
    assert "no other model's interval reaches it, still apart from held-out real data" in said(REPORT)[1].text
    overlapping = said(changed("gan", frechet=interval(3.2, 0.5)))[1].text
    assert "the interval of gan overlaps with it: they cannot be told apart" in overlapping
    assert "it cannot be told from held-out real data" in said(changed("cnn", frechet=interval(1.2, 0.3)))[1].text


def test_the_third_sentence_turns_with_the_clock_and_the_warnings():
    assert said(changed("cnn", samples_per_second=1e6))[2].text.startswith("cnn samples fastest, 1,000,000 a second")
    copying = said(changed("ddpm", memorised=interval(0.3, 0.05) | {"chance": 0.01}))[2]
    assert "before you release ddpm, look at its copies: 30 % [25, 35]" in copying.text
    assert "row-ddpm-memorised" in anchors(copying)
    assert "beware" not in said(changed("gan", recall=interval(0.93)))[2].text
    assert "copies" not in said(changed("ddpm", memorised=interval(0.03, 0.02) | {"chance": 0.02}))[2].text, "within what chance allows"


def test_without_likelihoods_or_distances_it_says_so():
    rows = read_rows([{"system": "gan", "family": "gan", "likelihood": None}])
    assert [sentence.text for sentence in verdict(rows, "bits/dim")] == [
        "No likelihood can be compared: gan has none.",
        "The samples of gan were not measured.",
        "No sampler was timed.",
    ]
