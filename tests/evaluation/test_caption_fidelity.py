"""Caption fidelity is exact on real scenes, falls to chance for other captions, and reaches the report."""

from typing import Any

import pytest
import torch

import morphogen as mg
from morphogen.compare.scorer import Scorer
from morphogen.component import ConfigError
from morphogen.evaluation.caption_fidelity import caption_fidelity, measure_captions
from morphogen.evaluation.intervals import ratio
from morphogen.numerics.randomness import Rng
from morphogen.report.rows import read_rows
from morphogen.report.sections import sections


@pytest.fixture(scope="module")
def shapes() -> Any:
    return mg.load_data("shapes")


def test_real_scenes_show_what_their_captions_ask_for(shapes: Any) -> None:
    batch = shapes.test.first(300)
    found = caption_fidelity(batch.medium, batch.condition, shapes)
    assert set(found) == {"seen", "held_out", "shuffled"}
    for group in ("seen", "held_out"):
        assert all(figure["value"] == 1 and figure["low"] > 0.95 for figure in found[group].values())
        assert found[group]["scene"]["n"] == 150
    assert found["shuffled"]["attributes"]["high"] < 0.45 and found["shuffled"]["scene"]["high"] < 0.05
    texts = shapes.test.captions_of(torch.arange(300))
    assert caption_fidelity(batch.medium, texts, shapes) == found


def test_one_caption_for_all_has_no_shuffled_control(shapes: Any) -> None:
    found = caption_fidelity(shapes.test.first(5).medium, "a red circle", shapes)
    assert list(found) == ["seen"] and "relation" not in found["seen"]


def test_a_model_that_draws_half_of_it_right_scores_half(shapes: Any) -> None:
    """White pictures in place of every second scene: n = 200, all figures within their interval of 1/2."""
    batch = shapes.test.first(400)
    medium = torch.where((torch.arange(400) // 2 % 2 == 1)[:, None, None, None], 1.0, batch.medium)
    found = caption_fidelity(medium, batch.condition, shapes)
    for group in ("seen", "held_out"):
        for name in ("attributes", "scene", "count"):
            assert found[group][name]["low"] < 0.5 < found[group][name]["high"], (group, name)


def test_the_interval_of_a_ratio_covers_in_95_percent() -> None:
    """1,000 data sets of 60 rows of 1 to 9 things that are right or wrong together in threes; seed 0."""
    rng = Rng(0, 1000)
    groups = 1 + rng.integers(3, 60)
    right = (rng.uniform(60, 3) < 0.8) & (torch.arange(3) < groups[..., None])
    covered = 0
    for r, g in zip(right.sum(2), groups, strict=True):
        interval = ratio(3 * r, 3 * g)
        assert interval is not None and interval["n"] == 60
        covered += interval["low"] < 0.8 < interval["high"]
    assert 0.93 < covered / 1000 < 0.98
    assert ratio(torch.zeros(3, dtype=torch.long), torch.zeros(3, dtype=torch.long)) is None


def test_the_figures_are_a_section_of_the_report(shapes: Any) -> None:
    batch = shapes.test.first(40)
    part = measure_captions(batch.medium, batch.condition, shapes)
    rows = read_rows([{"system": "real data"} | part])
    (section,) = sections(rows)
    assert section.spec.key == "captions" and section.columns[0].heading == "shape, seen"
    assert {"attributes, held_out", "relation, shuffled"} <= set(part["captions"]["figures"])
    assert measure_captions(batch.medium, {}, shapes) == {}
    digits = mg.load_data("digits")
    assert measure_captions(digits.test.first(9).medium, digits.test.first(9).condition, digits) == {}


@pytest.mark.slow
def test_evaluation_measures_what_the_data_can_read(shapes: Any) -> None:
    row, _ = Scorer(shapes, 100).real()
    assert row["captions"]["figures"]["scene, seen"]["value"] == 1
    assert row["captions"]["figures"]["scene, seen"]["provenance"]["samples"] == 100


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (["a teal circle"] * 2, "no colour is called 'teal'; the colours are red"),
        (None, "condition is a NoneType: give the caption of each sample, a list of texts"),
        (torch.zeros(2, 3), "condition is a Tensor: give the caption of each sample, a list of texts"),
        (torch.full((2, 3), 256), "condition is a Tensor: give the caption of each sample, a list of texts"),
        (["a red circle"] * 3, "has 3 rows, not 2"),
    ],
)
def test_what_is_no_caption_is_refused_in_one_line(condition: Any, message: str, shapes: Any) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        caption_fidelity(shapes.test.first(2).medium, condition, shapes)
    assert "\n" not in str(raised.value)


def test_data_without_a_reader_say_so() -> None:
    digits = mg.load_data("digits")
    with pytest.raises(ConfigError, match=r"^digits has no reader .* such as mg.load_data\('shapes'\)"):
        caption_fidelity(digits.test.first(2).medium, ["a", "b"], digits)
