"""Counts in messages agree in number with their nouns."""

import pytest

from morphogen.counted import counted


@pytest.mark.parametrize(
    ("n", "noun", "expected"),
    [
        (1, "picture", "1 picture"),
        (0, "picture", "0 pictures"),
        (1024, "picture", "1,024 pictures"),
        (2, "class", "2 classes"),
        (2, "copy", "2 copies"),
        (2, "day", "2 days"),
        (2, "training example", "2 training examples"),
    ],
)
def test_a_noun_agrees_with_its_number(n: int, noun: str, expected: str) -> None:
    assert counted(n, noun) == expected
