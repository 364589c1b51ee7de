"""Tables: inferred column types, dropped columns and rows with their notes, and one-line errors."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from morphogen.data import DataError, Dataset, load_data
from morphogen.data.table import table_of
from morphogen.representations.tabular import CategoryColumn, GridColumn, RealColumn


def table(path: Path, header: str, rows: list[str], condition: str | None = None) -> Dataset:
    path.write_text("\n".join([header, *rows] if header else rows) + "\n", encoding="utf8")
    return load_data(str(path), condition=condition)


def numbers(n: int = 60) -> list[str]:
    """Rows with an integer, a number of one decimal, a real number and a word."""
    return [
        f"{i * 7 % 31},{i * 0.1:.1f},{(i * 0.7548776662) % 1!r},{'red' if i % 3 else 'blue'}"
        for i in range(n)
    ]


def kinds(data: Dataset) -> dict[str, str]:
    return {column.name: type(column).__name__ for column in data.representation.columns}


def test_column_types_are_inferred(tmp_path):
    data = table(tmp_path / "t.csv", "count,size,share,colour", numbers())
    assert kinds(data) == {
        "count": "GridColumn",
        "size": "GridColumn",
        "share": "RealColumn",
        "colour": "CategoryColumn",
    }
    count, size, _, colour = data.representation.columns
    assert (count.low, count.high, count.decimals, size.decimals) == (0, 30, 0, 1)
    assert colour.levels == ("blue", "red")
    batch = data.train.first(4)
    assert data.medium == "table" and batch.condition == {}
    assert batch.medium.dtype == torch.float64 and batch.medium.shape == (4, 4)
    assert data.representation.present(batch.medium)[0].keys() == {"count", "size", "share", "colour"}


def test_the_condition_column_gives_the_labels_and_is_not_in_the_medium(tmp_path):
    plain = table(tmp_path / "t.csv", "count,size,share,colour", numbers())
    data = load_data(str(tmp_path / "t.csv"), condition="colour")
    assert data.classes == ("blue", "red") and "colour" not in kinds(data)
    assert torch.equal(data.train.first().medium, plain.train.first().medium[:, :3]), (
        "the condition moved rows to another part"
    )
    assert torch.equal(data.train.first().condition["label"], plain.train.first().medium[:, 3].long())


def test_numbers_can_be_classes(tmp_path):
    data = table(
        tmp_path / "t.csv", "quality,size", [f"{i % 3 * 5},{i * 0.1:.1f}" for i in range(60)], "quality"
    )
    assert data.classes == ("0", "5", "10")


def test_the_split_does_not_depend_on_the_order_of_the_rows(tmp_path):
    first = table(tmp_path / "a.csv", "count,size,share,colour", numbers())
    second = table(tmp_path / "b.csv", "count,size,share,colour", numbers()[::-1])
    assert first.split == second.split and torch.equal(first.test.first().medium, second.test.first().medium)


def test_weights_are_those_of_the_training_part(tmp_path):
    data = table(tmp_path / "t.csv", "count,size,share,colour", numbers())
    _, _, share, colour = data.representation.columns
    values = data.train.first().medium
    assert list(colour.weights) == [0, *values[:, 3].long().bincount().tolist()]
    assert share.mean == pytest.approx(values[:, 2].mean().item(), abs=0.02)
    assert share.std == pytest.approx(values[:, 2].std(correction=0).item(), rel=0.05)


def test_missing_cells_are_kept_and_told(tmp_path):
    rows = [f"{i % 7},{'NA' if i % 2 else i % 5},{'' if i < 4 else 'ab'[i % 2]}" for i in range(60)]
    data = table(tmp_path / "t.csv", "a,sparse,b", rows)
    medium = torch.cat([part.first().medium for part in (data.train, data.valid, data.test)])
    assert list(kinds(data)) == ["a", "sparse", "b"] and medium.isnan().sum(0).tolist() == [0, 30, 4]
    assert "sparse (integers, 50% missing), b (2 categories, 6.7% missing)" in data.notes[0]
    a, sparse, _ = data.representation.columns
    assert not a.can_be_missing and sparse.marker == "NA"
    missing = data.train.first().medium[:, 1].isnan().double().mean().item()
    assert sparse.masses[0].item() == pytest.approx(missing)


def test_a_column_that_is_nearly_always_missing_is_dropped(tmp_path):
    rows = [f"{i % 7},{i if i in (3, 30) else ''},{'' if i % 3 else 'yes'},{i % 2}" for i in range(60)]
    data = table(tmp_path / "t.csv", "a,gone,ticked,b", rows)
    assert list(kinds(data)) == ["a", "ticked", "b"], "a level that is there or not is data"
    assert "column 'gone' dropped: missing in 58 of 60 rows" in data.notes


def test_the_split_depends_on_missing_cells(tmp_path):
    rows = [f"{i % 7},{'' if i % 2 else 3},{i}" for i in range(60)]
    one = table(tmp_path / "t.csv", "a,b,c", [*rows, "2,4,5"])
    other = table(
        tmp_path / "u.csv", "a,b,c", [row.replace(",,", ",3,", row == "5,,5") for row in rows] + ["2,4,5"]
    )
    assert one.split != other.split


def test_rows_without_a_class_are_dropped_and_counted(tmp_path):
    rows = [f"{i % 7},{i % 3 if i % 2 else ''}" for i in range(60)]
    data = table(tmp_path / "t.csv", "a,b", rows, "b")
    assert data.classes == ("0", "1", "2") and sum(map(len, (data.train, data.valid, data.test))) == 30
    assert "30 of 60 rows dropped: they have no 'b', the class" in data.notes


def test_uninformative_columns_are_dropped_and_named(tmp_path):
    rows = [f"{i},name{i},same,{i % 7}" for i in range(60)]
    data = table(tmp_path / "t.csv", ",name,always,a", rows)
    assert list(kinds(data)) == ["a"]
    notes = " ".join(data.notes)
    assert (
        "counts the rows" in notes
        and "'name'" in notes
        and "'always' not modelled, but in samples: it is always 'same'" in notes
    )


def test_a_table_without_a_header(tmp_path):
    data = table(tmp_path / "t.csv", "", numbers())
    assert list(kinds(data)) == ["column1", "column2", "column3", "column4"]
    assert "no header row" in " ".join(data.notes)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators(tmp_path, separator):
    rows = [
        f'{i % 9}{separator}"x, y; z"{separator}{i % 2}'
        if i % 2
        else f"{i % 9}{separator}w{separator}{i % 2}"
        for i in range(40)
    ]
    data = table(tmp_path / "t.csv", separator.join("abc"), rows)
    assert kinds(data) == {"a": "GridColumn", "b": "CategoryColumn", "c": "GridColumn"}


def test_decimal_commas_with_semicolons(tmp_path):
    data = table(tmp_path / "t.csv", "a;b", [f"{i % 9},5;{i % 4}" for i in range(40)])
    assert data.representation.columns[0].decimals == 1 and data.representation.columns[0].low == 0.5


def test_parquet_equals_csv(tmp_path):
    cells = [row.split(",") for row in numbers()]
    columns = {
        "count": [int(c[0]) for c in cells],
        "size": [float(c[1]) for c in cells],
        "share": [float(c[2]) for c in cells],
    }
    parquet.write_table(pa.table(columns | {"colour": [c[3] for c in cells]}), tmp_path / "t.parquet")
    data = load_data(str(tmp_path / "t.parquet"))
    same = table(tmp_path / "t.csv", "count,size,share,colour", numbers())
    assert torch.equal(data.test.first().medium, same.test.first().medium)
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(DataError, match="pyarrow cannot read it as Parquet"):
        load_data(str(tmp_path / "broken.parquet"))


HEAD = "a,b\n"
MANY = "".join(f"{i % 7},{i % 3}\n" for i in range(40))
MISTAKES = {
    "empty": (b"", None, "is empty"),
    "two rows": (b"a,b\n1,2\n3,4\n", None, "2 rows cannot be split"),
    "two distinct rows": (b"a,b\n1,2\n1,2\n2,1\n", None, "distinct"),
    "a ragged line": ((HEAD + MANY + "1,2,3\n").encode(), None, "line 42 has 3 cells"),
    "zero bytes": (b"a,b\n1\0,2\n", None, "zero bytes"),
    "all missing": ((HEAD + "NA,\n" * 40).encode(), None, "missing in all rows"),
    "no usable column": (
        (HEAD + "".join(f"{i},same\n" for i in range(40))).encode(),
        None,
        "no usable column is left",
    ),
    "no such condition": ((HEAD + MANY).encode(), "bb", "did you mean 'b'. choose one of a, b"),
    "a constant condition": (
        ("a,b\n" + "".join(f"{i % 7},x\n" for i in range(40))).encode(),
        "b",
        "cannot be the classes",
    ),
    "too many classes": (
        (HEAD + "".join(f"{i % 7},{i * i}\n" for i in range(400))).encode(),
        "b",
        "at most 256",
    ),
    "a condition without classes": (
        (HEAD + "".join(f"{i % 7},\n" for i in range(40))).encode(),
        "b",
        "cannot be the classes: missing in all rows",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_an_invalid_table_raises_one_line(tmp_path, mistake):
    content, condition, reason = MISTAKES[mistake]
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError, match=reason) as error:
        load_data(str(tmp_path / "t.csv"), condition=condition)
    assert str(tmp_path / "t.csv") in str(error.value) and "\n" not in str(error.value)


def test_a_table_without_a_complete_row_is_read(tmp_path):
    rows = ["".join("," if j == i % 5 else f"{i % 4}," for j in range(5)) + f"{i % 3}" for i in range(60)]
    data = table(tmp_path / "t.csv", "a,b,c,d,e,f", rows)
    assert data.train.first().medium.isnan().any(1).all() and len(data.representation.columns) == 6


@pytest.mark.parametrize(
    ("name", "number", "counts"),
    [
        ("rownames", lambda i: i * 37 % 1009, True),  # an export of some rows, in any order
        ("Unnamed: 0", lambda i: 10 * i * i, True),
        ("id", lambda i: 7 if i == 20 else i, False),  # one occurs twice
        ("n", lambda i: 1 + i + i // 3, True),  # in order, a quarter of the rows is missing
        ("n", lambda i: 5 * i, False),  # too sparse
        ("n", lambda i: i + i // 3 - 4 * (i == 30), False),  # not in order
        ("n", lambda i: 500 + i * 7 % 60, True),  # all integers, shuffled
        ("year", lambda i: 1950 + i, False),
        ("depth", lambda i: i + 0.5, False),
    ],
)
def test_row_counters_are_told_from_measurements(tmp_path, name, number, counts):
    data = table(tmp_path / "t.csv", f"{name},a", [f"{number(i)},{i % 5}" for i in range(60)])
    assert (name not in kinds(data)) == counts
    assert any("only counts the rows" in note for note in data.notes) == counts


def test_only_tables_have_a_condition_column(tmp_path):
    with pytest.raises(DataError, match="'digits' is not a table"):
        load_data("digits", condition="colour")


NUMBER = st.sampled_from(["1", "2", "-3.5", "1e1", "7", "", "?"])
ROW = st.tuples(NUMBER, st.sampled_from(["a", "b", "-", ""]), NUMBER, st.text(alphabet="ab1.-e?", max_size=4))
LINES = st.lists(ROW.map(",".join), min_size=20, max_size=60)


def test_arbitrary_tables_load_or_raise_one_line(tmp_path):
    path, read = tmp_path / "arbitrary.csv", []

    @settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.text(alphabet='ab1.,;\t"\n-e?', max_size=300) | LINES.map("\n".join))
    def check(content):
        path.write_text(content, encoding="utf8", newline="")
        try:
            data = load_data(str(path))
        except DataError as error:
            assert "\n" not in str(error)
            read.append(False)
            return
        read.append(True)
        assert not any(part.first().medium.isinf().any() for part in (data.train, data.valid, data.test))
        kinds = RealColumn | GridColumn | CategoryColumn
        assert all(isinstance(column, kinds) for column in data.representation.columns)

    check()
    assert 0.5 < sum(read) / len(read) < 0.95


def test_numbers_in_memory_are_exact():
    frame = pd.DataFrame({"n": np.array([2**53, 2**53 - 1, 5, 6] * 20), "x": [0.1 + 0.2, 0.3, 0.4, 0.5] * 20})
    frame["single"] = np.array([0.1, 0.2, 0.3, 0.7] * 20, dtype=np.float32)
    data = table_of("frame", frame)
    rows = data.representation.present(data.train.first().medium)
    assert max(row["n"] for row in rows) <= 2**53 and {type(row["n"]) for row in rows} == {int}
    assert [column.decimals for column in data.representation.columns] == [0, 1, 1]
    assert {row["single"] for row in rows} <= {0.1, 0.2, 0.3, 0.7}


def test_samples_of_real_numbers_keep_the_decimals_of_the_data():
    """Amounts in cents on too fine a grid, and reals of many digits."""
    generator = np.random.default_rng(0)
    cents, reals = np.round(generator.normal(5e4, 1e4, 300), 2), generator.normal(size=300)
    data = load_data(pd.DataFrame({"cents": cents, "reals": reals}))
    between = torch.rand(50, 2).double() * torch.tensor([1e4, 1.0]) + torch.tensor([45_000.0, -0.5])
    frame = data.representation.frame(between)
    assert (frame["cents"] == frame["cents"].round(2)).all() and (frame["cents"] * 10 % 1 > 0).mean() > 0.5
    assert (frame["reals"] * 1e4 % 1 > 0).mean() > 0.5


def test_the_split_does_not_depend_on_which_column_has_the_classes(tmp_path):
    """The content of a row has its cells in the order of the file."""
    rows = [f"{'ab'[i % 2]},{i % 17},{i * 7 % 31},{'xyz'[i % 3]}" for i in range(150)]
    (tmp_path / "t.csv").write_text("\n".join(["kind,n,m,place", *rows, ""]))
    splits = {load_data(tmp_path / "t.csv", condition=name).split for name in (None, "kind", "place")}
    assert len(splits) == 1
