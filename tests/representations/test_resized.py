"""Smaller pictures: areas are averaged and rounded to the grid."""

import pytest
import torch

from morphogen.component import ConfigError
from morphogen.contract import Unsupported
from morphogen.numerics.randomness import Rng
from morphogen.representations import Pixels, Quantised, Resized

PIXELS = Pixels(17, (1, 4, 4))


def test_areas_are_averaged_and_rounded_to_the_grid() -> None:
    medium = torch.tensor([0, 2, 16, 16, 0, 2, 16, 16, 4, 4, 8, 8, 4, 5, 8, 8]).view(1, 1, 4, 4) / 8.0 - 1
    small = Resized(PIXELS, (1, 2, 2))
    x = small.encode(medium, Rng(0, 1), measure=False).x
    assert torch.equal((x + 1) * 8, torch.tensor([[[[1.0, 16.0], [4.0, 8.0]]]]))
    assert torch.equal(small.decode(x), x) and small.present(x)[0].size == (2, 2)


def test_it_is_wrapped_like_pixels() -> None:
    x = Quantised(Resized(PIXELS, (1, 2, 2))).encode(torch.ones(3, 1, 4, 4), Rng(0, 3), measure=False).x
    assert torch.equal(x, torch.full((3, 1, 2, 2), 16))


def test_sides_that_do_not_divide_and_the_change_of_measure_are_refused() -> None:
    for shape in ((1, 3, 2), (3, 2, 2)):
        with pytest.raises(ConfigError, match="must have 1 channels and sides that divide"):
            Resized(PIXELS, shape)
    with pytest.raises(Unsupported, match="does not determine the picture"):
        Resized(PIXELS, (1, 2, 2)).encode(torch.zeros(1, 1, 4, 4), Rng(0, 1))
