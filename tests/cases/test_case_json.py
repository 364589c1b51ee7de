"""JSON"""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from morphogen.data import DataError, load_data
from tests.cases import case
from tests.cases.test_case_tables import ROWS, cells, columns, read

FRAME = pd.DataFrame(
    {
        "size": [None if i == 5 else i % 7 + 0.5 for i in ROWS],
        "kind": [["ant", "bee"][i % 2] for i in ROWS],
        "code": [f"{i % 4:03d}" for i in ROWS],
    }
)
TEXTS = [{"text": f"The story of the {i}th cat, who sat on {i} mats.", "stars": i % 5} for i in ROWS]


@case(
    "a table as JSON: `to_json(orient=...)` of pandas, a list of objects, columns of equal lists",
    "a table, as JSON lines are",
)
@pytest.mark.parametrize("orient", ["records", "columns", "index", "split", "table"])
def test_orientations(tmp_path: Path, orient: Any) -> None:
    read_as_lines = read(tmp_path / "t.jsonl", FRAME.to_json(orient="records", lines=True))
    data = read(tmp_path / "t.json", FRAME.to_json(orient=orient))
    assert data.medium == "table" and columns(data)[-3:] == ["size", "kind", "code"]
    for name in FRAME:
        assert cells(data, name) == cells(read_as_lines, name)
    assert cells(data, "code")[0] == "000" and len(cells(data, "size")) == 59


def test_other_orientations(tmp_path: Path) -> None:
    lists = json.dumps(
        {name: FRAME[name].astype(object).where(FRAME[name].notna(), None).tolist() for name in FRAME}
    )
    for content in (
        lists,
        json.dumps({"data": json.loads(FRAME.to_json(orient="records")), "page": 1}, indent=1),
        FRAME.set_axis([f"row {i}" for i in ROWS]).to_json(orient="index"),
        FRAME.set_axis([f"row {i}" for i in ROWS]).to_json(orient="columns"),
    ):
        data = read(tmp_path / "t.json", content)
        assert columns(data) == ["size", "kind", "code"] and len(cells(data, "kind")) == 60
    assert columns(read(tmp_path / "t.json", FRAME.to_json(orient="values"))) == [
        "column1",
        "column2",
        "column3",
    ]


@case("JSON lines in a file `.json`", "as in a file `.jsonl`")
def test_lines_under_another_name(tmp_path: Path) -> None:
    data = read(tmp_path / "t.json", FRAME.to_json(orient="records", lines=True))
    assert columns(data) == ["size", "kind", "code"]
    assert read(tmp_path / "t.json", "\n".join(map(json.dumps, TEXTS)), length=8).medium == "text"


@case(
    'JSON of texts: a field `"text"`, in any orientation',
    "texts, as JSON lines are; `table:PATH` reads a table",
)
@pytest.mark.parametrize("orient", ["records", "columns", "split"])
def test_texts(tmp_path: Path, orient: Any) -> None:
    data = read(tmp_path / "t.json", pd.DataFrame(TEXTS).to_json(orient=orient), length=8)
    assert data.medium == "text" and "text: field 'text'; not used: stars" in data.notes
    table = load_data(f"table:{tmp_path / 't.json'}")
    assert table.medium == "table" and "stars" in columns(table)


@case("JSON without rows, such as settings", "running text; as a table, one line that says what rows are")
@pytest.mark.parametrize(
    "content",
    [{"name": "x", "parts": {"a": 1}}, {"a": {"b": 1}, "c": {"d": 2}}, {"a": [1, 2], "b": [3]}, [], 3],
)
def test_without_rows(tmp_path: Path, content: Any) -> None:
    text = json.dumps(content) + "\n" * 3
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(DataError, match=r"t\.json: has no rows of a table; write a list of objects"):
        load_data(f"table:{tmp_path / 't.json'}")
    many = json.dumps({"name": "x", "parts": {str(i): f"part {i}" for i in range(500)}}, indent=1)
    assert read(tmp_path / "t.json", many, length=8).medium == "text"
