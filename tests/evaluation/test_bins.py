"""Bins with another share of samples: equal sets, dropped and repeated modes, too few rows."""

import pytest
import torch

from morphogen.evaluation.bins import different_bins
from morphogen.numerics.randomness import Rng

N, K = 4000, 20


def ring(n: int, seed: int, modes: int = 8, weights: list[float] | None = None) -> torch.Tensor:
    """Points of the first `modes` of 8 Gaussians on a circle."""
    rng = Rng(seed, n)
    share = torch.tensor(weights if weights is not None else [1.0] * modes)
    mode = rng.fork("mode").categorical(share.log().expand(n, -1))
    angle = mode * 2 * torch.pi / 8
    return torch.stack([angle.cos(), angle.sin()], 1) + 0.05 * rng.fork("noise").normal(2)


def test_equal_sets_differ_in_one_bin_of_twenty() -> None:
    """10 seeds of 20 bins: 200 decisions at the 5 % level, mean 10; 2 .. 22 is 99.9 % of the binomial."""
    found = sum(
        different_bins(ring(N, s), ring(N // 2, 100 + s), K)["different"]["value"] * K for s in range(10)
    )
    assert 2 <= found <= 22


def test_dropped_modes_are_missed_bins() -> None:
    """Three of eight modes are missing: their bins have no samples, and all others too many."""
    figures = different_bins(ring(N, 0), ring(N // 2, 1, modes=5), K)
    assert 0.25 <= figures["missed"]["value"] <= 0.5 and figures["different"]["value"] > 0.5
    assert figures["different"]["low"] < figures["different"]["value"] < figures["different"]["high"]


def test_another_share_of_a_mode_differs_and_is_not_missed() -> None:
    figures = different_bins(ring(N, 0), ring(N // 2, 1, weights=[0.4] + [1.0] * 7), K)
    assert figures["missed"]["value"] == 0 and figures["different"]["value"] > 0.05


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"100 real rows and 50 samples are too few for 20 bins: give at least 400"
    ):
        different_bins(ring(100, 0), ring(50, 1), K)
