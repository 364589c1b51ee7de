"""Rows that repeat by chance are draws, and rows that are copies stay in one part."""

import numpy as np
import pandas as pd
import pytest

import morphogen as mg


def coins(n: int, seed: int = 0) -> pd.DataFrame:
    """Rows of three categories, 2 x 3 x 2 kinds of very different frequency, so most rows repeat."""
    rng = np.random.default_rng(seed)
    sides = {"side": ["heads", "tails"], "face": ["one", "two", "three"], "colour": ["red", "blue"]}
    odds = {"side": [0.7, 0.3], "face": [0.5, 0.4, 0.1], "colour": [0.8, 0.2]}
    return pd.DataFrame({name: rng.choice(words, n, p=odds[name]) for name, words in sides.items()})


def test_every_kind_of_row_is_in_train_in_its_proportion():
    """n = 2000 of 12 kinds; the standard error of a proportion in train is at most 0.013."""
    frame = coins(2000)
    data = mg.load_data(frame)
    assert [len(data.train), len(data.test)] == pytest.approx([1500, 300], abs=60)
    rows = data.representation.frame(data.train.first().medium)
    kinds = [table.value_counts(normalize=True) for table in (frame, rows)]
    assert np.abs(kinds[0].sub(kinds[1], fill_value=0)).max() < 0.03
    assert any("equal an earlier one" in note for note in data.notes)


def test_the_split_depends_on_the_order_of_no_row():
    frame = coins(500)
    both = [mg.load_data(f) for f in (frame, frame.sample(frac=1, random_state=1))]
    assert both[0].split == both[1].split
    more = mg.load_data(pd.concat([frame, frame[:1]]))
    assert len(more.train) + len(more.valid) + len(more.test) == 501
    assert abs(len(more.train) - len(both[0].train)) <= 1  # new rows move no others


def test_copies_of_rows_of_numbers_stay_together():
    """Each row of two real columns occurs twice, which chance does not explain."""
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 2)), columns=["a", "b"])
    data = mg.load_data(pd.concat([frame, frame], ignore_index=True))
    parts = [
        {tuple(row) for row in part.first().medium.tolist()} for part in (data.train, data.valid, data.test)
    ]
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]
    assert not any("equal an earlier one" in note for note in data.notes)


def test_repeated_rows_in_the_authors_own_parts_are_no_copies():
    data = mg.load_data(coins(300), test=coins(100, 1))
    assert not any("are in train too" in note for note in data.notes)
    numbers = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 2)), columns=["a", "b"])
    assert any("are in train too" in note for note in mg.load_data(numbers, test=numbers[:50]).notes)
