"""Every system satisfies every law of `check_model`."""

import pytest
import torch

from morphogen.catalogue import build_system, pages
from morphogen.conditioning.sketch import edges
from morphogen.contract import Batch
from morphogen.numerics.randomness import Rng
from morphogen.representations.audio import MuLaw
from morphogen.representations.pixels import Pixels
from morphogen.representations.tabular import CategoryColumn, GridColumn, RealColumn, Tabular
from morphogen.representations.text import Bytes
from morphogen.testing import LAWS, check_model

COLUMNS = (
    RealColumn("a"),
    GridColumn("b", 0.4, 0.3, 0.0, 0.8, decimals=1),
    CategoryColumn("c", 1.0, 0.8, ("x", "y", "z")),
)
# by medium: representation and number of classes
SPECIMENS = {
    "pictures": (Pixels(17, (1, 8, 8)), 10),
    "text": (Bytes(16), 0),
    "table": (Tabular(COLUMNS), 10),
    "sound": (MuLaw(24, 8000, 16), 10),
}


def batch_for(medium: str, rows: int = 12) -> Batch:
    """Random rows on the medium's grid; laws hold for any data."""
    rng = Rng(7, rows)
    if medium == "text":
        return Batch(rng.integers(256, 16))
    if medium == "sound":
        return Batch(2 * rng.uniform(1, 24) - 1, rng.integers(10))
    if medium == "table":
        columns = torch.stack([rng.normal(), rng.integers(9) / 10, rng.integers(3)], 1)
        return Batch(columns.double(), rng.integers(10))
    return Batch(rng.integers(17, 1, 8, 8).float() / 8 - 1, rng.integers(10))


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("system", pages())
def test_law(system: str, law: str) -> None:
    torch.manual_seed(0)
    medium = pages()[system].medium
    representation, classes = SPECIMENS[medium]
    batch = batch_for(medium)
    if system == "transformer":  # conditioned on a source text
        batch = Batch(batch.medium, Rng(8, len(batch)).integers(256, 9))
    if system == "sketch_to_picture":  # conditioned on edge maps instead of labels
        batch = Batch(batch.medium, edges(batch.medium))
    check_model(build_system(system, representation, classes, "tiny"), batch, [law])
