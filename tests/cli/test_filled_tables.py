"""`edit TABLE`: filled cells are written as the others of their column, and all else of the file stays."""

from datetime import datetime

import openpyxl
import pytest

from tests.command_line import run

HEAD = "Bericht\nFiliale;Preis;Menge;;Rabatt;Menge\n"
ROWS = [
    f"{'AB'[i % 2]};1.{i + 10}0,50 €;{i % 3};;{f'{i % 4} %' if i % 5 else ''};{i % 7},0" for i in range(60)
]


@pytest.fixture
def sheet(tmp_path, monkeypatch):
    """A German table with a title, a column without a name, and two columns of one name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_bytes((HEAD + "\n".join([*ROWS, ""])).replace("\n", "\r\n").encode("cp1252"))
    assert run(monkeypatch, "train", "table_mixture", "--data", "t.csv", "--size", "tiny") == 0
    return tmp_path


def test_filled_cells_have_the_format_of_their_column_and_all_else_stays(sheet, monkeypatch):
    text = (HEAD + "\n".join([*ROWS, ""])).replace("2,0\n", "\n").replace(";1.200,50 €;", ";;")
    (sheet / "gaps.csv").write_bytes(text.replace("\n", "\r\n").encode("cp1252"))
    assert run(monkeypatch, "edit", "gaps.csv", "--out", "whole.csv") == 0
    whole = (sheet / "whole.csv").read_bytes().decode("utf-8-sig")
    assert whole.startswith(HEAD.replace("\n", "\r\n")) and "\n" not in whole.replace("\r\n", "")
    given = [line.split(";") for line in text.splitlines()[2:]]
    filled = [line.split(";") for line in whole.splitlines()[2:]]
    for row, other in zip(given, filled, strict=True):
        assert all(cell in ("", new) for cell, new in zip(row, other, strict=True))
        assert other[3] == "" and other[4] in ("0 %", "1 %", "2 %", "3 %")
        assert other[5][1:] == ",0" and other[1].startswith("1.") and other[1].endswith(",50 €")


def test_cells_of_a_workbook_are_filled_in_a_copy_of_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    book = openpyxl.Workbook()
    page = book.active
    page.title, page["B1"] = "Umsatz", "Report"
    for j, name in enumerate(("Filiale", "Tag", None, "Rabatt"), 2):
        page.cell(3, j, name)
    for i in range(60):
        page.cell(4 + i, 2, "AB"[i % 2])
        page.cell(4 + i, 3, datetime(2025, 1, 1 + i % 28) if i % 9 else None).number_format = "DD.MM.YYYY"
        if i % 5:
            page.cell(4 + i, 5, i % 4 / 100).number_format = "0%"
    page["E9"] = "=1/100"
    book.create_sheet("Notizen")["A1"] = "=1+1"
    book.save("t.xlsx")
    assert run(monkeypatch, "train", "table_mixture", "--data", "t.xlsx", "--size", "tiny") == 0
    assert "column 4 has no name and no cell: left out" in " ".join(capsys.readouterr().out.split())
    assert run(monkeypatch, "edit", "t.xlsx", "--out", "new.xlsx") == 0
    new = openpyxl.load_workbook("new.xlsx")
    assert new.sheetnames == ["Umsatz", "Notizen"] and new["Notizen"]["A1"].value == "=1+1"
    for old, filled in zip(page.iter_rows(), new["Umsatz"].iter_rows(), strict=True):
        for cell, other in zip(old, filled, strict=True):
            if cell.value is not None or cell.row < 4 or cell.column in (1, 4):
                assert (other.value, other.number_format) == (cell.value, cell.number_format)
            else:
                assert isinstance(other.value, datetime | float | int)
                assert other.number_format == ("DD.MM.YYYY" if cell.column == 3 else "0%")


def test_other_formats_than_xlsx_lose_the_rest_of_the_workbook_with_a_note(tmp_path, monkeypatch, capsys):
    import pandas as pd

    monkeypatch.chdir(tmp_path)
    rows = {"kind": ["ab"[i % 2] for i in range(40)], "size": [i % 5 or None for i in range(40)]}
    pd.DataFrame(rows).to_excel("t.ods", index=False, engine="odf")
    assert run(monkeypatch, "train", "table_mixture", "--data", "t.ods", "--size", "tiny") == 0
    assert run(monkeypatch, "edit", "t.ods", "--out", "new.xlsx") == 0
    assert "note: new.xlsx has the table of t.ods alone" in " ".join(capsys.readouterr().err.split())
    assert pd.read_excel("new.xlsx").notna().all(axis=None)


def test_merged_cells_of_a_workbook_are_not_drawn(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    book = openpyxl.Workbook()
    page = book.active
    page.append(["Region", "Sales", "Shop"])
    for i in range(60):
        page.append(["NS"[i // 5 % 2] if i % 5 == 0 else None, i * i % 7 if i % 9 else None, "xyz"[i % 3]])
    for first in range(2, 62, 5):
        page.merge_cells(f"A{first}:A{first + 4}")
    book.save("t.xlsx")
    assert run(monkeypatch, "train", "table_mixture", "--data", "t.xlsx", "--size", "tiny") == 0
    assert run(monkeypatch, "edit", "t.xlsx", "--out", "new.xlsx") == 0
    filled = openpyxl.load_workbook("new.xlsx").active
    assert [cell.value for cell in filled["A"]] == [cell.value for cell in page["A"]]
    assert all(cell.value is not None for cell in filled["B"]) and len(filled.merged_cells.ranges) == 12
    assert run(monkeypatch, "edit", "t.xlsx", "--out", "new.csv") == 0
    lines = (tmp_path / "new.csv").read_text("utf-8-sig").splitlines()
    assert [line[0] for line in lines[1:]] == ["NS"[i // 5 % 2] for i in range(60)]
