"""Columns of many words: which are categories, and the notes on them."""

import numpy as np
import pandas as pd
import pytest

from morphogen.data import DataError, load_data
from morphogen.data.words import Words


def words(*counts: int) -> Words:
    """A column whose words have these counts."""
    return Words("w", np.repeat(np.array([f"word{i}" for i in range(len(counts))], dtype=object), counts))


@pytest.mark.parametrize(
    ("counts", "modelled"),
    [
        ([2] * 256, True),
        ([2] * 255 + [1], False),
        ([5] * 257, True),
        ([5] * 256 + [4], False),
        ([5] * 4096, True),
        ([5] * 4097, False),
        ([1] * 200 + [38] * 100, True),  # 200 alone of 4000 are one in twenty
        ([1] * 201 + [38] * 100, False),
        ([1] * 400 + [4000], False),  # names, and many that are unknown
    ],
)
def test_many_words_are_categories_if_rows_share_them(counts, modelled):
    assert words(*counts).repeat == modelled


def test_the_notes_say_what_is_modelled_and_why_another_column_is_not():
    n = 1800
    frame = pd.DataFrame(
        {
            "plane": [f"N{i % 300}" for i in range(n)],
            "name": [f"person {i // 3}" for i in range(n)],
            "text": [f"text {i}" for i in range(n)],
            "x": [i * i % 7 for i in range(n)],
        }
    )
    data = load_data(frame)
    assert [column.name for column in data.representation.columns] == ["plane", "x"]
    notes = {note.split("'")[1]: note for note in data.notes if note.startswith("column '")}
    assert "300 words as they are" in notes["plane"] and 'table={"drop": "plane"}' in notes["plane"]
    assert notes["name"].startswith(
        "column 'name' dropped: 600 different words in 1800 rows, such as 'person"
    )
    assert notes["name"].endswith(
        "0 of them in one row only; 257 to 4096 are modelled if they have 5 rows each on average, "
        "and at most 5% of the rows a word of their own"
    )
    assert notes["text"].endswith("such as 'text 0'")
    with pytest.raises(DataError, match="has 300 different values; a condition has at most 256"):
        load_data(frame, condition="plane")
