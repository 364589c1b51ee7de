"""One axis as two: folds invert, and a line is a picture of which only one column counts."""

import pytest
import torch
from torch.nn import functional as F

from morphogen.networks.axes import averaged, folded, repeated, unfolded


@pytest.mark.parametrize("shape", [(2, 3, 12), (2, 3, 6, 12)])
def test_patches_are_folded_and_unfolded(shape: tuple[int, ...]) -> None:
    x = torch.randn(*shape)
    patches = folded(x, 3)
    assert patches.shape == (2, 3 * 3 ** (len(shape) - 2), *(side // 3 for side in shape[2:]))
    assert torch.equal(unfolded(patches, 3), x) and torch.equal(unfolded(folded(x, 1), 1), x)


def test_a_patch_of_a_line_holds_what_lay_there_one_channel_after_the_other() -> None:
    x = torch.randn(2, 3, 12)
    assert torch.equal(folded(x, 3)[:, :, 2], x[:, :, 6:9].flatten(1))


def test_halves_and_doubles_are_those_of_a_picture_with_equal_columns() -> None:
    x = torch.randn(2, 3, 8)
    picture = x[..., None].expand(-1, -1, -1, 2)
    assert torch.allclose(averaged(x), F.avg_pool2d(picture, 2)[..., 0], atol=1e-6)
    assert torch.equal(repeated(x), repeated(picture)[..., 0])
    assert torch.equal(repeated(x), F.interpolate(x, scale_factor=2.0, mode="nearest"))
    assert torch.allclose(averaged(repeated(x)), x, atol=1e-6)
