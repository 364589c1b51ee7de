"""Tables by another name."""

from pathlib import Path

from morphogen.data import load_data
from tests.cases import case


@case(
    "a table that is called `.txt`, with `--table separator=tab`",
    "a table: the option is one of tables",
)
def test_a_table_called_txt(tmp_path: Path) -> None:
    path = tmp_path / "export.txt"
    path.write_text("a\tb\n" + "".join(f"{i / 7:.3f}\t{i % 3}\n" for i in range(60)))
    data = load_data(str(path), table={"separator": "tab"})
    assert [column.name for column in data.representation.columns] == ["a", "b"]
