"""A system that does not generate is no rival: the comparison says so in its row."""

import torch

import morphogen as mg
from morphogen.compare.choice import misfits
from morphogen.contract import Unsupported


def test_contrastive_systems_are_not_compared() -> None:
    pictures = (torch.arange(60 * 3 * 64).view(60, 3, 8, 8) * 37 % 256).byte()
    data = mg.load_data(pictures, captions=[f"picture {i}" for i in range(60)])
    found = misfits(["clip", "mixture"], data, "tiny")
    assert found.keys() == {"clip"} and isinstance(found["clip"], Unsupported)
    assert str(found["clip"]).startswith("Contrastive does not generate samples")
