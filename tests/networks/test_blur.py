"""`gaussian_blur` against scipy, and its limits."""

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from morphogen.networks.blur import gaussian_blur
from morphogen.numerics.randomness import Rng


def test_each_row_is_blurred_as_scipy_blurs_it() -> None:
    x, std = Rng(0, 3).normal(2, 9, 7).double(), torch.tensor([0.4, 1.0, 2.0]).double()
    for row, blurred, width in zip(x, gaussian_blur(x, std, 6), std.tolist(), strict=True):
        expected = gaussian_filter(row.numpy(), (0, width, width), mode="nearest", radius=(0, 6, 6))
        np.testing.assert_allclose(blurred.numpy(), expected, atol=1e-10)


def test_no_deviation_is_no_blur_and_the_mean_of_a_constant_stays() -> None:
    x = Rng(0, 2).normal(1, 5, 5)
    torch.testing.assert_close(gaussian_blur(x, torch.tensor([0.0, 0.0]), 2), x)
    ones = torch.ones(1, 1, 5, 5)
    torch.testing.assert_close(gaussian_blur(ones, torch.tensor([3.0]), 9), ones)
