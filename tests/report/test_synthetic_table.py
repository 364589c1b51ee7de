"""The pictures of a table: stand-alone, with each column and pair; and its section, with every figure."""

import re
from typing import Any
from xml.etree import ElementTree

import pytest

from morphogen.data.table import table_of
from morphogen.evaluation.tables.table_quality import TableQuality, table_quality
from morphogen.report.rows import TABLE_MEASURES, read_rows
from morphogen.report.sections import sections
from morphogen.report.synthetic_table import draw_columns, draw_pairs, measure_table
from morphogen.report.table_section import MOST_RULES, rules_listing, table_measures
from real_tables import independent, penguins
from report.rows_of import interval, model, row

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def quality() -> TableQuality:
    table = penguins()
    return table_quality(table[::2], table[1::2], independent(table[1::2], ["species"]))


def test_columns_are_drawn(quality: TableQuality) -> None:
    root = ElementTree.fromstring(draw_columns(quality["columns"]))
    words = [element.text for element in root.iter(f"{SVG}text")]
    assert len(words) == 8 and words[0] == f"species {quality['columns']['species']['shape']['value']:.2f}"
    lines = [element.get("points", "").split() for element in root.iter(f"{SVG}polyline")]
    assert len(lines) == 8 and len(lines[0]) == 2 * 3  # two points per bar, three species
    areas = list(root.iter(f"{SVG}rect"))
    assert len(areas) == sum(len(column["histogram"]["real"]) for column in quality["columns"].values())
    assert max(float(area.get("height", 0)) for area in areas[:3]) <= 70


def test_pairs_are_the_darker_the_farther_they_are(quality: TableQuality) -> None:
    root = ElementTree.fromstring(draw_pairs(quality["pairs"]))
    cells = list(root.iter(f"{SVG}rect"))
    assert len(cells) == 8 * 7  # both triangles
    opacity = [float(cell.get("fill-opacity", 0)) for cell in cells[::2]]
    scores = [pair["score"]["value"] for pair in quality["pairs"]]
    assert opacity == pytest.approx([max(0.04, 1 - score) for score in scores], abs=0.006)


def test_long_names_of_columns_are_not_cut() -> None:
    """Up to 25 characters; a longer one ends with an ellipsis."""
    names = ["flipper_length_mm", "x" * 25, "y" * 60]
    text = draw_pairs([{"columns": [name, "short"], "score": None} for name in names])
    assert all(text.count(f">{name}<") == 2 for name in names[:2]) and "y" * 60 not in text and "y…" in text


def test_a_pair_without_a_score_and_a_column_without_values() -> None:
    assert 'class="none"' in draw_pairs([{"columns": ["a", "b"], "score": None}])
    column = {"shape": None, "histogram": {"edges": [], "real": [], "synthetic": []}}
    assert "a</text>" in draw_columns({"a": column})
    ElementTree.fromstring(draw_columns({"<&>": column}))


def test_a_column_of_many_values_says_what_new_real_rows_have() -> None:
    histogram = {"levels": ["a"], "real": [1.0], "synthetic": [1.0]}
    column = {"shape": {"value": 0.84}, "histogram": histogram, "least_total_variation": 0.144}
    assert "tailnum 0.84 of 0.86</text>" in draw_columns({"tailnum": column})
    assert "dest 0.84</text>" in draw_columns({"dest": column | {"least_total_variation": 0.02}})


def test_the_section_has_a_figure_for_every_measure() -> None:
    data = table_of("penguins", penguins().dropna(), condition="species")
    batch = data.train.first(60)
    section = measure_table(batch.medium, batch.condition, data)["table"]
    assert {measure.key for measure in TABLE_MEASURES} | {"predicted species"} == set(section["figures"])
    for figure in filter(None, section["figures"].values()):
        assert figure["low"] - 1e-12 <= figure["value"] <= figure["high"] + 1e-12
    assert [picture["svg"][:4] for picture in section["pictures"]] == ["<svg"] * 3
    held_out = data.test.first()
    real = measure_table(held_out.medium, held_out.condition, data)["table"]["figures"]
    assert real["closer"] is None and "predicted species" not in real, "not compared with themselves"


def test_a_predicted_column_is_explained_with_what_real_rows_reach() -> None:
    usefulness = {
        "column": "Body <Mass>",
        "measure": "r2",
        "difference": interval(-0.2),
        "real": interval(0.76),
        "baseline": interval(-0.01),
    }
    found = {"figures": {"predicted Body <Mass>": interval(-0.2)}, "details": {"usefulness": [usefulness]}}
    rows = read_rows([row("real data", None, None, 1.0, 0.9, None), model("mixture") | {"table": found}])
    measure = table_measures(rows)[-1]
    assert (measure.key, measure.heading) == ("predicted Body <Mass>", "Body <Mass> predicted")
    assert "0: the samples are as useful as real rows" in measure.meaning
    assert "Trained on real rows it is 0.76; always answering with the mean gives -0.01" in measure.meaning
    assert sections(rows)[0].columns[-1] == measure
    assert re.fullmatch(r"[\w.-]+", sections(rows)[0].lines[0][1][-1].anchor), "safe in a link"


def test_rules_are_listed_with_the_worst_kept_first() -> None:
    def rules(*kept: float | None) -> dict[str, Any]:
        listed = [
            {"text": f"a{i} → b", "held_out": interval(1.0, 0), "synthetic": share and interval(share)}
            for i, share in enumerate(kept)
        ]
        return {"table": {"details": {"rules": listed}}}

    real = row("real data", None, None, 1.0, 0.9, None) | rules(1.0, 1.0, 1.0)
    one, other = model("one") | rules(0.9, 0.8, 0.95), model("other") | rules(0.99, 0.85, 0.3)
    listing = rules_listing(read_rows([real, one, other]))
    assert listing is not None and listing.headings == ["held-out rows", "one", "other"]
    texts = [[label, *(cell.text for cell in cells)] for label, cells in listing.lines]
    assert texts == [
        ["a2 → b", "1.00", "0.95", "0.30"],
        ["a1 → b", "1.00", "0.80", "0.85"],
        ["a0 → b", "1.00", "0.90", "0.99"],
    ]
    assert listing.lines[0][1][2].interval == "0.25 – 0.35"
    unknown = rules_listing(read_rows([real, model("one") | rules(None)]))
    assert unknown is not None and [cell.text for cell in unknown.lines[0][1]] == ["1.00", "–"]
    assert rules_listing(read_rows([real])) is None
    many = rules_listing(read_rows([model("one") | rules(*[0.5] * (MOST_RULES + 1))]))
    assert many is not None and len(many.lines) == MOST_RULES
    assert f"The {MOST_RULES} that are kept worst of {MOST_RULES + 1}" in many.lead
