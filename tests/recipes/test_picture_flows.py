"""Flows of pictures: one record of both with their codecs, resumed trainings, and paths between pictures."""

import torch

from morphogen.catalogue import build_system
from morphogen.data import load_data
from morphogen.model import parameters
from morphogen.recipes import picture_flows as recipe
from morphogen.recipes import records
from morphogen.recipes.unconditional import without_labels
from morphogen.representations.pixels import Pixels
from morphogen.systems.glow import glow


def test_a_path_starts_and_ends_at_the_pictures() -> None:
    data = without_labels(load_data("digits"))
    torch.manual_seed(0)
    model = glow(data.representation, None, "tiny")
    ends = data.test.first(2).medium
    path = recipe.path(model, ends, 5)
    assert path.shape == (5, 1, 8, 8) and (path[[0, -1]] - ends).abs().max() <= 1e-4
    assert (path[2] - ends).abs().flatten(1).max(1).values.min() > 0.05


def test_the_record_has_bounds_beside_codecs_and_a_second_call_trains_nothing(tmp_path) -> None:
    record = recipe.picture_flows("digits", 2.0, directory=tmp_path, n=40)
    figures = record["figures"]
    assert {"PNG", "real data", "glow", "realnvp"} <= set(figures) and records.outdated(record) == []
    for system in recipe.SYSTEMS:
        assert (figures[system]["likelihood"]["kind"], figures[system]["likelihood"]["measure"]) == (
            "lower_bound",
            "mass",
        )
        assert figures[system]["steps"] > 0
    assert (tmp_path / "flows.png").exists()
    again = recipe.picture_flows("digits", 2.0, directory=tmp_path, n=40)["figures"]
    assert {s: again[s]["steps"] for s in recipe.SYSTEMS} == {s: figures[s]["steps"] for s in recipe.SYSTEMS}
    assert again["glow"]["likelihood"] == figures["glow"]["likelihood"]


def test_both_systems_have_equal_sizes_on_fashion_mnist() -> None:
    """Parameters differ by at most a tenth, on pictures of 28 x 28 without labels."""
    with torch.device("meta"):
        sizes = [parameters(build_system(s, Pixels(256, (1, 28, 28)), {}, "small")) for s in recipe.SYSTEMS]
    assert max(sizes) / min(sizes) <= 1.1
