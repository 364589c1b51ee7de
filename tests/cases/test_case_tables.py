"""Tables"""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from pyarrow import parquet, table

from morphogen.data import DataError, Dataset, load_data
from morphogen.data.csv_dialect import find_dialect
from morphogen.data.table import table_of, table_of_parts
from morphogen.data.table_options import TableOptions
from morphogen.evaluation.nearest import nearest_rows
from morphogen.media.table import TABLE
from tests.cases import case

ROWS = range(60)


def read(path: Path, content: str | bytes, **options: object) -> Dataset:
    """The data set of a file with this content."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load_data(str(path), **options)  # type: ignore[arg-type]


def written(path: Path, head: str, row: object, **options: object) -> Dataset:
    """The data set of a file with a header and 60 rows, `row(i)` each."""
    return read(path, "\n".join([head, *map(row, ROWS)]) + "\n", **options)  # type: ignore[call-overload]


def columns(data: Dataset) -> list[str]:
    return [column.name for column in data.representation.columns]


def cells(data: Dataset, name: str) -> list[object]:
    """All values of a column that are not missing, as they are sampled, sorted."""
    medium = torch.cat([part.first().medium for part in (data.train, data.valid, data.test)])
    return sorted(row[name] for row in data.representation.present(medium) if row[name] is not None)


def notes(data: Dataset) -> str:
    return "\n".join(data.notes)


@case("lines that end with a bare CR", "the same rows", source="onaio/onadata#757")
def test_bare_carriage_returns(tmp_path: Path) -> None:
    data = read(tmp_path / "t.csv", b"a,b\r" + b"".join(b"%d,%d\r" % (i % 7, i % 3) for i in ROWS))
    assert columns(data) == ["a", "b"] and len(cells(data, "a")) == 60
    assert [column.decimals for column in data.representation.columns] == [0, 0]


@case("a cell `1e-320`", "a real number", source="bulik/ldsc#144")
def test_a_subnormal_number(tmp_path: Path) -> None:
    data = written(tmp_path / "t.csv", "p,a", lambda i: f"{'1e-320' if i == 5 else i * 0.01},{i % 5}")
    assert "p (real)" in notes(data) and min(cells(data, "p")) == 0 and len(cells(data, "p")) == 60


@case("a cell `3e-1255`", "0, with a note", source="bulik/ldsc#144")
def test_a_number_that_underflows(tmp_path: Path) -> None:
    data = written(tmp_path / "t.csv", "p,a", lambda i: f"{'3e-1255' if i == 5 else i % 7 + 1},{i % 5}")
    assert cells(data, "p")[:2] == [0, 1] and "3e-1255 is too small for float64 and is read as 0" in notes(
        data
    )


@case("one cell `1e308` among small numbers", "missing, with its row in a note", source="SDMetrics#11")
def test_an_extreme_number(tmp_path: Path) -> None:
    data = written(tmp_path / "t.csv", "a,b", lambda i: f"{'1e308' if i == 5 else i * 0.77 % 9:},{i % 5}")
    assert max(cells(data, "a")) < 9 and len(cells(data, "a")) == 59
    assert "row 6 has 1e+308" in notes(data) and data.representation.columns[0].std < 9


@case("one cell `inf` or 1e20 among small numbers", "missing, with its row in a note")
@pytest.mark.parametrize("cell", ["inf", "-Infinity", "1e20", "1e999"])
def test_an_infinite_number(tmp_path: Path, cell: str) -> None:
    data = written(tmp_path / "t.csv", "a,b", lambda i: f"{cell if i == 5 else i * 0.77 % 9},{i % 5}")
    assert max(cells(data, "a")) < 9 and "a cell is left out as extreme: row 6" in notes(data)


@case("a header `country,2019,2020`", "names; a note says how to read them as data", source="SnapOtter#1199")
def test_years_as_names(tmp_path: Path) -> None:
    data = written(
        tmp_path / "t.csv", "country,2019,2020", lambda i: f"{'FGI'[i % 3]},{i * 0.3},{i * 7 % 10}"
    )
    assert columns(data) == ["country", "2019", "2020"] and 'table={"header": "no"}' in notes(data)
    data = load_data(str(tmp_path / "t.csv"), table={"header": "no"})
    assert columns(data)[0] == "column1" and len(cells(data, "column1")) == 61


@case("no header: the first row has numbers like the others", "data, and columns `column1`, `column2`, ...")
def test_a_table_without_names(tmp_path: Path) -> None:
    data = written(tmp_path / "t.csv", "3,0.5,x", lambda i: f"{i % 7},{i / 10},{'xy'[i % 2]}")
    assert columns(data) == ["column1", "column2", "column3"] and len(cells(data, "column1")) == 61
    assert 'table={"header": "yes"}' in notes(data)


@case("ZIP codes such as `02116`", "words; no other codes are sampled", source="SDV#2780")
def test_leading_zeros(tmp_path: Path) -> None:
    codes = ["02116", "90210", "10001"]
    data = written(tmp_path / "t.csv", "zip,x", lambda i: f"{codes[i % 3]},{i * 0.3}")
    assert data.representation.columns[0].levels == tuple(sorted(codes))
    assert "02116 has a leading zero" in notes(data)


@case(
    "a line `sep=;`, lines `# Instrument 7`, a line break inside a header",
    "the table below; the name on one line",
    source="csvtk#13",
)
def test_lines_above_the_table(tmp_path: Path) -> None:
    head = 'sep=;\n# Instrument 7\n# 2024, by hand\n"length\nin cm";weight'
    data = written(tmp_path / "t.csv", head, lambda i: f"{i % 7},{i % 4};{i % 3}")
    assert columns(data) == ["length in cm", "weight"] and max(cells(data, "length in cm")) == 6.3


@case("headers `length [cm]`, `rate [/s]`", "the same names, also in samples", source="docarray#733")
def test_units_in_brackets(tmp_path: Path) -> None:
    data = written(tmp_path / "t.csv", "length [cm],rate [/s]", lambda i: f"{i % 7},{i % 5}")
    assert "length [cm] (integers), rate [/s] (integers)" in notes(data)
    rows = data.representation.present(data.train.first(3).medium)
    assert TABLE.preview(rows[0]).startswith("length [cm] ")
    TABLE.save(tmp_path / "samples.csv", rows, [{}] * 3)
    assert (tmp_path / "samples.csv").read_text().startswith("length [cm],rate [/s]")


@case("one column in other units, times 10⁶", "the same model and share of copies", source="SDMetrics#720")
def test_units_do_not_matter(tmp_path: Path) -> None:
    metres = written(tmp_path / "t.csv", "a,b", lambda i: f"{i * i % 97},{i * 7 % 11}")
    scaled = written(tmp_path / "t.csv", "a,b", lambda i: f"{i * i % 97},{i * 7 % 11 * 10**6}")
    column, other = metres.representation.columns[1], scaled.representation.columns[1]
    assert other.step == 1e6 and other.high == 1e6 * column.high and isinstance(other.format_value(2e6), int)
    for data in (metres, scaled):
        train = data.train.first().medium
        rows = data.train.coordinates(train)
        near = nearest_rows(rows + 0.001, rows.__getitem__, len(train))
        assert (near.distances[:, 0] < 0.01).all() and (near.distances[:, 1] > 0.01).any()


@pytest.mark.parametrize(
    ("cell", "value"), [("1,234.5", 1234.5), ("1 234.5", 1234.5), ("1.234,5", 1234.5), ("1'234", 1234)]
)
@case("thousands marks: `1,234.5`, `1.234,5`, `1 234`, `1'234`", "numbers, with an example in a note")
def test_thousands_marks(tmp_path: Path, cell: str, value: float) -> None:
    data = written(tmp_path / "t.csv", "a\tb", lambda i: f"{cell if i else '7'}\t{i % 5}")
    assert cells(data, "a")[-1] == value and f"{cell} is read as {value:.15g}" in notes(data)


@case(
    "`1,234` in every cell: a decimal or a thousand?", "a thousand, with a note; `--table decimal=,` decides"
)
def test_ambiguous_marks(tmp_path: Path) -> None:
    data = written(tmp_path / "t.csv", "a\tb", lambda i: f"1,{200 + i * 7 % 30}\t{i % 5}")
    assert cells(data, "a")[0] == 1200 and 'table={"decimal": ","} reads it as 1.2' in notes(data)
    decimal = load_data(str(tmp_path / "t.csv"), table={"decimal": ","})
    assert cells(decimal, "a")[0] == 1.2 and "table={" not in notes(decimal)


@case("decimal commas between semicolons, commas or tabs", "numbers")
@pytest.mark.parametrize("row", ["{};{}", '"{}","{}"', "{}\t{}"])
def test_decimal_commas(tmp_path: Path, row: str) -> None:
    head = row.format("a", "b")
    data = written(tmp_path / "t.csv", head, lambda i: row.format(f"{i % 7},25", f"-0,{i % 10}"))
    assert cells(data, "a")[-1] == 6.25 and cells(data, "b")[0] == -0.9


@case("cells aligned with spaces", "the columns")
def test_white_space_separates(tmp_path: Path) -> None:
    data = written(
        tmp_path / "t.csv", "  mass   charge  kind", lambda i: f"  {i % 7:4d}   {i / 4:7.2f}   {'pn'[i % 2]}"
    )
    assert columns(data) == ["mass", "charge", "kind"] and cells(data, "charge")[-1] == 14.75


@case("dates such as 31/12/2024", "dates, sampled in the same format")
@pytest.mark.parametrize("form", ["%d/%m/%Y", "%Y-%m-%d", "%d.%m.%Y", "%d %b %Y", "%Y/%m/%d", "%m/%d/%y"])
def test_dates(tmp_path: Path, form: str) -> None:
    days = pd.date_range("2024-11-01", periods=60, freq="3D")
    data = written(tmp_path / "t.csv", "day,x", lambda i: f"{days[i]:{form}},{i % 5}")
    column = data.representation.columns[0]
    assert (column.unit, column.high - column.low) == ("days", 59 * 3)
    assert column.format_value(column.low) == f"{days[0]:{form}}" and "table={" not in notes(data)


@case("dates such as 01/02/2024 only", "month first, with a note; `--table dates=day-first` decides")
def test_ambiguous_dates(tmp_path: Path) -> None:
    data = written(tmp_path / "t.csv", "day,x", lambda i: f"{i % 12 + 1:02d}/{i % 5 + 1:02d}/2024,{i % 5}")
    assert 'dates such as 01/01/2024 are read month-first; table={"dates": "day-first"}' in notes(data)
    other = load_data(str(tmp_path / "t.csv"), table={"dates": "day-first"})
    spans = [
        part.representation.columns[0].high - part.representation.columns[0].low for part in (data, other)
    ]
    assert spans == [339, 132] and "table={" not in notes(other)


@case("times such as `2024-03-01T10:30:00Z` or `10:30`", "times in whole seconds, minutes, ...")
@pytest.mark.parametrize(
    ("form", "unit"),
    [
        ("2024-03-01T10:{:02d}:00Z", "minutes"),
        ("10:{:02d}", "minutes"),
        ("2024-03-01 10:30:{:02d}.125", "milliseconds"),
    ],
)
def test_times(tmp_path: Path, form: str, unit: str) -> None:
    data = written(tmp_path / "t.csv", "t,x", lambda i: f"{form.format(i)},{i % 5}")
    assert data.representation.columns[0].unit == unit
    assert cells(data, "t") == [form.format(i) for i in ROWS]


@case("row numbers with an empty cell, or an index that pandas wrote", "dropped, with a note")
@pytest.mark.parametrize("name", ["id", ""])
def test_row_counters(tmp_path: Path, name: str) -> None:
    data = written(
        tmp_path / "t.csv", f"{name},x", lambda i: f"{'' if i == 9 else i},{'' if i == 11 else i % 5}"
    )
    assert columns(data) == ["x"] and "dropped: it only counts the rows" in notes(data)
    assert len(cells(data, "x")) == 59, "a row is not lost for the counter's empty cell"


@case("shuffled row numbers", "dropped, with a note")
def test_shuffled_row_numbers(tmp_path: Path) -> None:
    data = written(tmp_path / "t.csv", "id,x", lambda i: f"{i * 7 % 60 + 100},{i % 5}")
    assert columns(data) == ["x"] and "counts the rows" in notes(data)


@case("a different integer in every row", "read, with a note that it may identify rows")
def test_other_identifiers(tmp_path: Path) -> None:
    data = written(tmp_path / "t.csv", "account,x", lambda i: f"{i * i + 1000},{i % 5}")
    assert columns(data) == ["account", "x"] and 'leave it out: table={"drop": "account"}' in notes(data)


@case("integers beyond 2⁵³", "words or dropped: float64 does not hold them")
def test_long_identifiers(tmp_path: Path) -> None:
    data = written(tmp_path / "t.csv", "id,x", lambda i: f"90071992547409{93 + i % 3},{i % 5}")
    assert cells(data, "id")[0] == "9007199254740993" and "more digits than float64 holds" in notes(data)


@case("empty cells, `NA`, `NaN`, `null`, `#N/A`, `?`", "missing: as often in samples; the row is kept")
@pytest.mark.parametrize("cell", ["", "NA", "NaN", "null", "#N/A", "?", "n/a", "None", "<NA>"])
def test_missing_cells(tmp_path: Path, cell: str) -> None:
    data = written(tmp_path / "t.csv", "a,b", lambda i: f"{cell if i < 3 else i % 7},{i % 5}")
    assert "a (integers, 5% missing), b (integers)" in notes(data) and len(cells(data, "a")) == 57
    assert sum(map(len, (data.train, data.valid, data.test))) == 60
    assert data.representation.columns[0].marker == cell and not data.representation.columns[1].can_be_missing


@case("the country code `NA`", "missing, with a note; `--table missing=empty` reads it as a word")
def test_a_word_that_is_read_as_missing(tmp_path: Path) -> None:
    data = written(tmp_path / "t.csv", "land,b", lambda i: f"{('NA', 'DE', 'FR', 'IT', 'ES')[i % 5]},{i % 7}")
    assert 'NA is read as missing; table={"missing": "empty"} reads it as a word' in notes(data)
    data = load_data(str(tmp_path / "t.csv"), table={"missing": "empty"})
    assert data.representation.columns[0].levels == ("DE", "ES", "FR", "IT", "NA") and "missing" not in notes(
        data
    )


@case("a header that is repeated in the middle, as in files that were joined", "left out and counted")
def test_a_repeated_header(tmp_path: Path) -> None:
    data = written(tmp_path / "t.csv", "a,b", lambda i: "a,b" if i in (20, 40) else f"{i % 7},{i % 5}")
    assert "2 rows with the names of the columns again" in notes(data) and max(cells(data, "a")) == 6


@case("numbers such as `3.000e+01` in a table of commas", "decimal points: an exponent has no thousands mark")
def test_exponents(tmp_path: Path) -> None:
    data = written(tmp_path / "t.csv", "a,b", lambda i: f"{i % 7 + 1:.3e},{i % 5}")
    assert cells(data, "a")[-1] == 7 and "table={" not in notes(data)


@case("prices and shares: `$1,234.50`, `-12 €`, `15 %`", "numbers, with a note")
@pytest.mark.parametrize(
    ("form", "unit"), [("${:,.2f}", "$"), ("{:.2f} €", "€"), ("{:.1f}%", "%"), ("-£{}", "£")]
)
def test_currencies(tmp_path: Path, form: str, unit: str) -> None:
    data = written(tmp_path / "t.csv", "p\tb", lambda i: f"{form.format(i * i % 97 * 25)}\t{i % 5}")
    assert {abs(cell) for cell in cells(data, "p")} == {i * i % 97 * 25 for i in ROWS}
    assert f"numbers in {unit}" in notes(data)


@case("numbers with one typo", "words, with a note that names the cell")
def test_nearly_numbers(tmp_path: Path) -> None:
    data = written(tmp_path / "t.csv", "a,b", lambda i: f"{'5x' if i == 7 else i % 7},{i % 5}")
    assert "59 of 60 cells are numbers, but row 8 has '5x'" in notes(data)


@case("names that are empty or occur twice", "names as pandas gives them, with a note")
def test_names_that_repeat(tmp_path: Path) -> None:
    data = written(tmp_path / "t.csv", "a,a,", lambda i: f"{i % 7},{i % 5},{i % 3}")
    assert columns(data) == ["a", "a.1", "Unnamed: 2"] and "two columns are named 'a'" in notes(data)


@case(
    "a separator at the end of each row, or row names without a header (R)", "the columns under their names"
)
@pytest.mark.parametrize("row", ["{0},{1},{2},", "r{0}{1}{2},{0},{1},{2}"])
def test_one_cell_more_than_names(tmp_path: Path, row: str) -> None:
    data = written(tmp_path / "t.csv", "x,y,z", lambda i: row.format(i % 7, i % 5, i * 7 % 11))
    assert columns(data)[-3:] == ["x", "y", "z"] and max(cells(data, "z")) == 10


@case("a row with a cell more or less than the others", "one line that names it")
@pytest.mark.parametrize("row", ["1,2,3", "1"])
def test_a_ragged_row(tmp_path: Path, row: str) -> None:
    with pytest.raises(
        DataError, match=rf"t.csv: line 42 has {row.count(',') + 1} cells?, the others have 2; correct"
    ):
        written(tmp_path / "t.csv", "a,b", lambda i: row if i == 40 else f"{i % 7},{i % 5}")


@case("UTF-8 with a byte order mark, UTF-16, Latin-1", "the same words")
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    words = ["Zoë", "Müller", "café"]
    text = "naïve,b\n" + "".join(f"{words[i % 3]},{i % 5}\n" for i in ROWS)
    data = read(tmp_path / "t.csv", text.encode(encoding))
    assert columns(data)[0] == "naïve" and data.representation.columns[0].levels == tuple(sorted(words))


@case("JSON Lines of records (`.jsonl`)", "a column per key")
def test_json_lines(tmp_path: Path) -> None:
    lines = [json.dumps({"a": i % 7, "kind": "xy"[i % 2], "ok": i % 3 == 0}) for i in ROWS]
    data = read(tmp_path / "t.jsonl", "\n".join(lines))
    assert load_data(str(tmp_path / "t.jsonl"), condition="kind").classes == ("x", "y")
    assert columns(data) == ["a", "kind", "ok"] and data.representation.columns[2].levels == ("False", "True")


@case("Parquet with categories, booleans and dates", "the same as the CSV file with the same cells")
def test_parquet(tmp_path: Path) -> None:
    days = pd.date_range("2024-01-01", periods=60).date
    frame = pd.DataFrame({"n": [i % 7 for i in ROWS], "k": ["xy"[i % 2] for i in ROWS], "d": days})
    frame["k"], frame["b"] = frame["k"].astype("category"), [i % 3 == 0 for i in ROWS]
    parquet.write_table(table(frame.to_dict("list")), tmp_path / "t.parquet")
    frame.to_csv(tmp_path / "t.csv", index=False)
    one, other = (load_data(str(tmp_path / name)) for name in ("t.parquet", "t.csv"))
    assert one.split == other.split
    for column, same in zip(one.representation.columns, other.representation.columns, strict=True):
        python = {"pandas_dtype": "", "values": ()}
        assert column.arguments | python == same.arguments | python
    rows = one.representation.frame(one.train.first().medium)
    assert rows.dtypes.map(str).tolist() == ["int64", "str", "object", "bool"] and rows["d"][0] in days


@case("a pandas DataFrame", "its dtypes: nullable integers, ordered categories, dates, durations")
def test_a_data_frame() -> None:
    frame = pd.DataFrame({"n": pd.array([1, 2, 3, None] * 20, dtype="Int64"), "o": [{}] * 80})
    frame["size"] = pd.Categorical(["low", "high", "mid", "low"] * 20, ["low", "mid", "high"])
    frame["day"] = pd.to_datetime(["2024-01-01", "2024-06-01", "2025-01-01", "2024-01-01"] * 20)
    frame["long"] = pd.to_timedelta([1, 2, 4, 8] * 20, unit="h")
    data = table_of("frame", frame)
    assert columns(data) == ["n", "size", "day", "long"] and len(cells(data, "n")) == 60
    assert data.representation.columns[1].levels == ("low", "mid", "high")
    assert data.representation.frame(data.train.first().medium).dtypes.equals(frame.dtypes)
    assert cells(data, "day")[-1] == "2025-01-01" and cells(data, "long")[-1] == pd.Timedelta(hours=8)


@case("DataFrames for train and test", "the user's own split")
def test_data_frames_of_parts() -> None:
    frame = pd.DataFrame({"a": [i % 7 for i in ROWS], "b": [i * i % 11 for i in ROWS]})
    data = table_of_parts("frame", {"train": frame[:40], "valid": frame[40:50], "test": frame[50:]})
    assert [len(part) for part in (data.train, data.valid, data.test)] == [40, 10, 10]
    assert sorted(data.test.first().medium[:, 0].tolist()) == sorted(i % 7 for i in range(50, 60))
    with pytest.raises(DataError, match="parts train, text: give train, and"):
        table_of_parts("frame", {"train": frame, "text": frame})


@case("a folder with `train.csv` and `test.csv`", "one table with the user's own split")
def test_a_folder_of_parts(tmp_path: Path) -> None:
    for name, start in (("train.csv", 0), ("test.csv", 100)):
        written(tmp_path / name, "a,b", lambda i, start=start: f"{start + i % 7},{'xy'[i % 2]}")
    data = load_data(str(tmp_path), condition="b")
    assert data.classes == ("x", "y") and "60 test, the authors' own part" in data.split
    assert data.test.first().medium.min() == 100 and data.train.first().medium.max() == 6
    (tmp_path / "test.csv").write_text("a,c\n1,2\n3,4\n")
    with pytest.raises(DataError, match="test and train have different columns, such as 'b'"):
        load_data(str(tmp_path))
    (tmp_path / "test.csv").rename(tmp_path / "more.csv")
    with pytest.raises(DataError, match=r"has 2 tables, such as more\.csv; give one of them"):
        load_data(str(tmp_path))


@case("quoted cells full of other separators", "the cells, divided at the mark that no quote hides")
def test_separators_in_quotes(tmp_path: Path) -> None:
    for text in (
        '"|_0";"|_1"\n",";","\n",";","\n"|";"|"\n',
        '";_0;";",,_1"\n"0";",,0"\n"0";",,0"\n"0";",0,0"\n',
        '",_0";"|_1"\n",";",;"\n",";",;"\n"|";",;"\n',
    ):
        dialect = find_dialect(tmp_path / "t.csv", text, TableOptions())
        assert (dialect.separator, dialect.width) == (";", 2)


@case("an option that no table has", "one line with those that exist")
def test_unknown_options(tmp_path: Path) -> None:
    for options, reason in [
        ({"decimals": ","}, "choose from decimal, header"),
        ({"decimal": "x"}, "choose from . ,"),
    ]:
        with pytest.raises(DataError, match=reason):
            written(tmp_path / "t.csv", "a,b", lambda i: f"{i % 7},{i % 5}", table=options)
