"""Tables by another name."""

from pathlib import Path

import pandas
import pytest

from morphogen.component import ConfigError
from morphogen.data import DataError, load_data
from morphogen.data.prefix import prefixed
from morphogen.media.table import TABLE
from tests.cases import case
from tests.command_line import run

PENGUINS = "Art;Gewicht (kg);sex;Jahr;Nummer\n" + "".join(
    f"{'ABC'[i % 3]};{i % 88 // 10},{i % 88 % 10};{'fm'[i % 2]};{2007 + i % 3};{i * 7 % 997}\n"
    for i in range(1100)
)
TINY = ("--size", "tiny", "--steps", "2")


@pytest.fixture
def penguins(tmp_path: Path) -> str:
    (tmp_path / "pinguine.csv").write_text(PENGUINS)
    return str(tmp_path / "pinguine.csv")


@case(
    "a table that is called `.txt`, with `--table separator=tab`",
    "a table: the option is one of tables",
)
def test_a_table_called_txt(tmp_path: Path) -> None:
    path = tmp_path / "export.txt"
    path.write_text("a\tb\n" + "".join(f"{i / 7:.3f}\t{i % 3}\n" for i in range(60)))
    data = load_data(str(path), table={"separator": "tab"})
    assert [column.name for column in data.representation.columns] == ["a", "b"]


@case("`sample --condition kind=b`, by the name of the column", "the class b of that column")
def test_a_class_by_its_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{i / 7:.3f},{i % 5},{'abc'[i % 3]}\n" for i in range(90))
    Path("t.csv").write_text("x,n,kind\n" + rows)
    assert run(monkeypatch, "train", "table_flow", "--data", "t.csv", "--condition", "kind", *TINY) == 0
    assert run(monkeypatch, "sample", "--n", "2", "--condition", "kind=b") == 0
    assert (
        '"label": [\n      1,\n      1\n    ]'
        in next(Path("runs").glob("*/samples/samples.json")).read_text()
    )


@case("`--condition kind` with a path that is not there", "no such file, rather than that it is no table")
def test_a_condition_of_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such data set, folder or file"):
        load_data(str(tmp_path / "missing.csv"), condition="kind")
    with pytest.raises(DataError, match="is not a table"):
        load_data("digits", condition="kind")


@case(
    "`--condition art` where the column is `Art`",
    "one line: did you mean `Art`, and all columns that can be classes",
)
def test_a_condition_in_another_case(penguins: str) -> None:
    with pytest.raises(DataError) as error:
        load_data(penguins, condition="art")
    choices = "choose one of Art, Gewicht (kg), sex, Jahr"
    assert str(error.value).endswith(f"no column is named 'art'; did you mean 'Art'? {choices}")


@case(
    "`--condition weight`, a column of many numbers",
    "each number is a class; a note says how few rows it has",
)
def test_numbers_as_classes(penguins: str) -> None:
    data = load_data(penguins, condition="Gewicht (kg)")
    note = "column 'Gewicht (kg)': each of its 88 numbers is a class of its own, 12 rows on average"
    assert len(data.classes) == 88 and any(line.startswith(note) for line in data.notes)
    assert not any("class of its own" in line for line in load_data(penguins, condition="Jahr").notes)


@case("`sample --condition 4,2` for the class 4.2 of a table with decimal commas", "that class")
def test_a_class_with_a_decimal_comma(penguins: str) -> None:
    classes = load_data(penguins, condition="Gewicht (kg)").conditions["label"]
    assert (
        classes.parse("4,2")
        == classes.parse("4.2")
        == load_data(penguins, condition="Gewicht (kg)").classes.index("4.2")
    )
    with pytest.raises(ConfigError, match="no class '4,25'"):
        classes.parse("4,25")


@case(
    "`--table decimal=.` for a table with decimal commas",
    "words, with a note that names a cell and the remedy",
)
def test_the_wrong_decimal_mark(penguins: str) -> None:
    note = 'column \'Gewicht (kg)\' is read as words: 0,0 is not a number under table={"decimal": "."}'
    assert any(line.startswith(note) for line in load_data(penguins, table={"decimal": "."}).notes)
    for table in (None, {"decimal": ","}):
        assert not any("read as words" in line for line in load_data(penguins, table=table).notes)


@case(
    "columns that identify rows, or that nobody wants: `--table drop=Nummer,Jahr`", "the table without them"
)
def test_columns_are_left_out(penguins: str) -> None:
    data = load_data(penguins, condition="sex", table={"drop": "Nummer, Jahr"})
    assert [column.name for column in data.representation.columns] == ["Art", "Gewicht (kg)"]
    frame = pandas.DataFrame(
        {"a, b": range(40), "c": [i % 3 for i in range(40)], "d": [i % 2 for i in range(40)]}
    )
    columns = load_data(frame, table={"drop": "a, b"}).representation.columns
    assert [column.name for column in columns] == ["c", "d"]  # a name with a comma
    with pytest.raises(DataError, match="drop=Numme: no column is named 'Numme'; did you mean 'Nummer'"):
        load_data(penguins, table={"drop": "Numme"})
    with pytest.raises(DataError, match="no column is named 'sex'"):
        load_data(penguins, condition="sex", table={"drop": "sex"})


@case(
    "a table under the suffix of none, as UCI has them: `iris.data`",
    "text, with a note; the note, and the errors about systems of tables and classes, name `table:iris.data`",
)
@pytest.mark.parametrize("mark", [",", " ", "\t", ";"])
def test_a_table_of_another_suffix(mark: str, tmp_path: Path) -> None:
    rows = [[f"{i % 13 / 2}", f"{i % 7}", f"{i % 5}", f"{i % 3}", ("cat", "dog")[i % 2]] for i in range(90)]
    file = tmp_path / "iris.data"
    file.write_text("\n".join(map(mark.join, rows)))
    note = f'read as text; its lines are rows of a table, which data="table:{file}" reads'
    assert note in load_data(str(file), length=4).notes
    assert prefixed(str(file), TABLE) == f"table:{file}"
    assert load_data(f"table:{file}", condition="column5").classes == ("cat", "dog")
    with pytest.raises(DataError, match=r"is not a table: .*; give table:.*iris.data$"):
        load_data(str(file), condition="column5")
    (tmp_path / "a.data").write_text("".join(f"line {i}, and more\n" for i in range(90)))
    assert not any("rows of a table" in note for note in load_data(str(tmp_path / "a.data"), length=4).notes)


@case(
    "a column of amounts of which some are no numbers, or have another unit",
    "dropped, if they tell rows apart; the note shows one that is no number, or has the other unit",
)
@pytest.mark.parametrize("odd", ["(${:.2f})?", "{:.2f} due", "€{:.2f}"])
def test_the_cell_that_blocks_a_column_of_amounts(tmp_path: Path, odd: str) -> None:
    cells = [odd.format(i + 0.17) if i % 4 == 3 else f"${i}.50" for i in range(200)]
    path = tmp_path / "t.csv"
    path.write_text("amount;kind\n" + "".join(f"{cell};{'abc'[i % 3]}\n" for i, cell in enumerate(cells)))
    example = min(cells[3::4])
    assert any(note.endswith(f"such as {example!r}") for note in load_data(str(path)).notes)
