"""The longest pieces are those that a search for every piece finds."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from morphogen.evaluation import substrings
from morphogen.evaluation.substrings import longest_pieces


def searched(row: list[int], text: list[int]) -> int:
    """Every piece, looked for at every place."""
    pieces = [row[a:b] for a in range(len(row)) for b in range(a + 1, len(row) + 1)]
    return max((len(p) for p in pieces if any(text[i : i + len(p)] == p for i in range(len(text)))), default=0)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.integers(1, 9).flatmap(lambda t: st.lists(st.lists(st.integers(0, 2), min_size=t, max_size=t), min_size=1, max_size=4)),
    text=st.lists(st.integers(-1, 2), min_size=1, max_size=40),
    at_once=st.integers(1, 50),
)
def test_they_are_what_a_search_finds(rows: list[list[int]], text: list[int], at_once: int) -> None:
    """Few symbols make long pieces; the text is also taken in parts, down to one symbol at a time."""
    whole, substrings.AT_ONCE = substrings.AT_ONCE, at_once
    try:
        found = longest_pieces(torch.tensor(rows), torch.tensor(text)).tolist()
    finally:
        substrings.AT_ONCE = whole
    assert found == [searched(row, text) for row in rows]


def test_a_piece_ends_with_its_row_and_with_what_was_seen() -> None:
    text = torch.tensor([1, 2, 3, -1, 4, 5])
    assert longest_pieces(torch.tensor([[2, 3], [3, 4], [9, 9]]), text).tolist() == [2, 1, 0]
