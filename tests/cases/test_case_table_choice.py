"""Tables by another name."""

from pathlib import Path

import pytest

from morphogen.data import DataError, load_data
from tests.cases import case
from tests.command_line import run

TINY = ("--size", "tiny", "--steps", "2")


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
