"""Spreadsheets"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from morphogen.data import DataError, load_data
from morphogen.data.table import table_of
from tests.cases import case
from tests.cases.test_case_tables import ROWS, cells, columns, notes, read, written


@case(
    "a sheet that Excel saved in German (Windows-1252: `Preis [€]`, `säuerlich`)",
    "the same words; `--table encoding=cp1250` decides",
)
def test_a_german_sheet(tmp_path: Path) -> None:
    text = "Preis [€];Notiz\n" + "".join(f"{i % 7},5;{['gut', 'säuerlich'][i % 2]}\n" for i in ROWS)
    data = read(tmp_path / "t.csv", text.encode("cp1252"))
    assert columns(data) == ["Preis [€]", "Notiz"] and cells(data, "Notiz")[-1] == "säuerlich"
    assert 'table={"encoding": "NAME"}, or iconv -f cp1250' in notes(data) and "t-utf8.csv" in notes(data)
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


@case(
    "one `k.A.`, `-`, `n/d` or `keine` in a column of numbers or dates",
    "missing, with a note; `--table missing=usual` reads it as a word",
)
@pytest.mark.parametrize("word", ["k.A.", "-", "n.a.", "n/d", "keine", "unknown"])
@pytest.mark.parametrize("other", ["{},03", "{:02d}.03.2024"])
def test_an_odd_word(tmp_path: Path, word: str, other: str) -> None:
    data = written(
        tmp_path / "t.csv", "x;b", lambda i: f"{word if i == 7 else other.format(i % 28 + 1)};{i % 5}"
    )
    assert f"{word!r} in column 'x' is read as missing (1 cell)" in notes(data)
    assert columns(data) == ["x", "b"] and len(cells(data, "x")) == 59
    data = load_data(str(tmp_path / "t.csv"), table={"missing": "usual"})
    assert word in data.representation.columns[0].levels


@case(
    "many cells `-` or `—` in a column of prices or dates",
    "missing, with a note; words if they are most cells",
)
@pytest.mark.parametrize("sign", ["-", "--", "—", "."])
@pytest.mark.parametrize("other", ["€{},05", "{:02d}.03.2024"])
def test_many_dashes(tmp_path: Path, sign: str, other: str) -> None:
    def row(i: int, known: int) -> str:
        return f"{other.format(i % 28 + 1) if i % 3 < known else sign};{i % 5}"

    data = written(tmp_path / "t.csv", "x;b", lambda i: row(i, 2))
    assert f"{sign!r} in column 'x' is read as missing (20 cells)" in notes(data)
    assert columns(data) == ["x", "b"] and len(cells(data, "x")) == 40
    assert "is read as missing" not in notes(written(tmp_path / "u.csv", "x;b", lambda i: row(i, 1)))


@case(
    "many cells `k.A.` or other words among numbers",
    "words; `--table missing=k.A.,none` reads them as missing",
)
def test_many_odd_words(tmp_path: Path) -> None:
    def row(i: int) -> str:
        return f"{'k.A.' if i % 9 == 8 else 'none' if i == 3 else i * 0.37 % 11:};{i % 5}"

    data = written(tmp_path / "t.csv", "x;b", row)
    assert columns(data) == ["b"] and "such as 'k.A.'" in notes(data), "a culprit, not a valid number"
    data = load_data(str(tmp_path / "t.csv"), table={"missing": "k.A.,none"})
    assert columns(data) == ["x", "b"] and len(cells(data, "x")) == 53


@case("one cell `1e12` among values near 50", "left out, with its row in a note")
def test_an_enormous_cell(tmp_path: Path) -> None:
    data = written(tmp_path / "t.csv", "x,b", lambda i: f"{1e12 if i == 7 else 50 + i * 0.37 % 11},{i % 5}")
    assert "a cell is left out as extreme: row 8 has 1e+12" in notes(data) and max(cells(data, "x")) < 62


@case("heavy tails: lognormal, Cauchy, or a tenth of all values enormous", "all values")
def test_heavy_tails() -> None:
    random = np.random.default_rng(0)
    mixture = np.where(np.arange(1000) % 10, random.random(1000), 1e9 + random.random(1000))
    for values in (random.lognormal(0, 3, 1000), random.standard_cauchy(1000), mixture):
        data = table_of("t", pd.DataFrame({"x": values, "b": np.arange(1000) % 5}))
        assert len(cells(data, "x")) == 1000 and "extreme" not in notes(data)


@case("three rows that differ only in columns that were dropped", "one line that says so")
def test_few_rows_of_dropped_columns(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t\.csv: .*; column 'id' dropped: it only counts the rows"):
        read(tmp_path / "t.csv", "id,x,y\n1,5,8\n2,6,9\n3,5,8\n")


@case(
    "a column that is a copy of another, or the same in other units",
    "both, and a note with the option that leaves one out",
)
def test_a_copy_of_a_column(tmp_path: Path) -> None:
    rows = "".join(f"{i * 37 % 23},{i * 37 % 23 * 2.54:.2f},{i % 7}\n" for i in range(50))
    data = read(tmp_path / "t.csv", "inches,cm,n\n" + rows)
    assert "columns 'inches', 'cm' determine each other" in notes(data)
    assert columns(data) == ["inches", "cm", "n"]
    data = read(tmp_path / "t.csv", "inches,cm,n\n" + rows, table={"drop": "cm"})
    assert "determine" not in notes(data) and columns(data) == ["inches", "n"]


@case("a column that is empty in 84 of 100 rows", "used, and a note that says so of the whole table")
def test_a_mostly_empty_column(tmp_path: Path) -> None:
    rows = "".join(f"{['yes', 'no'][i % 2] if i % 25 < 4 else ''},{i % 7}\n" for i in range(100))
    data = read(tmp_path / "t.csv", "seen,n\n" + rows)
    assert "column 'seen' is missing in 84% of the rows; so it is in samples" in data.notes
    assert "seen (2 categories, 84% missing)" in notes(data) and "'n' is missing" not in notes(data)


@case("a last row `Total,$1770.00`, or one above a line on the source", "data, with a note and the class")
@pytest.mark.parametrize("foot", ["Total,$1770.00\n", "TOTAL,$1770.00\nSource: Office,\n"])
def test_a_row_of_totals(tmp_path: Path, foot: str) -> None:
    text = "shop,sales\n" + "".join(f"s{i % 4},${i}.00\n" for i in ROWS) + foot
    data = read(tmp_path / "t.csv", text, condition="shop")
    assert "(the sum of 'sales') and is read as data" in notes(data)
    assert f"{foot[:5]!r} as a class of 'shop': leave it out" in notes(data)
    pd.read_csv(tmp_path / "t.csv").to_excel(tmp_path / "t.xlsx", index=False)
    assert f"row 61 ({foot[:5]!r}) looks like totals" in notes(load_data(str(tmp_path / "t.xlsx")))


TITLED = "Quarterly report,,\n,,\nshop,sales,share\n"


@case(
    "a title, an empty row or a line below the table, padded with separators: `Quarterly report,,`",
    "the table below the title; the line is noted, and empty rows are left out",
)
@pytest.mark.parametrize("head", [TITLED, ",,\nReport,,\nMay 2024,,\n,,\nshop,sales,share\n"])
@pytest.mark.parametrize("mark", [",", ";"])
def test_padded_titles(tmp_path: Path, head: str, mark: str) -> None:
    body = "".join(f"s{i % 4},{i * i % 17},{i % 9}.5\n" for i in ROWS)
    foot = f",,\nTotal,{sum(i * i % 17 for i in ROWS)},\nSource: Office,,\n"
    data = read(tmp_path / "t.csv", (head + body + foot).replace(",", mark))
    assert columns(data) == ["shop", "sales", "share"] and len(cells(data, "sales")) == 61
    assert "skipped above the table: '" in notes(data) and "1 row without a cell, left out" in notes(data)
    assert "row 61 ('Total') looks like totals (the sum of 'sales')" in notes(data)
    line = "row 62 ('Source: Office') looks like a line below the table and is read as data, 'Source: Office'"
    assert f"{line} as a category of 'shop': leave it out of the file" in notes(data)


@case("years as names below a padded title", "names; `--table header=no` reads all rows as data")
def test_padded_titles_by_option(tmp_path: Path) -> None:
    text = "Report,,\nshop,2023,2024\n" + "".join(f"s{i % 4},{i * i % 17},{i % 9}.5\n" for i in ROWS)
    for options, names in (({}, "shop 2023 2024"), ({"header": "yes"}, "shop 2023 2024")):
        assert columns(read(tmp_path / "t.csv", text, table=options)) == names.split()
    data = load_data(str(tmp_path / "t.csv"), table={"header": "no"})
    assert columns(data)[0] == "column1" and "skipped" not in notes(data)


@case("first or last rows with a single cell, and many empty cells", "data, as all other rows")
def test_nearly_empty_rows(tmp_path: Path) -> None:
    for head, name in (("", "column1"), ("a,b,c\n", "a")):
        rows = ["1,,", "3,,", *(f"{i % 7},{i % 5 if i % 3 else ''},{i * 3 % 11}" for i in ROWS), "4,,"]
        data = read(tmp_path / "t.csv", head + "\n".join(rows))
        assert len(cells(data, name)) == 63 and "skipped" not in notes(data) and "a line" not in notes(data)
    data = read(tmp_path / "t.csv", "kind,\n" + "".join(f"{'xyz'[i % 3]},\n" for i in ROWS))
    assert columns(data) == ["kind"] and len(cells(data, "kind")) == 60
    text = "kind,x,y\n" + "".join(f"k{i % 3},{i % 5 if i % 4 else ''},\n" for i in ROWS) + "k7,,\n"
    assert "a line" not in notes(read(tmp_path / "t.csv", text))


@case("a line below the table in a sheet `.xlsx`", "noted, with the class that it becomes")
def test_a_line_below_a_sheet(tmp_path: Path) -> None:
    rows = [*((f"s{i % 4}", i * i % 17, i % 9) for i in ROWS), (None,) * 3, ("Source: Office", None, None)]
    frame = pd.DataFrame(rows, columns=["shop", "sales", "share"])
    frame.to_excel(tmp_path / "t.xlsx", index=False)
    data = load_data(str(tmp_path / "t.xlsx"), condition="shop")
    assert "row 61 ('Source: Office') looks like a line below the table" in notes(data)
    assert "'Source: Office' as a class of 'shop'" in notes(data)


@case(
    "no header, and cells with currency, percent, dates or times: `a,$1.50`, `b,31/12/2024`, `c,10:30`",
    "data, and columns `column1`, `column2`, ..., with a note",
)
@pytest.mark.parametrize(
    "cell", ["${i}.50", "{i} %", "2024-03-{i}", "{i}/03/2024", "{i}.3.2024", "{i}:30", "2024-03-{i} 10:30"]
)
def test_amounts_and_dates_without_names(cell: str, tmp_path: Path) -> None:
    rows = [f"{'abc'[i % 3]},{cell.format(i=10 + i % 13)}" for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    data = load_data(str(tmp_path / "t.csv"))
    assert any("no header row: the first row has numbers or dates (" in note for note in data.notes)
    assert sum(map(len, (data.train, data.valid, data.test))) == 60
    for header in ("kind,value", "kind,10%", "kind,2024-01-01"):
        below = rows if header == "kind,value" else [f"{'abc'[i % 3]},{i % 7}" for i in range(60)]
        (tmp_path / "t.csv").write_text("\n".join([header, *below]))
        named = load_data(str(tmp_path / "t.csv")).representation.columns
        assert [column.name for column in named] == header.split(",")
