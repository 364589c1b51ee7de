"""The pictures of a table: stand-alone, with each column and pair; and its section, with every figure."""

from xml.etree import ElementTree

import pytest

from morphogen.data.table import table_of
from morphogen.evaluation.tables.table_quality import TableQuality, table_quality
from morphogen.report.synthetic_table import HEADINGS, draw_columns, draw_pairs, measure_table
from real_tables import independent, penguins

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


def test_a_pair_without_a_score_and_a_column_without_values() -> None:
    assert 'class="none"' in draw_pairs([{"columns": ["a", "b"], "score": None}])
    column = {"shape": None, "histogram": {"edges": [], "real": [], "synthetic": []}}
    assert "a</text>" in draw_columns({"a": column})
    ElementTree.fromstring(draw_columns({"<&>": column}))


def test_the_section_has_a_heading_for_every_figure() -> None:
    data = table_of("penguins", penguins().dropna(), condition="species")
    batch = data.test.first()
    section = measure_table(batch.medium, batch.condition, data)["table"]
    assert set(HEADINGS) <= set(section["figures"])
    assert "label predicted: accuracy − that of real rows" in section["figures"]
    for figure in filter(None, section["figures"].values()):
        assert figure["low"] - 1e-12 <= figure["value"] <= figure["high"] + 1e-12
    assert [picture["svg"][:4] for picture in section["pictures"]] == ["<svg"] * 2
