"""The glossary explains the columns that the page shows, and no others, for every medium."""

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from morphogen.data.table import table_of
from morphogen.media import media
from morphogen.report import write_report
from morphogen.report.synthetic_table import measure_table
from real_tables import independent, penguins
from report.rows_of import interval, likelihood, row

COMMON = ("frechet", "kid", "precision", "recall", "density", "coverage", "two_sample", "memorised")
OWN = {
    "pictures": ("recognised", "class_score"),
    "text": ("known_words", "known_pairs", "repeated"),
}  # by medium, beside the common ones


@pytest.fixture(scope="module")
def section() -> dict[str, Any]:
    data = table_of("penguins", penguins())
    columns = ["species", "flipper_length_mm"]
    batch = table_of("others", independent(penguins(), columns)).train.first(80)
    return measure_table(batch.medium, batch.condition, data)


def shown_and_explained(page: str) -> tuple[list[str], list[str]]:
    headings = re.findall(r'<th scope="col"><a href="#(term-[^"]+)">([^<]+)</a>', page)
    entries = re.findall(r'<div id="(term-[^"]+)"><dt>([^<]+)</dt><dd>[^<]{20,}</dd>', page)
    assert len(headings) == len(set(headings)), "a heading is shown once"
    return sorted(map(str, map(unescape, map(str, headings)))), sorted(map(unescape, map(str, entries)))


@pytest.mark.parametrize("medium", [*media(), "table without rules"])
def test_the_columns_shown_are_the_columns_explained(medium: str, section: dict, tmp_path: Path) -> None:
    figures = dict.fromkeys((*COMMON, *OWN.get(medium, ())), interval(0.5))
    known = row("one", "classical", likelihood(2.0), 1.0, 0.9, 10.0) | figures
    if medium == "text":
        known |= {"tokens_per_second": 5.0}
    if medium == "table":
        known |= section
    if medium == "table without rules":
        known |= {"table": {"figures": section["table"]["figures"] | {"rules_kept": None}}}
    rows = [row("real data", None, None, 1.0, 0.9, None) | dict.fromkeys(OWN.get(medium, ())), known]
    report = {"data": "d", "medium": medium.split()[0], "rows": rows}
    page = write_report(report, {}, tmp_path).read_text(encoding="utf8")
    headings, explained = shown_and_explained(page)
    assert headings == explained and len(headings) >= 9
    assert ("column shapes" in str(headings)) == medium.startswith("table")
    assert ("known words" in str(headings)) == (medium == "text")
    assert ("rules kept" in str(headings)) == (medium == "table")
    assert ("predicted" in str(headings)) == (medium == "table")
