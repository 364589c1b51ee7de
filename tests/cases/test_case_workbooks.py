"""Excel workbooks"""

import sys
from pathlib import Path

import pandas as pd
import pytest

from morphogen.data import DataError, Dataset, load_data
from tests.cases import case
from tests.cases.test_case_tables import ROWS, cells, columns, notes

FRAME = pd.DataFrame(
    {
        "size": [None if i == 5 else i % 7 + 0.5 for i in ROWS],
        "day": pd.to_datetime([f"2024-03-{i % 28 + 1}" for i in ROWS]),
        "code": [f"{i % 4:03d}" for i in ROWS],
        "count": [i % 5 for i in ROWS],
    }
)


def saved(path: Path, above: int = 0, **sheets: pd.DataFrame) -> Dataset:
    """The data set of a workbook with these sheets."""
    with pd.ExcelWriter(path) as writer:
        for name, frame in sheets.items():
            frame.to_excel(writer, sheet_name=name, index=False, startrow=above, startcol=min(above, 1))
            if above:
                writer.sheets[name]["A1"] = "Sales of 2024"
    return load_data(str(path))


@case(
    "an Excel workbook `.xlsx`",
    "its table, with the extra `excel`; without it, the line says how to install it",
)
def test_a_workbook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved(tmp_path / "t.xlsx", Sheet1=FRAME)
    assert columns(data) == [*FRAME] and "sheet" not in notes(data)
    assert (
        "size (in steps of 1.0 from 0.5, 1.7% missing), day (dates from 2024-03-01 to 2024-03-28), code (4"
        in notes(data)
    )
    assert cells(data, "code")[0] == "000" and cells(data, "day")[-1] == "2024-03-28"
    assert data.representation.frame(data.train.first().medium).dtypes["count"] == "int64"
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(
        DataError, match=r"t\.xlsx: .* extra `excel`: pip install 'morphogen\[excel\]'; or save"
    ):
        load_data(str(tmp_path / "t.xlsx"))


@case("a workbook of several sheets", "the first one with cells, and a note; `--table sheet=NAME` decides")
def test_sheets(tmp_path: Path) -> None:
    data = saved(tmp_path / "t.xlsx", cover=pd.DataFrame(), sales=FRAME, costs=FRAME[["count", "code"]])
    assert columns(data) == [*FRAME] and "sheet 'sales'; not read: costs" in notes(data)
    chosen = load_data(str(tmp_path / "t.xlsx"), table={"sheet": "costs"})
    assert columns(chosen) == ["count", "code"]
    for sheet, message in (
        ("cost", "choose one of cover, sales, costs$"),
        ("cover", "is empty; choose another"),
    ):
        with pytest.raises(DataError, match=rf"t\.xlsx: table option sheet={sheet}: {message}"):
            load_data(str(tmp_path / "t.xlsx"), table={"sheet": sheet})


@case("a sheet with a title and empty rows above its table, or numbers as names", "the table, with a note")
def test_above_the_table(tmp_path: Path) -> None:
    data = saved(tmp_path / "t.xlsx", above=3, Sheet1=FRAME)
    assert columns(data) == [*FRAME] and "skipped above the table: 'Sales of 2024'" in notes(data)
    years = pd.DataFrame({2019 + j: [i * j % 9 + 0.5 for i in ROWS] for j in range(1, 4)})
    data = saved(tmp_path / "t.xlsx", Sheet1=years)
    assert columns(data) == ["2020", "2021", "2022"] and 'table={"header": "no"}' in notes(data)
    assert columns(load_data(str(tmp_path / "t.xlsx"), table={"header": "no"})) == [
        "column1",
        "column2",
        "column3",
    ]


@case("a workbook `.xls` or `.ods`, a damaged one", "one line: save it as .xlsx or CSV")
@pytest.mark.parametrize("suffix", [".xls", ".ods", ".xlsx"])
def test_other_workbooks(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"t{suffix}").write_bytes(b"PK\3\4" + bytes(range(99)))
    with pytest.raises(DataError, match=rf"t\{suffix}: .*; save it .* CSV$"):
        load_data(str(tmp_path / f"t{suffix}"))
