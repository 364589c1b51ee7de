"""Flattened pictures in the columns of a table."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import morphogen as mg
from tests.cases import case
from tests.cases.test_case_memory import BYTES, X, Y, pictures

NAMES = [f"pixel{i}" for i in range(64)]
FRAME = pd.DataFrame({"label": Y, **dict(zip(NAMES, X.reshape(60, 64).T.astype(int), strict=True))})


@case(
    "flattened pictures in a file or a DataFrame: `label,pixel0,pixel1,...`, with names or without",
    "a table, with a note: the expression that reads pictures and their classes",
)
@pytest.mark.parametrize("condition", [None, "label"])
@pytest.mark.parametrize("kind", ["csv", "nameless", "parquet", "frame", "plain"])
def test_flattened_pictures(kind: str, condition: str | None, tmp_path: Path) -> None:
    frame = FRAME.drop(columns="label") if kind == "plain" else FRAME
    file = tmp_path / ("a.parquet" if kind == "parquet" else "a.csv")
    if kind == "parquet":
        frame.to_parquet(file)
    frame.to_csv(tmp_path / "a.csv", index=False, header=kind != "nameless")
    given = str(file) if kind in ("csv", "nameless", "parquet") else frame
    condition = None if kind in ("nameless", "plain") else condition
    notes = mg.load_data(given, condition=condition).notes
    (note,) = [note for note in notes if "if they are pixels" in note]
    scope = {"mg": mg, "pd": pd, "df": frame}
    setup, _, expression = re.search(r"pixels: (df = (.*); )?(mg\..*)$", note).groups()
    if setup:
        exec(setup.strip("; "), scope)
    data = eval(expression, scope)  # noqa: S307
    assert pictures(data) == BYTES and data.classes == (() if kind == "plain" else ("0", "1", "2"))


@case("64 columns of an array `[N, 64]`, with labels", "a table, with a note that counts the 64")
def test_a_flattened_array() -> None:
    data = mg.load_data(X.reshape(60, -1), Y)
    note = "64 columns are read as a table; for pictures give x.reshape(-1, height, width)"
    assert note in data.notes and not any("pixels" in note for note in data.notes)
    real = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 64)), columns=NAMES)
    assert not any("pixels" in note for note in mg.load_data(real).notes)
