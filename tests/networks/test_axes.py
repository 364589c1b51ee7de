"""Operations on one or two axes: folding is invertible, and a signal acts as an image with equal columns."""

import pytest
import torch
from torch.nn import functional as F

from morphogen.networks.axes import avg_pool, patchify, unpatchify, upsample_nearest


@pytest.mark.parametrize("shape", [(2, 3, 12), (2, 3, 6, 12)])
def test_unfolded_inverts_folded(shape: tuple[int, ...]) -> None:
    x = torch.randn(*shape)
    patches = patchify(x, 3)
    assert patches.shape == (2, 3 * 3 ** (len(shape) - 2), *(side // 3 for side in shape[2:]))
    assert torch.equal(unpatchify(patches, 3), x) and torch.equal(unpatchify(patchify(x, 1), 1), x)


def test_a_patch_of_a_signal_contains_its_values_channel_by_channel() -> None:
    x = torch.randn(2, 3, 12)
    assert torch.equal(patchify(x, 3)[:, :, 2], x[:, :, 6:9].flatten(1))


def test_resampling_a_signal_equals_resampling_an_image_with_equal_columns() -> None:
    x = torch.randn(2, 3, 8)
    image = x[..., None].expand(-1, -1, -1, 2)
    assert torch.allclose(avg_pool(x), F.avg_pool2d(image, 2)[..., 0], atol=1e-6)
    assert torch.equal(upsample_nearest(x), upsample_nearest(image)[..., 0])
    assert torch.equal(upsample_nearest(x), F.interpolate(x, scale_factor=2.0, mode="nearest"))
    assert torch.allclose(avg_pool(upsample_nearest(x)), x, atol=1e-6)
