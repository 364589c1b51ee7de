"""Longest common substrings against an exhaustive search."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from morphogen.evaluation import substrings
from morphogen.evaluation.substrings import longest_common_substrings


def longest_by_search(row: list[int], text: list[int]) -> int:
    """Length of the longest substring of the row that occurs in the text, by exhaustive search."""
    substrings_of_row = [row[a:b] for a in range(len(row)) for b in range(a + 1, len(row) + 1)]
    return max(
        (len(p) for p in substrings_of_row if any(text[i : i + len(p)] == p for i in range(len(text)))),
        default=0,
    )


@settings(max_examples=150, deadline=None)
@given(
    rows=st.integers(1, 9).flatmap(
        lambda t: st.lists(st.lists(st.integers(0, 2), min_size=t, max_size=t), min_size=1, max_size=4)
    ),
    text=st.lists(st.integers(-1, 2), min_size=1, max_size=40),
    chunk=st.integers(1, 50),
)
def test_matches_an_exhaustive_search(rows: list[list[int]], text: list[int], chunk: int) -> None:
    """Few distinct tokens give long matches; the text is split into chunks of as little as one token."""
    default, substrings.CHUNK = substrings.CHUNK, chunk
    try:
        result = longest_common_substrings(torch.tensor(rows), torch.tensor(text)).tolist()
    finally:
        substrings.CHUNK = default
    assert result == [longest_by_search(row, text) for row in rows]


def test_matches_end_with_the_row_and_at_negative_tokens() -> None:
    text = torch.tensor([1, 2, 3, -1, 4, 5])
    assert longest_common_substrings(torch.tensor([[2, 3], [3, 4], [9, 9]]), text).tolist() == [2, 1, 0]
