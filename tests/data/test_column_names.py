"""Names of columns are made distinct, and each name that occurs keeps its first column."""

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from morphogen.data.column_names import distinct_names

names = st.lists(st.sampled_from(("", ".1", "a", "a.1", "a.2", "a.1.1", "b", "b.1")), max_size=12)


def named(*columns: str) -> tuple[list[str], list[str]]:
    frame, notes = distinct_names(pd.DataFrame([[0] * len(columns)], columns=list(columns)))
    return [*frame.columns], notes


@settings(deadline=None)
@given(names)
def test_names_are_distinct(written: list[str]) -> None:
    found, notes = named(*written)
    assert len({*found}) == len(found) == len(written) and {*written} <= {*found}
    for i, (name, made) in enumerate(zip(written, found, strict=True)):
        assert made == name if name not in written[:i] else made.startswith(f"{name}.")
    assert len(notes) == len(written) - len({*written})


def test_the_next_free_number_is_taken() -> None:
    assert named("temp", "temp.2", "temp") == (
        ["temp", "temp.2", "temp.1"],
        ["two columns are named 'temp': the second is 'temp.1' here"],
    )
    assert named("a", "a", "a.1", "a")[0] == ["a", "a.2", "a.1", "a.3"]
