"""Every system keeps every law, through the public `check_model`."""

import pytest
import torch

from morphogen.catalogue import compose, pages
from morphogen.conditioning.sketch import edges
from morphogen.contract import Batch
from morphogen.numerics.randomness import Rng
from morphogen.representations.audio import MuLaw
from morphogen.representations.pixels import Pixels
from morphogen.representations.tabular import CategoryColumn, GridColumn, RealColumn, Tabular
from morphogen.representations.text import Bytes
from morphogen.testing import LAWS, check_model

COLUMNS = RealColumn("a"), GridColumn("b", 0.4, 0.3, 0.0, 0.8, decimals=1), CategoryColumn("c", 1.0, 0.8, ("x", "y", "z"))
OF = {
    "pictures": (Pixels(17, (1, 8, 8)), 10),
    "text": (Bytes(16), 0),
    "table": (Tabular(COLUMNS), 10),
    "sound": (MuLaw(24, 8000, 16), 10),
}  # and how many classes


def batch_for(medium: str, rows: int = 12) -> Batch:
    """Rows of noise on the medium's grid: a law holds on any data."""
    rng = Rng(7, rows)
    if medium == "text":
        return Batch(rng.integers(256, 16))
    if medium == "sound":
        return Batch(2 * rng.uniform(1, 24) - 1, rng.integers(10))
    if medium == "table":
        return Batch(torch.stack([rng.normal(), rng.integers(9) / 10, rng.integers(3)], 1).double(), rng.integers(10))
    return Batch(rng.integers(17, 1, 8, 8).float() / 8 - 1, rng.integers(10))


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("system", pages())
def test_law(system: str, law: str) -> None:
    torch.manual_seed(0)
    medium = pages()[system].medium
    representation, classes = OF[medium]
    batch = batch_for(medium)
    if system == "transformer":  # reads another text
        batch = Batch(batch.medium, Rng(8, len(batch)).integers(256, 9))
    if system == "sketch_to_picture":  # sees edges, not labels
        batch = Batch(batch.medium, edges(batch.medium))
    check_model(compose(system, representation, classes, "tiny"), batch, [law])
