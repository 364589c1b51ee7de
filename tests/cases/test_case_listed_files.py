"""Lists of files in a notebook."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import morphogen as mg
from tests.cases import case
from tests.cases.test_case_memory import PAIRS, TEXTS, X, refused

TABLE = pd.DataFrame({"size": np.random.default_rng(0).normal(size=40).round(2), "kind": ["cat", "dog"] * 20})


def written(folder: Path, suffix: str, write: Callable[[Path, int], object]) -> list[str]:
    """The names of some files, in the order of their numbers."""
    files = [folder / f"{i:02}{suffix}" for i in range(5)]
    for i, file in enumerate(files):
        write(file, i)
    return [*map(str, files)]


@case(
    "a list, an array or a column of the names of text files, `glob('book/*.txt')`",
    "the texts, as those of a folder",
)
@pytest.mark.parametrize("kind", [list, np.array, pd.Series, lambda names: [Path(name) for name in names]])
def test_listed_texts(kind: Any, tmp_path: Path) -> None:
    names = written(tmp_path, ".txt", lambda file, i: file.write_text("".join(TEXTS[i::5])))
    data, folder = mg.load_data(kind(names), length=16), mg.load_data(str(tmp_path), length=16)
    assert data.medium == "text" and data.split == folder.split
    assert data.train.text.tolist() == folder.train.text.tolist()
    own = mg.load_data(kind(names[:3]), valid=kind(names[3:4]), test=kind(names[4:]), length=16)
    assert len(own.test) < len(own.train)
    assert mg.load_data(kind(names[:1]), length=16).medium == "text"


@case("a list of files of JSON lines with texts, or of tables of pairs", "the documents, the pairs")
def test_listed_records(tmp_path: Path) -> None:
    def write(file: Path, i: int) -> None:
        file.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS[i::5]))

    assert mg.load_data(written(tmp_path, ".jsonl", write), length=16).medium == "text"

    def write_pairs(file: Path, i: int) -> None:
        file.write_text("".join("\t".join(pair) + "\n" for pair in PAIRS[i::5]))

    assert hasattr(mg.load_data(written(tmp_path, ".tsv", write_pairs)).train, "sources")


@case("a list of files of tables, or of arrays", "refused with the expression that reads them: one DataFrame")
@pytest.mark.parametrize(
    ("suffix", "write"),
    [
        (".csv", lambda file, i: TABLE[i::5].to_csv(file, index=False)),
        (".csv", lambda file, i: TABLE[i::5].to_csv(file, index=False, sep=";")),
        (".tsv", lambda file, i: TABLE[i::5].to_csv(file, index=False, sep="\t")),
        (".jsonl", lambda file, i: TABLE[i::5].to_json(file, orient="records", lines=True)),
        (".parquet", lambda file, i: TABLE[i::5].to_parquet(file)),
        (".npy", lambda file, i: np.save(file, X[12 * i : 12 * i + 12])),
        (".npz", lambda file, i: np.savez(file, pictures=X[12 * i : 12 * i + 12])),
    ],
)
def test_listed_tables_and_arrays(suffix: str, write: Callable[[Path, int], object], tmp_path: Path) -> None:
    files = written(tmp_path, suffix, write)
    with pytest.raises(
        mg.data.DataError,
        match=r"such as .*00\.\w+: give one DataFrame|00\.\w+ and the others are files of arr",
    ) as error:
        mg.load_data(files)
    remedies = re.findall(r"mg\.load_data\(.*?(?=, if each|$)", str(error.value))
    data = eval(remedies[-1], {"mg": mg, "pd": pd, "np": np, "files": files})  # noqa: S307
    assert data.medium == ("pictures" if "np" in suffix else "table")


@case(
    "a list of names of files that there are not, `['chapter 0.txt', ...]`",
    "one line with the folder in which they are missing; other texts are texts",
)
@pytest.mark.parametrize("suffix", [".txt", ".csv", ".npy", ".jsonl", ".png", ".wav"])
def test_listed_names_of_no_files(suffix: str) -> None:
    refused(
        lambda: mg.load_data([f"chapter {i}{suffix}" for i in range(60)]),
        rf"^chapter 0{suffix}: no such file in .*; correct the name, or give whole paths$",
    )
    assert mg.load_data([*TEXTS, f"read a{suffix}"], length=16).medium == "text"


@case("a list of files that are not text, such as PDF", "refused with what they look like")
def test_listed_files_of_another_kind(tmp_path: Path) -> None:
    files = written(tmp_path, ".pdf", lambda file, i: file.write_bytes(b"%PDF-1.4\n" + bytes(range(256)) * 9))
    refused(lambda: mg.load_data(files), r"5 of 5 files are not text \(.*PDF.*\); remove them or give others")
