"""A system that does not generate is no rival: the comparison says so in its row."""

from dataclasses import replace

import torch

import morphogen as mg
from morphogen.advise.recommendation import recommend
from morphogen.compare.choice import choose, misfits
from morphogen.contract import Batch, Unsupported
from morphogen.data import Examples


def test_contrastive_systems_are_not_compared() -> None:
    pictures = (torch.arange(60 * 3 * 64).view(60, 3, 8, 8) * 37 % 256).byte()
    data = mg.load_data(pictures, captions=[f"picture {i}" for i in range(60)])
    found = misfits(["clip", "mixture"], data, "tiny")
    assert found.keys() == {"clip"} and isinstance(found["clip"], Unsupported)
    assert str(found["clip"]).startswith("Contrastive does not generate samples")


def test_captioned_pictures_are_compared_with_a_model_of_captions() -> None:
    """It takes no others, and is recommended for the quality of captioned ones."""
    pictures = (torch.arange(60 * 3 * 64).view(60, 3, 8, 8) * 37 % 256).byte()
    plain = mg.load_data(pictures)
    data = mg.load_data(pictures, captions=[f"picture {i}" for i in range(60)])
    assert choose(data) == [*choose(plain), "latent_diffusion"]
    many = replace(data, train=Endless(data.train))
    assert recommend(many, choose(data), "quality")[0] == "latent_diffusion"
    assert recommend(many, choose(plain), "quality")[0] == "ddpm"


class Endless(Examples):
    """Rows that are repeated."""

    def __init__(self, rows: Examples):
        self.rows = rows

    def __len__(self) -> int:
        return 10_000

    def __getitem__(self, indices: torch.Tensor) -> Batch:
        return self.rows[indices % len(self.rows)]
