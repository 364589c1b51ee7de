"""A row of totals is noted; rows like the others are not."""

import numpy as np
import pandas as pd
import pytest

import morphogen as mg


def sales(n: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    place = rng.choice(["Nord", "Süd"], n)
    return pd.DataFrame(
        {"place": place, "amount": rng.integers(1, 9, n), "price": rng.integers(100, 900, n) / 4}
    )


def totals(frame: pd.DataFrame) -> list[str]:
    return [note for note in mg.load_data(frame).notes if "looks like totals" in note]


def test_sums_and_means_below_a_table_are_noted() -> None:
    frame = sales()
    for how, word in (("sum", "sum"), ("mean", "mean")):
        last = {
            "place": None,
            "amount": getattr(frame["amount"], how)(),
            "price": getattr(frame["price"], how)(),
        }
        (note,) = totals(pd.concat([frame, pd.DataFrame([last])], ignore_index=True))
        assert note.startswith("row 41") and f"the {word} of 'amount', the {word} of 'price'" in note
    one = {"place": None, "amount": frame["amount"].sum(), "price": None}
    assert totals(pd.concat([frame, pd.DataFrame([one])], ignore_index=True))


@pytest.mark.parametrize("n", [4, 40])
def test_other_rows_are_not(n: int) -> None:
    frame = sales(n)
    assert not totals(frame)
    almost = {"place": None, "amount": frame["amount"].sum() + 1, "price": frame["price"].sum() - 1}
    assert not totals(pd.concat([frame, pd.DataFrame([almost])], ignore_index=True))
    balance = {"place": "Nord", "amount": frame["amount"].sum(), "price": 5.0}  # by chance, in one column
    assert not totals(pd.concat([frame, pd.DataFrame([balance])], ignore_index=True))
