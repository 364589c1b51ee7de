"""95 % intervals hold the value that they claim, the expected value at this n, in 92 to 98 % of resamplings.

The slow tests have 200 resamplings, whose standard error at 0.95 is 0.015: coverage is accepted where it is
compatible with 0.92 to 0.98, between 0.89 and 0.995. The fast ones compare the width with the true spread,
which is what coverage depends on: 1.96 standard deviations of the statistic over independent sets.
"""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from morphogen.evaluation.class_score import class_score
from morphogen.evaluation.frechet import frechet, frechet_interval
from morphogen.evaluation.intervals import mean, proportion
from morphogen.evaluation.kernel_distance import kernel_distance
from morphogen.evaluation.likelihood import ratio_of_sums
from morphogen.evaluation.precision_recall import NAMES, prdc, precision_recall

TRIALS, TRUTH = 200, 400
Sets = tuple[Tensor, Tensor]


def equal(n: int, g: torch.Generator) -> Sets:
    return torch.randn(n, 16, generator=g), torch.randn(n, 16, generator=g)


def shifted_squares(n: int, g: torch.Generator) -> Sets:
    return torch.rand(n, 2, generator=g), torch.rand(n, 2, generator=g) + torch.tensor([0.5, 0.0])


def wider(n: int, g: torch.Generator) -> Sets:
    return torch.randn(n, 16, generator=g), 1.3 * torch.randn(n, 16, generator=g) + 0.2


def modes(n: int, count: int, scale: float, g: torch.Generator) -> Tensor:
    """Four modes in 8 dimensions, of which a model may drop some, or make all too wide or too narrow."""
    centres = 6 * torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]]) @ torch.eye(2, 8)
    return centres[torch.randint(count, (n,), generator=g)] + scale * torch.randn(n, 8, generator=g)


def matching(n: int, g: torch.Generator) -> Sets:
    return modes(n, 4, 1.0, g), modes(n, 4, 1.0, g)


def dropped(n: int, g: torch.Generator) -> Sets:
    return modes(n, 4, 1.0, g), modes(n, 2, 1.0, g)


def too_wide(n: int, g: torch.Generator) -> Sets:
    return modes(n, 4, 1.0, g), modes(n, 4, 1.5, g)


def too_narrow(n: int, g: torch.Generator) -> Sets:
    return modes(n, 4, 1.0, g), modes(n, 4, 0.6, g)


MODES = matching, dropped, too_wide, too_narrow


def holds(intervals: list, expected: float) -> float:
    return sum(i["low"] <= expected <= i["high"] for i in intervals) / len(intervals)


def relative_width(intervals: list, spread: float) -> float:
    return sum(i["high"] - i["low"] for i in intervals) / len(intervals) / (2 * 1.96 * spread)


@pytest.mark.slow
@pytest.mark.parametrize("draw", [equal, wider, shifted_squares])
def test_the_interval_of_the_frechet_distance_covers(draw):
    """n = 100, seed 0."""
    g = torch.Generator().manual_seed(0)
    expected = torch.tensor([frechet(*draw(100, g)) for _ in range(TRUTH)]).mean().item()
    assert 0.89 <= holds([frechet_interval(*draw(100, g), seed=i) for i in range(TRIALS)], expected) <= 0.995


@pytest.mark.slow
@pytest.mark.parametrize(
    ("draw", "n"),
    [
        *((draw, 100) for draw in (equal, wider, shifted_squares, matching, dropped, too_wide, too_narrow)),
        (equal, 500),
    ],
)
def test_the_intervals_of_precision_recall_density_and_coverage_cover(draw, n):
    """Seed 0."""
    g = torch.Generator().manual_seed(0)
    expected = torch.tensor([list(prdc(*draw(n, g)).values()) for _ in range(TRUTH)]).double().mean(0)
    results = [precision_recall(*draw(n, g), seed=i) for i in range(TRIALS)]
    share = {
        name: holds([r[name] for r in results], e.item()) for name, e in zip(NAMES, expected, strict=True)
    }
    assert all(0.89 <= value <= 0.995 for value in share.values()), share


