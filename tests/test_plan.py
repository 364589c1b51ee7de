"""Learning-rate schedules and augmentations; augmentations are independent per row."""

import pytest
import torch

from morphogen.numerics.randomness import Rng
from morphogen.plan import Constant, Cosine, Flip, Shift

PICTURES = Rng(0, 40).uniform(2, 6, 6) * 2 - 1


def test_flip_mirrors_about_half_of_the_rows():
    flipped = Flip()(PICTURES, Rng(1, 40))
    mirrored = (flipped == PICTURES.flip(-1)).flatten(1).all(1)
    kept = (flipped == PICTURES).flatten(1).all(1)
    assert (mirrored ^ kept).all() and 8 <= mirrored.sum() <= 32  # 40 fair coins: outside with p < 1e-4


def test_shift_moves_the_picture_and_pads_with_background():
    shifted = Shift(2)(PICTURES, Rng(1, 40))
    offsets = set()
    for before, after in zip(PICTURES, shifted, strict=True):
        padded = torch.nn.functional.pad(before, (2, 2, 2, 2), value=-1.0)
        positions = [(y, x) for y in range(5) for x in range(5)]
        matching = [(y, x) for y, x in positions if torch.equal(padded[:, y : y + 6, x : x + 6], after)]
        assert len(matching) == 1
        offsets.update(matching)
    assert len(offsets) > 10


@pytest.mark.parametrize("augment", [Flip(), Shift(1)])
def test_the_augmentation_of_a_row_does_not_depend_on_other_rows(augment):
    assert torch.equal(augment(PICTURES, Rng(3, 40))[5:7], augment(PICTURES[5:7], Rng(3, 40)[5:7]))


def test_schedules_warm_up_and_cosine_ends_at_its_floor():
    assert [Constant(3)(turn, 0.5) for turn in (0, 3, 50)] == [0.25, 1.0, 1.0]
    assert Cosine()(9, 0.0) == 1.0 and Cosine()(9, 0.5) == pytest.approx(0.5)
    assert Cosine(floor=0.1)(9, 1.0) == pytest.approx(0.1)
