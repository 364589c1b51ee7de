"""Samples of tables"""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from morphogen.component import ConfigError
from morphogen.conditioning.label import OneHot
from morphogen.data import load_data
from morphogen.media.table import TABLE
from morphogen.numerics.randomness import Rng
from morphogen.samples import Samples
from tests.cases import case

N = 400
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "rownames": RNG.permutation(5 * N)[:N],
        "n": pd.array(np.where(RNG.random(N) < 0.3, None, RNG.integers(0, 9, N)), dtype="Int64"),
        "class": RNG.choice(["rare", "often"], N, p=[0.1, 0.9]),
        "year": np.full(N, 2013),
        "x": RNG.normal(size=N).astype(np.float32),
        "ok": RNG.random(N) < 0.5,
        "size": pd.Categorical(RNG.choice(["low", "high"], N), ["low", "high"], ordered=True),
        "day": pd.to_datetime("2024-01-01", utc=True) + pd.to_timedelta(RNG.integers(0, 99, N), unit="D"),
        "word": pd.Series(RNG.choice(["a", "b"], N), dtype=object).mask(RNG.random(N) < 0.2),
    }
)


def samples_of(data, n: int | None = None) -> Samples:
    """The training rows as samples, with their classes; n: in turn."""
    rows = data.train[torch.arange(n or len(data.train)) % len(data.train)]
    return Samples(rows.medium, rows.condition, data.representation)


@case("a DataFrame of any dtypes", "samples have its dtypes, and its columns in their order, the class too")
def test_dtypes_and_columns() -> None:
    data = load_data(FRAME, condition="class")
    frame = samples_of(data).frame()
    assert frame.dtypes.equals(FRAME.drop(columns="rownames").dtypes)
    assert frame["n"].isna().any() and frame["word"].isna().any() and set(frame["year"]) == {2013}
    texts = [
        {"|".join(row) for row in part.astype(object).where(part.notna(), "-").map(str).to_numpy()}
        for part in (frame.drop(columns="x"), FRAME.drop(columns=["rownames", "x"]))
    ]
    assert texts[0] <= texts[1]
    assert np.isin(frame["x"].round(4), FRAME["x"].round(4)).mean() > 0.95
    with pytest.raises(ConfigError, match="samples of pictures are no table"):
        digits = load_data("digits")
        Samples(digits.test.first(2).medium, {}, digits.representation).frame()


@case(
    "`pd.DataFrame(samples)`", "the rows by the names of their columns; `samples.frame()` has the dtypes too"
)
def test_samples_in_a_frame() -> None:
    samples = samples_of(load_data(FRAME, condition="class"), 5)
    frame, want = pd.DataFrame(samples), samples.frame()
    assert [*frame] == [*want]
    assert (
        frame["word"].isna().equals(want["word"].isna()) and frame["size"].tolist() == want["size"].tolist()
    )


@case("a class that 10 % of the rows have", "10 % of the samples, unless another one is asked for")
def test_labels_in_the_proportions_of_the_data() -> None:
    """n = 20,000, seed 0: within four standard errors."""
    data = load_data(FRAME, condition="class")
    spec = data.conditions["label"]
    drawn = OneHot(2, spec.weights).sample_condition(Rng(0, 20_000)).double().mean().item()
    want = data.train.first().condition["label"].double().mean().item()
    assert 0.05 < want < 0.2 and abs(drawn - want) < 4 * (want * (1 - want) / 20_000) ** 0.5
    even = OneHot(2).sample_condition(Rng(0, 20_000)).double().mean().item()
    assert abs(even - 0.5) < 4 * 0.5 / 20_000**0.5


@case(
    "up to 4096 different words that repeat, such as tail numbers of aeroplanes",
    "modelled and sampled as they are, with a note: `--table drop=COLUMN` leaves out what identifies people",
)
@case(
    "names, addresses, free text: beyond 256 words, fewer than 5 rows each on average, or more than 5 % of "
    "the rows with a word of their own",
    "left out, with a note that says why",
)
def test_many_words(tmp_path: Path) -> None:
    lines = [f"{'' if i % 9 == 0 else f'N{i % 300}'},person {i // 3},text {i},{i % 5}" for i in range(1800)]
    (tmp_path / "t.csv").write_text("\n".join(["plane,name,text,a", *lines]) + "\n")
    data = load_data(str(tmp_path / "t.csv"))
    samples_of(data).save(tmp_path)
    known = {(line.split(",")[0], line.split(",")[3]) for line in lines}
    drawn = [tuple(line.split(",")) for line in (tmp_path / "samples.csv").read_text().splitlines()]
    assert drawn[0] == ("plane", "a") and {*drawn[1:]} <= known and len({*drawn}) > 300
    notes = " ".join(data.notes)
    assert "'plane': samples have its 300 words" in notes and 'table={"drop": "plane"}' in notes
    assert "'name' dropped: 600 different words" in notes and "'text' dropped: 1800 different words" in notes


@case("missing cells written `NA`, empty or `k.A.`", "written so in samples.csv, each column its own")
def test_missing_markers(tmp_path: Path) -> None:
    lines = [
        f"{'NA' if i % 4 == 0 else i % 7},{'' if i % 3 == 0 else 'ab'[i % 2]},{i % 5}" for i in range(80)
    ]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,c", *lines]) + "\n")
    data = load_data(str(tmp_path / "t.csv"))
    samples_of(data).save(tmp_path)
    assert {*(tmp_path / "samples.csv").read_text().splitlines()} <= {"a,b,c", *lines}


@case("20,000 samples of a table", "all in samples.csv; the sheet is a table of the first 20 rows")
def test_many_samples(tmp_path: Path) -> None:
    from morphogen.evaluation.sheet import sheet

    lines = [f"{i % 9}\t{'x, y' if i % 2 else 'ü' * 40}" for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["a [cm]\tb", *lines]) + "\n", encoding="utf8")
    data = load_data(str(tmp_path / "t.csv"))
    samples = samples_of(data, 20_000)
    samples.save(tmp_path)
    with (tmp_path / "samples.csv").open(newline="", encoding="utf8") as file:
        assert len(list(csv.DictReader(file))) == 20_000
    assert sheet({"": samples.to_displayable()}).height < 600
    lines = TABLE.lines(samples, samples.to_displayable()).split("\n")
    assert len(lines) == 8 and lines[-1] == "the first 6 of 20,000 rows" and "üüü…" in "".join(lines)