@pytest.mark.parametrize(
    "draw", [shifted_squares, equal, *(pytest.param(d, marks=pytest.mark.slow) for d in MODES)]
)
@pytest.mark.parametrize("n", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_the_interval_of_the_kernel_distance_covers(draw, n):
    """500 resamplings, seed 0, standard error 0.01; the normal quantile in place of Student's covers 0.91."""
    g = torch.Generator().manual_seed(0)
    expected = sum(kernel_distance(*draw(200, g))["value"] for _ in range(300)) / 300  # without bias
    assert 0.915 <= holds([kernel_distance(*draw(n, g)) for _ in range(500)], expected) <= 0.99


@pytest.mark.parametrize("classes", [2, 10, 100])
@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
def test_the_interval_of_the_class_score_covers(scale, classes):
    """n = 20, 500 resamplings, seed 0, standard error 0.01; a bootstrap covers 0.87 to 0.93 of these."""
    g = torch.Generator().manual_seed(0)
    found = [class_score((scale * torch.randn(20, classes, generator=g)).softmax(1)) for _ in range(500)]
    expected = sum(figure["value"] for figure in found) / len(found)
    assert 0.92 <= holds(found, expected) <= 0.98


@pytest.mark.parametrize("draw", [equal, wider])
def test_the_width_of_the_frechet_interval_is_that_of_its_spread(draw):
    """n = 60, 8 intervals, 100 sets, seed 0: within 30 %. A bootstrap is 1.6 times too wide if equal."""
    g = torch.Generator().manual_seed(0)
    spread = torch.tensor([frechet(*draw(60, g)) for _ in range(100)]).std().item()
    found = [frechet_interval(*draw(60, g), partitions=32, seed=i) for i in range(8)]
    assert relative_width(found, spread) == pytest.approx(1, abs=0.3)


def test_the_width_of_the_intervals_of_prdc_is_that_of_their_spread():
    """n = 100, 12 intervals, 150 sets, seed 0: within 30 %."""
    g = torch.Generator().manual_seed(0)
    truth = torch.tensor([list(prdc(*shifted_squares(100, g)).values()) for _ in range(150)]).double()
    found = [precision_recall(*shifted_squares(100, g), seed=i) for i in range(12)]
    for i, name in enumerate(NAMES):
        width = relative_width([r[name] for r in found], truth[:, i].std().item())
        assert width == pytest.approx(1, abs=0.3), name


def test_the_mean_and_the_proportion_cover():
    """n = 8 normals and n = 60 rows of probability 0.2, 2000 resamplings, seed 0; standard error 0.005.

    The normal quantile in place of Student's covers 0.90 at n = 8.
    """
    g = torch.Generator().manual_seed(0)
    assert 0.935 <= holds([mean(row) for row in torch.randn(2000, 8, generator=g)], 0.0) <= 0.965
    assert 0.92 <= holds([proportion(row) for row in torch.rand(2000, 60, generator=g) < 0.2], 0.2) <= 0.98


def test_the_ratio_of_sums_covers_with_rows_of_unequal_dims():
    """n = 60 rows of 1 to 400 dims, 1500 resamplings, seed 0: bits per dim vary by row around 2."""
    g = torch.Generator().manual_seed(0)
    intervals = []
    for _ in range(1500):
        dims = (torch.rand(60, generator=g).square() * 400).ceil().double()
        bits = dims * (2 + 0.5 * torch.randn(60, generator=g).double())
        intervals.append(ratio_of_sums(bits, dims))
    assert 0.92 <= holds(intervals, 2.0) <= 0.98


def test_the_ratio_of_sums_does_not_depend_on_a_constant_rate():
    """Rows of unequal dims with the same bits/dim have no variance, however their bits differ."""
    dims = torch.tensor([1.0, 50.0, 400.0]).double()
    found = SimpleNamespace(**ratio_of_sums(2 * dims, dims))
    assert found.low == found.value == found.high == 2.0
