"""Columns of numbers that determine each other, such as lengths in metres and in feet, or a copy.

Their values have the same order in all rows, or the reverse. Given one of them the other is a point mass, so
that no density of both has a bound: held-out likelihoods then measure how narrow a model can be, and samples
keep the relation nearly, if at all. A note names them. No paper.
"""

__all__ = ["determined_notes"]

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from morphogen.caller import setting
from morphogen.data.columns import Reading
from morphogen.data.words import Words
from morphogen.similar_names import list_names

MOST = 5  # notes
FEWEST = 10  # rows with another value than the most frequent one; fewer can agree by chance


def determined_notes(readings: Iterable[Reading]) -> list[str]:
    """Notes on columns of numbers whose values have the same order in all rows, or the reverse."""
    same: dict[tuple[bytes, bytes], list[str]] = defaultdict(list)
    for reading in readings:
        if not isinstance(reading, Words) and _rows_beside_mode(reading.known) >= FEWEST:
            same[_order(reading)].append(reading.name)
    groups = [names for names in same.values() if len(names) > 1]
    more = f" (and {len(groups) - MOST} more groups of columns)" if len(groups) > MOST else ""
    return [_note(names) + more * (names is groups[:MOST][-1]) for names in groups[:MOST]]


def _order(reading: Reading) -> tuple[bytes, bytes]:
    """Which cells are missing, and the places of the others among the distinct values, from either end."""
    _, places = np.unique(reading.known, return_inverse=True)
    turned = places.max(initial=0) - places
    rising = places if not len(places) or places[0] <= turned[0] else turned
    return reading.missing.tobytes(), rising.astype(np.int64).tobytes()


def _rows_beside_mode(known: np.ndarray) -> int:
    return len(known) - int(np.unique(known, return_counts=True)[1].max(initial=0))


def _note(names: list[str]) -> str:
    listed = list_names([repr(name) for name in names])
    return (
        f"columns {listed} determine each other: a density of them has no bound, and samples keep it nearly "
        f"or not at all; keep {names[0]!r} only: {setting('table', 'drop', ','.join(names[1:]))}"
    )
