"""Points, and sets of them: padding, scale, sizes, and what is refused."""

import pytest
import torch

from morphogen.component import ConfigError, from_config, to_config
from morphogen.numerics.randomness import Rng
from morphogen.representations.points import Points, PointSets

NAN = float("nan")
SETS = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [NAN, NAN]], [[5.0, 6.0], [NAN, NAN], [NAN, NAN]]])


def test_sizes_and_scale_are_those_of_the_training_sets():
    points = PointSets.of(SETS)
    assert points.sizes == (1, 1, 0)
    assert points.scale == pytest.approx(float(torch.arange(1.0, 7.0).std(correction=0)), rel=1e-3)
    assert from_config(to_config(points)).arguments == points.arguments


def test_round_trip_keeps_points_and_marks_missing_ones():
    points = PointSets.of(SETS)
    x = points.encode(SETS, Rng(0, 2))
    assert x.mask is not None and x.mask.tolist() == [[True, True, False], [True, False, False]]
    assert x.dims.tolist() == [4.0, 2.0] and not x.x[~x.mask].any()
    torch.testing.assert_close(points.decode(x.x)[x.mask], SETS[x.mask])
    assert points.present(SETS) == [[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0]]]


def test_masks_are_drawn_from_the_sizes():
    sizes = PointSets((0, 3, 0, 1), 2).draw_mask(Rng(0, 4000)).sum(1)
    assert set(sizes.tolist()) == {2, 4}
    assert abs(float((sizes == 2).double().mean()) - 0.75) < 4 * (0.75 * 0.25 / 4000) ** 0.5


def test_empty_and_constant_sets_are_refused():
    with pytest.raises(ConfigError, match="set 1 has no points"):
        PointSets.of(torch.stack([SETS[0], torch.full((3, 2), NAN)]))
    with pytest.raises(ConfigError, match="differ"):
        PointSets.of(torch.ones(2, 3, 2))


def test_single_points_are_rows_of_numbers():
    points, medium = Points(2), torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    x = points.encode(points.check(medium.int()), Rng(0, 2))
    assert torch.equal(x.x, medium) and x.dims.tolist() == [2.0, 2.0] and not x.log_weight.any()
    assert torch.equal(points.decode(x.x), medium) and points.present(medium) == [[[1.0, 2.0]], [[3.0, 4.0]]]
    with pytest.raises(ConfigError, match="points"):
        points.check(torch.ones(3, 5))
