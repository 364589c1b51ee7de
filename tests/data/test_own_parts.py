"""Folders with train.*, valid.* and test.*: the parts of a split of the same records, of any medium."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd
import pytest

from morphogen.data import DataError, load_data
from morphogen.data.documents import load_texts

SIZES = {"train": 40, "valid": 12, "test": 15}
Record = Mapping[str, object]


def row(i: int) -> Record:
    return {"size": i % 17 + 0.5, "kind": "abc"[i % 3], "count": i % 5}


def text(i: int) -> Record:
    return {"id": i, "text": f"The text number {i} is as long as a window, and {i * i} is its square. " * 3}


def pair(i: int) -> Record:
    return {"source": f"the house number {i}", "target": f"das Haus Nummer {i}"}


def json_lines(file: Path, records: Sequence[Record]) -> Path:
    file = file.with_name(f"{file.name}.jsonl")
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    return file


def json_list(file: Path, records: Sequence[Record]) -> Path:
    file = file.with_name(f"{file.name}.json")
    file.write_text(json.dumps(records))
    return file


def csv(file: Path, records: Sequence[Record]) -> Path:
    file = file.with_name(f"{file.name}.csv")
    pd.DataFrame(records).to_csv(file, index=False)
    return file


def parquet(file: Path, records: Sequence[Record]) -> Path:
    file = file.with_name(f"{file.name}.parquet")
    pd.DataFrame(records).to_parquet(file, index=False)
    return file


def written(
    folder: Path, make: Callable[[int], Record], write: Callable[[Path, Sequence[Record]], Path]
) -> Path:
    """A folder with a file of different records for each part."""
    folder.mkdir()
    start = 0
    for part, size in SIZES.items():
        write(folder / part, [make(i) for i in range(start, start + size)])
        start += size
    return folder


@pytest.mark.parametrize("write", [json_lines, json_list, csv, parquet])
def test_rows_are_a_table(write: Callable[..., Path], tmp_path: Path) -> None:
    folder = written(tmp_path / "data", row, write)
    (folder / "README.md").write_text("# My data\n\nMeasured in March.\n")
    data = load_data(str(folder))
    assert data.medium == "table" and [*map(len, (data.train, data.valid, data.test))] == [*SIZES.values()]
    assert [column.name for column in data.representation.columns] == ["size", "kind", "count"]
    assert "the authors' own parts" in data.split


def test_the_parts_may_be_of_different_formats(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    json_lines(folder / "train", [row(i) for i in range(40)])
    csv(folder / "test", [row(i) for i in range(40, 60)])
    mixed = load_data(str(folder)).representation.columns
    same = load_data(str(written(tmp_path / "same", row, csv))).representation.columns
    assert [*map(type, mixed)] == [*map(type, same)]


@pytest.mark.parametrize("write", [json_lines, json_list])
def test_texts_are_documents(write: Callable[..., Path], tmp_path: Path) -> None:
    folder = written(tmp_path / "data", text, write)
    (folder / "README.md").write_text("# My data\n\nWritten in March.\n")
    data = load_data(str(folder))
    assert data.medium == "text" and "40 documents train" in data.split
    corpus = load_texts(folder)
    assert corpus.of("train") == [text(i)["text"] for i in range(40)]
    assert corpus.of("test") == [text(i)["text"] for i in range(52, 67)]


@pytest.mark.parametrize("write", [json_lines, json_list, csv])
def test_pairs_are_pairs(write: Callable[..., Path], tmp_path: Path) -> None:
    data = load_data(str(written(tmp_path / "data", pair, write)), tokenizer="bpe:300")
    assert data.medium == "text" and "source" in data.conditions
    assert [*map(len, (data.train, data.valid, data.test))] == [*SIZES.values()]
    assert any("pairs of texts: from" in note for note in data.notes)


def test_shards_and_folders_of_a_part_are_joined(tmp_path: Path) -> None:
    sharded, nested = tmp_path / "sharded", tmp_path / "nested"
    for part, start in (("train", 0), ("test", 40)):
        for shard in range(2):
            rows = [row(i) for i in range(start + 20 * shard, start + 20 * shard + 20)]
            (nested / part).mkdir(parents=True, exist_ok=True)
            sharded.mkdir(exist_ok=True)
            parquet(sharded / f"{part}-0000{shard}-of-00002", rows)
            csv(nested / part / f"{shard}", rows)
    for folder in (sharded, nested):
        data = load_data(str(folder))
        assert data.medium == "table" and len(data.test) == 40 and len(data.train) + len(data.valid) == 40


def test_tables_beside_those_of_the_split_are_left_out_with_a_note(tmp_path: Path) -> None:
    folder = written(tmp_path / "data", row, csv)
    csv(folder / "sample_submission", [{"id": i, "size": 0} for i in range(9)])
    data = load_data(str(folder))
    assert len(data.test) == SIZES["test"]
    assert "left out 1 table beside those of the split, such as sample_submission.csv" in data.notes


def test_tables_of_no_split_are_refused(tmp_path: Path) -> None:
    for name in ("one", "two"):
        json_lines(tmp_path / name, [row(i) for i in range(30)])
    with pytest.raises(DataError, match=r"has 2 tables, such as one\.jsonl; give one of them, or call those"):
        load_data(str(tmp_path))
