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


def shops(*last: tuple[object, object], n: int = 40, form: str = "{}") -> pd.DataFrame:
    rows = [(f"s{i % 4}", i * i % 97 + 1) for i in range(n)]
    return pd.DataFrame(
        [(shop, form.format(sales)) for shop, sales in [*rows, *last]], columns=["shop", "sales"]
    )


SUM = sum(i * i % 97 + 1 for i in range(40))


@pytest.mark.parametrize("word", ["Total", "TOTAL", "Grand total:", "Summe", "Gesamt", "Sub-total"])
@pytest.mark.parametrize("form", ["{}", "${}.00", "{} €"])
def test_a_word_for_totals_and_one_sum_are_noted(word: str, form: str) -> None:
    frame = shops((word, SUM), form=form)
    for condition, value in (("shop", "class"), (None, "category")):
        notes = mg.load_data(frame, condition=condition).notes
        (note,) = (note for note in notes if "looks like totals" in note)
        assert note.startswith(f"row 41 ({word!r}) looks like totals (the sum of 'sales')")
        assert f"{word!r} as a {value} of 'shop'" in note


def test_rows_below_the_totals_and_groups() -> None:
    (note,) = totals(shops(("Total", SUM), ("Source: Office", "")))
    assert note.startswith("row 41 ('Total')")
    (note,) = totals(shops(("Average", round(SUM / 40, 2))))
    assert "the mean of 'sales'" in note
    half = sum(i * i % 97 + 1 for i in range(20))
    frame = shops(("Subtotal", SUM - half), ("Total", SUM))
    above, below = frame[:20], frame[20:]
    subtotal = pd.DataFrame({"shop": ["Subtotal"], "sales": [str(half)]})
    first, second = totals(pd.concat([above, subtotal, below], ignore_index=True))
    assert first.startswith("row 42 ('Subtotal')") and second.startswith("row 43 ('Total')")


def test_the_word_of_totals_in_a_column_of_names_that_is_dropped() -> None:
    frame = shops(("Total", SUM))
    frame["shop"] = [*(f"shop {chr(65 + i)}" for i in range(40)), "Total"]
    (note,) = totals(frame.assign(place=["Nord", "Sued"] * 20 + [None]))
    assert note.startswith("row 41 ('Total')") and "category" not in note


@pytest.mark.parametrize("last", [("Total", SUM + 9), ("Totaled", SUM), ("s1", SUM), ("Total", 5)])
def test_words_or_sums_alone_are_not_totals(last: tuple[str, int]) -> None:
    assert not totals(shops(last))


def test_a_word_that_is_read_as_missing_is_no_category() -> None:
    frame = shops(("Summe", SUM))
    frame["shop"] = [*(f"{i % 28 + 1:02d}.03.2024" for i in range(40)), "Summe"]
    (note,) = totals(frame)
    assert note.startswith("row 41 ('Summe')") and "category" not in note


def test_a_line_below_totals_without_a_word() -> None:
    frame = sales()
    last = {"amount": frame["amount"].sum(), "price": frame["price"].sum()}
    found = mg.load_data(pd.concat([frame, pd.DataFrame([last, {"place": "Source: Office"}])])).notes
    assert any(note.startswith("row 41 looks like totals (the sum of 'amount', the sum") for note in found)
    assert any(note.startswith("row 42 ('Source: Office') looks like a line below") for note in found)


def test_words_beside_empty_columns_only_are_no_lines() -> None:
    frame = pd.DataFrame({"kind": ["x", "y"] * 8, "size": [None] * 16})
    assert not [note for note in mg.load_data(frame).notes if "looks like" in note]
