"""GANs on Gaussian mixtures: what covers a mode, the record of a training, and configs of functions."""

import pytest
import torch

from morphogen.closed_form import grid, ring
from morphogen.numerics.randomness import Rng
from morphogen.recipes import gan_rings as recipe
from morphogen.recipes import records


@pytest.mark.parametrize("truth", [ring(), grid()])
def test_exact_samples_cover_all_modes_within_four_sigma(truth) -> None:
    """1 - exp(-8) = 0.99966 of the data are within 4 sigma; n = 10,000, seed 0, 4 standard errors."""
    modes, within = recipe.modes_and_within(truth, truth.sample(Rng(0, 10_000)))
    assert modes == len(truth.means) and abs(within - 0.99966) < 4 * (0.99966 * 0.00034 / 10_000) ** 0.5


def test_a_mode_needs_a_tenth_of_its_part_within_four_sigma() -> None:
    """1000 samples: 13 of 125 cover a mode of eight, 12 do not; 0.21 is outside 4 x 0.05, 0.19 inside."""
    means = ring().means.float()
    for rare, offset, modes, within in ((13, 0.19, 2, 1.0), (12, 0.19, 1, 1.0), (13, 0.21, 1, 0.987)):
        x = means[:1].repeat(1000, 1)
        x[:rare] = means[3] + torch.tensor([0.0, offset])
        assert recipe.modes_and_within(ring(), x) == (modes, pytest.approx(within))


def test_the_record_has_every_seed_and_finds_another_config(monkeypatch) -> None:
    monkeypatch.setattr(recipe, "SAMPLES", 100)
    record = recipe.gan_rings(("wgan_gp",), {"ring": 4, "grid": 2}, (0, 1))
    figure = record["figures"]["wgan_gp_ring"]
    assert set(record["figures"]) == set(record["models"]) == {"wgan_gp_ring", "wgan_gp_grid"}
    assert len(figure["of_seeds"]["modes"]) == 2 and figure["modes"]["n"] == 2
    assert figure["least_within"] == min(figure["of_seeds"]["within"]) <= figure["within"]["value"]
    assert records.outdated(record) == []
    record["models"]["wgan_gp_ring"]["arguments"] = {"game": "non_saturating_r1"}
    assert records.outdated(record) == ["wgan_gp_ring"]
