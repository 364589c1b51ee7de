"""Texts in the columns of a table."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import morphogen as mg
from morphogen.data import DataError
from tests.cases import case
from tests.cases.test_case_memory import X, refused

WORDS = ["the", "film", "was", "boring", "great", "bad", "plot", "acting", "slow", "funny", "long", "short"]
REVIEWS = [" ".join(np.random.default_rng(i).choice(WORDS, 14)) for i in range(120)]
FRAME = pd.DataFrame({"review": REVIEWS, "sentiment": ["pos", "neg"] * 60})
PAIRS = [f"ein Haus mit {i} Zimmern|a house with {i} rooms" for i in range(60)]


@case(
    "reviews and their labels, `review,sentiment`, in a file or a DataFrame",
    "refused with the list of texts, or with `drop` for a table of the labels (it was a table of them alone)",
)
@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet", ""])
@pytest.mark.parametrize("condition", [None, "sentiment"])
def test_texts_beside_labels(suffix: str, condition: str | None, tmp_path: Path) -> None:
    file = tmp_path / f"reviews.{suffix}"
    writers = {
        "csv": lambda: FRAME.to_csv(file, index=False, sep=";"),
        "tsv": lambda: FRAME.to_csv(file, index=False, sep="\t"),
        "jsonl": lambda: FRAME.to_json(file, orient="records", lines=True),
        "parquet": lambda: FRAME.to_parquet(file),
        "": lambda: None,
    }
    writers[suffix]()
    with pytest.raises(DataError, match="column 'review' holds texts: give them as a list, ") as error:
        mg.load_data(str(file) if suffix else FRAME, condition=condition)
    (remedy,) = re.findall(r"mg\.load_data\((list\(.*?\]\))\)", str(error.value))
    texts = eval(remedy, {"pd": pd, "df": FRAME})  # noqa: S307
    assert texts == REVIEWS and mg.load_data(texts, length=16).medium == "text"
    if condition is None:
        dropped = mg.load_data(str(file) if suffix else FRAME, table={"drop": "review"})
        assert [column.name for column in dropped.representation.columns] == ["sentiment"]


@case("texts beside other columns than labels", "a table without them, and a note how to read the texts")
def test_texts_beside_numbers() -> None:
    frame = FRAME.assign(price=np.random.default_rng(0).normal(size=120))
    notes = " ".join(mg.load_data(frame).notes)
    assert "column 'review' holds texts, which a table leaves out: give them as a list" in notes
    people = pd.DataFrame({"name": [f"Anna Number{i}" for i in range(90)], "city": ["Rome", "Oslo"] * 45})
    assert mg.load_data(people).medium == "table"


@case("a DataFrame of two columns of texts, beside nothing else", "refused with the list of pairs")
def test_two_columns_of_texts() -> None:
    frame = pd.DataFrame([pair.split("|") for pair in PAIRS], columns=["German", "English"])
    refused(
        lambda: mg.load_data(frame),
        r"columns 'German' and 'English' hold texts: give them as pairs, "
        r"mg.load_data\(list\(zip\(df\['German'\], df\['English'\]\)\)\)",
    )
    assert hasattr(mg.load_data(list(zip(frame["German"], frame["English"], strict=True))).train, "sources")


@case("`German,English` or `english<tab>spanish` above phrases of several words", "the names of the columns")
@pytest.mark.parametrize(
    ("name", "header"), [("a.csv", "German|English"), ("a.tsv", "english|spanish"), ("a.csv", "de|en")]
)
def test_names_above_pairs(name: str, header: str, tmp_path: Path) -> None:
    mark = "," if name.endswith("csv") else "\t"
    (tmp_path / name).write_text("\n".join([header, *PAIRS]).replace("|", mark))
    data = mg.load_data(str(tmp_path / name))
    names = header.split("|")
    assert f"pairs of texts: from column {names[0]} to column {names[1]}" in data.notes[0]
    sizes = [len(part) for part in (data.train, data.valid, data.test)]
    assert sum(sizes) == len(PAIRS)
    (tmp_path / name).write_text("\n".join(["Lauf|Run", "Geh|Go", *PAIRS]).replace("|", mark))
    data = mg.load_data(str(tmp_path / name))
    assert sum(map(len, (data.train, data.valid, data.test))) == len(PAIRS) + 2


@case("a table of the names of pictures or sounds and their labels", "refused with what reads these files")
def test_names_of_files_in_a_table(tmp_path: Path) -> None:
    names = [str(tmp_path / f"{i:02}.png") for i in range(60)]
    for name, x in zip(names, X, strict=True):
        Image.fromarray(x).save(name)
    frame = pd.DataFrame({"image": names, "kind": ["cat", "dog"] * 30})
    remedy = r"mg.load_data\(list\(df\['image'\]\), list\(df\['kind'\]\)\)$"
    for condition in (None, "kind"):
        refused(lambda condition=condition: mg.load_data(frame, condition=condition), remedy)
    assert mg.load_data(list(frame["image"]), list(frame["kind"])).classes == ("cat", "dog")
    frame.to_csv(tmp_path / "labels.csv", index=False)
    refused(lambda: mg.load_data(str(tmp_path / "labels.csv")), f'names files, .*: give data="{tmp_path}"$')
