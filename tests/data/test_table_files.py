"""CSV files in any dialect are read as pandas reads them when it is given the dialect."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from morphogen.data import DataError, load_data
from morphogen.data.cells import read_columns
from morphogen.data.columns import Numbers, Reading
from morphogen.data.table_files import read_table_file
from morphogen.data.table_options import TableOptions
from morphogen.representations.tabular.number_text import is_missing, is_number

words = st.text("abcxyz äéß,;\t|\"'\n#-0", min_size=1, max_size=8).map(str.strip)
words = words.filter(lambda word: word and not is_missing(word) and not is_number(word))


class Written(NamedTuple):
    """A table as a file, and its dialect."""

    content: bytes
    separator: str
    decimal: str
    thousands: str | None
    encoding: str
    above: int
    text: tuple[str, ...]  # names of the columns that are not numbers


def number(value: float, digits: int, decimal: str, thousands: str | None) -> str:
    """A number with these marks."""
    whole, _, rest = f"{value:,.{digits}f}".partition(".")
    return whole.replace(",", thousands or "") + (decimal + rest if digits else "")


@st.composite
def cells(draw: Any, rows: int, decimal: str, thousands: str | None) -> tuple[bool, list[str]]:
    """A column: whether it has numbers, and its cells."""
    kind = draw(st.sampled_from(("integers", "decimals", "words", "dates", "booleans", "codes")))
    column: dict[str, Callable[[], st.SearchStrategy[str]]] = {
        "integers": lambda: st.integers(-(10**7), 10**7).map(lambda n: number(n, 0, decimal, thousands)),
        "decimals": lambda: st.floats(-1e6, 1e6).map(lambda x: number(x, 4, decimal, thousands)),
        "words": lambda: words,
        "dates": lambda: st.dates(pd.Timestamp("1990-01-01").date()).map(str),
        "booleans": lambda: st.sampled_from(("True", "False")),
        "codes": lambda: st.integers(0, 9999).map(lambda n: f"{n:05d}"),
    }
    cell = column[kind]()
    if draw(st.booleans()):
        cell = st.one_of(cell, cell, cell, st.sampled_from(("", "NA", "null", "NaN")))
    return kind in ("integers", "decimals"), draw(st.lists(cell, min_size=rows, max_size=rows))


@st.composite
def tables(draw: Any) -> Written:
    """A CSV file with a header."""
    separator = draw(st.sampled_from(",;\t|"))
    decimal = draw(st.sampled_from(".," if separator != "," else "."))
    thousands = draw(st.sampled_from((None, None, " ", "'", "," if decimal == "." else ".")))
    encoding = draw(st.sampled_from(("utf-8", "utf-8-sig", "utf-16", "cp1252")))
    rows, width = draw(st.integers(3, 20)), draw(st.integers(1, 6))
    columns = [draw(cells(rows, decimal, thousands)) for _ in range(width)]
    names = [f"{draw(words).lstrip('#')}_{j}" for j in range(width)]
    above = draw(st.sampled_from(([], [], [f"sep={separator}"], ["# by hand", "#"])))
    file, end = io.StringIO(newline=""), draw(st.sampled_from(("\n", "\r\n", "\r")))
    plain = (
        width > 1 and end == "\n" and draw(st.booleans())
    )  # the writer quotes \n only if lines end with it
    quoting = csv.QUOTE_MINIMAL if plain else csv.QUOTE_ALL
    file.writelines(line + end for line in above)
    writer = csv.writer(file, delimiter=separator, quoting=quoting, lineterminator=end)
    writer.writerows([names, *zip(*(column for _, column in columns), strict=True)])
    text = tuple(name for name, (numbers, _) in zip(names, columns, strict=True) if not numbers)
    content = file.getvalue().encode(encoding)
    return Written(content, separator, decimal, thousands, encoding, len(above), text)


def as_pandas_reads(path: Path, written: Written) -> pd.DataFrame:
    """All rows of a column, and of several columns those with a cell."""
    file = {"sep": written.separator, "encoding": written.encoding, "skiprows": written.above}
    frame = pd.read_csv(
        path, **file, decimal=written.decimal, thousands=written.thousands,
        dtype=dict.fromkeys(written.text, str),
    )  # fmt: skip
    texts = pd.read_csv(path, **file, dtype=str, na_filter=False)
    return frame[(texts != "").any(axis=1) | (frame.shape[1] == 1)]


def check_equal(reading: Reading | str, expected: pd.Series) -> None:
    """The cells of a column are those that pandas reads."""
    assert isinstance(reading, Reading)
    assert reading.missing.tolist() == expected.isna().tolist()
    known = reading.keep(~reading.missing)
    if isinstance(reading, Numbers):
        np.testing.assert_allclose(known.cells, expected.dropna().to_numpy(np.float64), rtol=1e-15)
    else:
        assert [known.written(cell) for cell in known.cells] == [*expected.dropna().astype(str)]


@pytest.mark.parametrize("examples", [60, pytest.param(3000, marks=pytest.mark.slow)])
def test_tables_are_read_as_pandas_reads_them(tmp_path: Path, examples: int) -> None:
    path, undecided, loaded = tmp_path / "t.csv", [], []

    @settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=[*HealthCheck])
    @given(tables())
    def check(written: Written) -> None:
        path.write_bytes(written.content)
        expected = as_pandas_reads(path, written)
        for options in (TableOptions(), TableOptions(written.decimal, "yes", separator=written.separator)):
            table = read_table_file(path, options)
            readings, notes = read_columns(table.frame, options, table.decimal)
            undecided.append(
                any("table={" in note and "detected" not in note for note in (*table.notes, *notes))
            )
            if undecided[-1] and options == TableOptions():
                continue  # said in a note, and decided by the options of the next round
            assert len(readings) == expected.shape[1]
            if not any("detected" in note for note in table.notes):  # gibberish is in no language
                for reading, name in zip(readings.values(), expected, strict=True):
                    check_equal(reading, expected[name])
        try:
            load_data(str(path))
            loaded.append(True)
        except DataError as error:
            assert "\n" not in str(error)
            loaded.append(False)

    check()
    assert sum(undecided) < 0.1 * len(undecided)
    assert sum(loaded) > 0.6 * len(loaded)
