"""Excel workbooks"""

import sys
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
import xlwt

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
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(
        DataError, match=r"t\.xlsx: .* extra `excel`: pip install 'morphogen\[excel\]'; or save"
    ):
        load_data(str(tmp_path / "t.xlsx"))


@case("a workbook of several sheets", "the first one with a table, and a note; `--table sheet=NAME` decides")
def test_sheets(tmp_path: Path) -> None:
    data = saved(tmp_path / "t.xlsx", cover=pd.DataFrame(), sales=FRAME, costs=FRAME[["count", "code"]])
    assert columns(data) == [*FRAME] and "sheet 'sales'; not read: costs" in notes(data)
    chosen = load_data(str(tmp_path / "t.xlsx"), table={"sheet": "costs"})
    assert columns(chosen) == ["count", "code"]
    for sheet, message in (
        ("cost", r"did you mean 'costs'\? choose one of cover, sales, costs$"),
        ("Sales", r"did you mean 'sales'\? choose one of cover, sales, costs$"),
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


def as_xls(path: Path) -> None:
    """FRAME as an Excel 97 workbook, with xlwt."""
    book = xlwt.Workbook()
    sheet, date = book.add_sheet("Sheet1"), xlwt.easyxf(num_format_str="YYYY-MM-DD")
    for j, name in enumerate(FRAME):
        sheet.write(0, j, name)
        for i, cell in enumerate(FRAME[name].astype(object)):
            if name == "day":
                sheet.write(i + 1, j, cell.to_pydatetime(), date)
            elif pd.notna(cell):
                sheet.write(i + 1, j, cell)
    book.save(str(path))


def as_ods(path: Path) -> None:
    """FRAME as an OpenDocument sheet, with odfpy."""
    FRAME.to_excel(path, index=False, engine="odf")


@case("a workbook `.xls` of Excel 97, or `.ods` of LibreOffice", "its table, as that of `.xlsx`")
@pytest.mark.parametrize(("suffix", "write"), [(".xls", as_xls), (".ods", as_ods)])
def test_workbooks_of_other_formats(tmp_path: Path, suffix: str, write: Callable[[Path], None]) -> None:
    """Under their own suffix and that of another format."""
    expected, path = saved(tmp_path / "as.xlsx", Sheet1=FRAME), tmp_path / f"t{suffix}"
    write(path)
    for renamed in (path, tmp_path / "renamed.xlsx"):
        data = load_data(str(path.rename(renamed)))
        assert columns(data) == [*FRAME]
        for column in FRAME:
            assert cells(data, column) == cells(expected, column), column


@case("a damaged workbook", "one line: save it again, or as CSV")
@pytest.mark.parametrize("suffix", [".xls", ".ods", ".xlsx"])
@pytest.mark.parametrize("mark", [b"PK\3\4", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"<html>"])
def test_damaged_workbooks(tmp_path: Path, suffix: str, mark: bytes) -> None:
    (tmp_path / f"t{suffix}").write_bytes(mark + bytes(range(99)))
    with pytest.raises(DataError, match=rf"t\{suffix}: [^\n]*; save it .* CSV$"):
        load_data(str(tmp_path / f"t{suffix}"))


def test_a_workbook_on_which_its_reader_panics(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The reader is written in Rust: its panics are no `Exception`, and it prints them."""
    as_xls(tmp_path / "t.xls")
    content = (tmp_path / "t.xls").read_bytes()
    (tmp_path / "t.xls").write_bytes(content[: len(content) - 512])
    with pytest.raises(DataError, match=r"t\.xls: pandas cannot read it as a workbook \([^\n]*; save it"):
        load_data(str(tmp_path / "t.xls"))
    assert capfd.readouterr().err == ""


@case(
    "names in two rows: `2024` and `2025`, merged over `Preis` and `Menge` each",
    "columns `2024 Preis`, `2024 Menge`, `2025 Preis`, ...; a merged title above stays a title",
)
@pytest.mark.parametrize("corner", ["merged", "empty", "below"])
def test_merged_names(tmp_path: Path, corner: str) -> None:
    book = openpyxl.Workbook()
    page = book.active
    page["A1"] = "Sales"
    page.merge_cells("A1:C1")
    page["A3" if corner == "merged" else "A4"] = "" if corner == "empty" else "Filiale"
    if corner == "merged":
        page.merge_cells("A3:A4")
    for place, year in (("B3:C3", 2024), ("D3:E3", 2025)):
        page[place[:2]] = year
        page.merge_cells(place)
    for row in (
        [None, "Preis", "Menge", "Preis", "Menge"],
        *([f"s{i % 3}", i / 4, i % 5, i / 8, i % 7] for i in ROWS),
    ):
        start = 4 if row[0] is None else page.max_row + 1
        for j, value in enumerate(row, 1):
            if value is not None:
                page.cell(start, j, value)
    book.save(tmp_path / "t.xlsx")
    data = load_data(str(tmp_path / "t.xlsx"))
    first = "Unnamed: 0" if corner == "empty" else "Filiale"
    assert columns(data) == [first, "2024 Preis", "2024 Menge", "2025 Preis", "2025 Menge"]
    assert "skipped above the table: 'Sales'" in notes(data)


@case(
    "cells merged over several rows: `North` beside five shops",
    "the value in each of these rows, with a note; a line of text that is merged over all columns stays one",
)
def test_merged_cells(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    page = book.active
    page.append(["Sales of 2024"])
    page.append(["Region", "Shop", "Sales", "Share"])
    for i in ROWS:
        page.append([["North", "South", "East"][i // 5 % 3] if i % 5 == 0 else None, f"s{i % 4}", i * i % 17])
        page.cell(i + 3, 4, i % 7 if i % 20 != 9 else None)
    page.append(["Source: Office"])
    for i in range(3, 63, 5):
        page.merge_cells(f"A{i}:A{i + 4}")
    page.merge_cells("C12:D12")
    for row in (1, 63):
        page.merge_cells(f"A{row}:D{row}")
    value = page["C12"].value
    book.save(tmp_path / "t.xlsx")
    data = load_data(str(tmp_path / "t.xlsx"))
    assert columns(data) == ["Region", "Shop", "Sales", "Share"]
    assert [cells(data, "Region").count(name) for name in ("North", "South", "East")] == [20, 20, 20]
    assert len(cells(data, "Share")) == 58 and value in cells(data, "Share")
    assert "merged cells of 'Region', 'Share': 49 empty cells have the value of their range" in notes(data)
    assert "row 61 ('Source: Office') looks like a line below the table" in notes(data)


@case(
    "a first sheet with a line or two of text, before one with a table",
    "the table, with a note; an error about another sheet names them all",
)
@pytest.mark.parametrize("lines", [1, 4])
def test_a_cover_sheet(tmp_path: Path, lines: int) -> None:
    about = pd.DataFrame({"About": [f"line {i}" for i in range(lines)]})
    data = saved(tmp_path / "t.xlsx", About=about, Data=FRAME)
    assert columns(data) == [*FRAME] and "sheet 'Data'; not read: About" in notes(data)
    with pytest.raises(DataError, match=r"this is sheet 'About', and table=\{\"sheet\": \"Data\"\} reads"):
        load_data(str(tmp_path / "t.xlsx"), table={"sheet": "About"})
    pairs = pd.DataFrame({"Author": [f"a{i}" for i in range(5)], "Address": [f"b{i}" for i in range(5)]})
    with pytest.raises(DataError, match=r"t\.xlsx: no usable column .* reads another of About, Data$"):
        saved(tmp_path / "t.xlsx", About=pairs, Data=FRAME)
