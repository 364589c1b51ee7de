"""Small parts and classes that a part lacks are noted, for every medium, and nothing else is."""

import numpy as np
import pytest

from morphogen.data import load_data
from morphogen.data.part_sizes import FEW, small_parts

RNG = np.random.default_rng(0)
MEDIA = {
    "pictures": lambda n: (RNG.integers(0, 256, (n, 8, 8), dtype=np.uint8), {}),
    "table": lambda n: (RNG.normal(size=(n, 3)), {}),
    "sound": lambda n: ([RNG.uniform(-0.5, 0.5, 100) for _ in range(n)], {"rate": 8000, "length": 100}),
}


def parts_of(medium, train, valid, test):
    """The data as given parts of these sizes, with options."""
    rows, options = MEDIA[medium](train + valid + test)
    own = rows[:train], rows[train : train + valid], rows[train + valid :]
    return load_data(own[0], valid=own[1], test=own[2], **options)


@pytest.mark.parametrize("medium", MEDIA)
def test_parts_of_fewer_than_ten_are_noted(medium):
    line = "few examples: 9 in valid and 3 in test, of 52 in all; figures on so few say little"
    few = parts_of(medium, 40, 9, 3)
    assert few.medium == medium and few.notes[-1] == line and small_parts(few) == (line,)
    enough = parts_of(medium, FEW, FEW, FEW)
    assert small_parts(enough) == () and not any("few" in note for note in enough.notes)


def test_classes_that_a_part_lacks_are_named():
    rows = RNG.integers(0, 256, (80, 8, 8), dtype=np.uint8)
    names = np.array([f"c{i}" for i in range(8)])
    own = {"valid": (rows[40:60], names[np.arange(20) % 7]), "test": (rows[60:], names[np.arange(20) % 2])}
    data = load_data(rows[:40], names[np.arange(40) % 8], **own)
    assert data.notes[-1] == (
        "classes without an example: valid has none of 'c7' and test has none of 'c2', 'c3', 'c4', 'c5', "
        "'c6' and 1 more; figures do not cover them"
    )
    assert load_data("digits").notes == ()
