"""Every system satisfies every law of `check_model`."""

import pytest
import torch

from morphogen.catalogue import build_system, pages
from morphogen.conditioning.sketch import edges
from morphogen.conditioning.specs import Classes, Sketches
from morphogen.contract import Batch, ConditionSpec, Representation
from morphogen.numerics.randomness import Rng
from morphogen.representations.audio import MuLaw
from morphogen.representations.pixels import Pixels
from morphogen.representations.tabular import CategoryColumn, GridColumn, RealColumn, Tabular
from morphogen.representations.text import Bytes
from morphogen.testing import LAWS, check_model

COLUMNS = (
    RealColumn("a", (-6.0, -1.0, 0.0, 1.0, 6.0), (0.0, 1.0, 2.0, 2.0, 1.0)),
    GridColumn("b", (0, 1, 2, 4, 8), 8, 1, weights=(1.0, 1.0, 1.0, 2.0, 4.0, 1.0)),
    CategoryColumn("c", ("x", "y", "z"), (1.0, 3.0, 3.0, 3.0)),
)
LABEL = {"label": Classes(10)}
# by medium: representation and conditions
SPECIMENS: dict[str, tuple[Representation, dict[str, ConditionSpec]]] = {
    "pictures": (Pixels(17, (1, 8, 8)), LABEL),
    "text": (Bytes(16), {}),
    "table": (Tabular(COLUMNS), LABEL),
    "sound": (MuLaw(24, 8000, 16), LABEL),
}
# the conditions that a page requires
REQUIRED: dict[str, ConditionSpec] = {"source": Bytes(16), "sketch": Sketches(), **LABEL}


def batch_for(medium: str, rows: int = 12) -> Batch:
    """Random rows on the medium's grid; laws hold for any data."""
    rng = Rng(7, rows)
    if medium == "text":
        return Batch(rng.integers(256, 16))
    if medium == "sound":
        return Batch(2 * rng.uniform(1, 24) - 1, {"label": rng.integers(10)})
    if medium == "table":
        columns = torch.stack([rng.normal().double(), rng.integers(9) / 10.0, rng.integers(3).double()], 1)
        columns[:, 1:] = torch.where(rng.uniform(2) < 0.2, torch.nan, columns[:, 1:])
        return Batch(columns, {"label": rng.integers(10)})
    return Batch(rng.integers(17, 1, 8, 8).float() / 8 - 1, {"label": rng.integers(10)})


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("system", pages())
def test_law(system: str, law: str) -> None:
    torch.manual_seed(0)
    medium = pages()[system].medium
    representation, conditions = SPECIMENS[medium]
    conditions = {name: REQUIRED[name] for name in pages()[system].required} or conditions
    batch = batch_for(medium)
    values = {"source": Rng(8, len(batch)).integers(256, 9)} if medium == "text" else {}
    values |= {"sketch": edges(batch.medium)} if medium == "pictures" else {}
    batch = Batch(batch.medium, {**batch.condition, **values})
    check_model(build_system(system, representation, conditions, "tiny"), batch, [law])
