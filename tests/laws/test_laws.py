"""Every system keeps every law, through the public `check_model`."""

import pytest
import torch

from morphogen.catalogue import compose, pages
from morphogen.contract import Batch
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Pixels
from morphogen.representations.text import Bytes
from morphogen.testing import LAWS, check_model


def batch_for(medium: str) -> Batch:
    """Twelve rows of noise on the medium's grid: a law holds on any data."""
    rng = Rng(7, 12)
    if medium == "text":
        return Batch(rng.integers(256, 16))
    return Batch(rng.integers(17, 1, 8, 8).float() / 8 - 1, rng.integers(10))


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("system", pages())
def test_law(system: str, law: str) -> None:
    torch.manual_seed(0)
    medium = pages()[system].medium
    representation, classes = (Bytes(16), 0) if medium == "text" else (Pixels(17, (1, 8, 8)), 10)
    check_model(compose(system, representation, classes, "tiny"), batch_for(medium), [law])
