"""Every system satisfies every law of `check_model`."""

from typing import Any

import pytest
import torch

from morphogen.catalogue import build_system, pages
from morphogen.conditioning.caption import Captions, caption_bytes
from morphogen.conditioning.sketch import edges
from morphogen.conditioning.specs import Classes, Sketches
from morphogen.contract import Batch, ConditionSpec, Representation
from morphogen.numerics.randomness import Rng
from morphogen.representations.audio import MuLaw
from morphogen.representations.pixels import Pixels
from morphogen.representations.tabular import CategoryColumn, GridColumn, RealColumn, Tabular
from morphogen.representations.text import Bytes
from morphogen.testing import LAWS, OF_SAMPLES, check_model
from morphogen.testing.subjects import generates

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
# the conditions that a page may require; a source is of the medium itself
REQUIRED: dict[str, ConditionSpec] = {"sketch": Sketches(), "caption": Captions(Bytes(16)), **LABEL}


# their networks are those of a system whose laws are fast: another game, or another width
SLOW = (
    *("lsgan", "wgan", "conditional_gan", "improved_ddpm", "beta_vae", "v_diffusion", "stable_diffusion_2"),
    "dalle2_autoregressive",
)


def specimen(system: str) -> tuple[Representation, dict[str, ConditionSpec]]:
    """The representation and the conditions of a system: those that it requires, or else of its medium."""
    page = pages()[system]
    representation, conditions = SPECIMENS[page.medium]
    known: dict[str, Any] = {"source": representation, **REQUIRED}
    return representation, {name: known[name] for name in page.required} or conditions


def batch_for(medium: str, rows: int = 12) -> Batch:
    """Random rows on the medium's grid, with conditions of every kind; laws hold for any data."""
    rng = Rng(7, rows)
    if medium == "text":
        return Batch(rng.integers(256, 16), {"source": Rng(8, rows).integers(256, 9)})
    if medium == "sound":
        return Batch(2 * rng.uniform(1, 24) - 1, {"label": rng.integers(10)})
    if medium == "table":
        columns = torch.stack([rng.normal().double(), rng.integers(9) / 10.0, rng.integers(3).double()], 1)
        columns[:, 1:] = torch.where(rng.uniform(2) < 0.2, torch.nan, columns[:, 1:])
        return Batch(columns, {"label": rng.integers(10)})
    pictures = rng.integers(17, 1, 8, 8).float() / 8 - 1
    source = Rng(8, rows).integers(17, 1, 8, 8).float() / 8 - 1
    caption = caption_bytes([f"picture {i}" for i in rng.integers(10).tolist()])
    conditions = {"label": rng.integers(10), "sketch": edges(pictures), "source": source, "caption": caption}
    return Batch(pictures, conditions)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(
    "system", [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in pages()]
)
def test_law(system: str, law: str) -> None:
    torch.manual_seed(0)
    model = build_system(system, *specimen(system), "tiny")
    if law in OF_SAMPLES and not generates(model):
        return  # CLIP ranks pictures
    check_model(model, batch_for(pages()[system].medium), [law])
