"""The tables of a terminal have the columns of the report, and are cut where the terminal ends."""

import re

import pytest
from rich.console import Console

from morphogen.compare import table
from morphogen.report.rows import MEASURES, TABLE_MEASURES
from report.rows_of import REPORT, changed, interval, model

FIGURES = {measure.key: interval(0.25 + 0.01 * i) for i, measure in enumerate(TABLE_MEASURES)}
OF_TABLES = REPORT | {
    "unit": "bits/cell",
    "rows": [
        REPORT["rows"][0] | {"two_sample": interval(0.51)},
        model("flow", two_sample=interval(0.62), **FIGURES),
        model("mixture", **{key: interval(0.9) for key in FIGURES}),
    ],
}


def printed(report: dict, width: int = 400) -> list[str]:
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(table(report))
    return console.export_text().splitlines()


def words(report: dict, width: int = 400) -> str:
    return re.sub(r"\s+", " ", " ".join(printed(report, width)))


def test_a_table_has_the_figures_of_its_sections_and_of_told_apart():
    text = words(OF_TABLES)
    flow = [re.sub(r"\s+", " ", line).strip() for line in printed(OF_TABLES) if " flow " in line]
    assert "told apart" in text and " 0.62 " in flow[0]
    assert "Columns, pairs and rules of the table" in text
    assert flow[1] == "flow 0.25 0.26 0.27 0.28 0.29 0.30 0.31 0.32"
    single = {word for measure in TABLE_MEASURES for word in measure.heading.split()}
    assert single <= set(text.split())


def test_pictures_have_every_column_that_the_report_has():
    rows = [
        row | {m.key: interval(0.4) for m in MEASURES if m.key != "likelihood" and row.get("parameters")}
        for row in REPORT["rows"]
    ]
    text = words(REPORT | {"unit": "bits/dim", "rows": rows})
    for measure in MEASURES[1:]:
        assert set(measure.heading.split()) <= set(text.split()), measure.heading
    assert "bits/dim" in text and "≤ 2.50".replace("\xa0", " ") in text


@pytest.mark.parametrize("width", [40, 80, 100])
def test_a_wide_table_continues_below_without_a_cut_cell(width):
    lines = printed(OF_TABLES, width)
    assert max(map(len, lines)) <= width and "…" not in "".join(lines)
    assert words(OF_TABLES, width).count(" flow ") > 2
    wide, narrow = (sorted(re.findall(r"\d\.\d\d", words(OF_TABLES, w))) for w in (400, width))
    assert wide == narrow, "nothing is lost or repeated"


def test_a_failed_system_and_a_figure_that_is_not_comparable_have_no_figures():
    report = changed("gan", error="out of memory", likelihood=None, frechet=None) | {"unit": "bits/dim"}
    assert "gan (failed)" in words(report)
    rows = [row | {"frechet": row["frechet"] | {"provenance": {"seed": i // 3}}}
            for i, row in enumerate(REPORT["rows"][:4])]  # fmt: skip
    text = printed(REPORT | {"unit": "bits/dim", "rows": rows})
    assert "4.50" not in "".join(text) and "6.00" in "".join(text), "gan has another seed"
