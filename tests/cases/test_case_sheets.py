"""Spreadsheets"""

from pathlib import Path

import pytest

from morphogen.data import DataError
from tests.cases import case
from tests.cases.test_case_tables import ROWS, cells, columns, notes, read


@case(
    "a sheet that Excel saved in German (Windows-1252: `Preis [€]`, `säuerlich`)",
    "the same words; `--table encoding=cp1250` decides",
)
def test_a_german_sheet(tmp_path: Path) -> None:
    text = "Preis [€];Notiz\n" + "".join(f"{i % 7},5;{['gut', 'säuerlich'][i % 2]}\n" for i in ROWS)
    data = read(tmp_path / "t.csv", text.encode("cp1252"))
    assert columns(data) == ["Preis [€]", "Notiz"] and cells(data, "Notiz")[-1] == "säuerlich"
    assert "--table encoding=NAME, or iconv -f cp1250" in notes(data) and "t-utf8.csv" in notes(data)
    polish = text.replace("säuerlich", "życie").encode("cp1250")
    data = read(tmp_path / "t.csv", polish, table={"encoding": "cp1250"})
    assert cells(data, "Notiz")[-1] == "życie" and "encoding" not in notes(data)
    with pytest.raises(DataError, match="table option encoding=klingon: choose from utf-8 cp1252"):
        read(tmp_path / "t.csv", polish, table={"encoding": "klingon"})


@case("an empty file `t.csv`", "one line that asks for a table")
@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b" \r\n"])
def test_an_empty_table(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match=r"t\.csv: is empty; give a table of at least 3 rows"):
        read(tmp_path / "t.csv", content)
