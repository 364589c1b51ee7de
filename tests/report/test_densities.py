"""Density contours: the regions hold the mass that they say, and lie where the density is."""

from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import torch

import morphogen as mg
from morphogen.report.densities import contour, dependent_pairs, draw_densities, level_holding
from morphogen.report.synthetic_table import measure_table

AXIS = np.linspace(-4, 4, 81)
NORMAL = np.exp(-0.5 * (AXIS[:, None] ** 2 + AXIS**2)) / (2 * np.pi)
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("held", [0.5, 0.9])
def test_the_region_of_a_normal_is_the_disc_that_holds_this_mass(held: float) -> None:
    """That has the radius sqrt(-2 log(1 - held)), here within half a cell."""
    radius = np.sqrt(-2 * np.log(1 - held))
    segments = contour(NORMAL, level_holding(NORMAL, held)) * 0.1 - 4
    distance = np.linalg.norm(segments, axis=2)
    assert np.abs(distance - radius).max() < 0.05
    length = np.linalg.norm(segments[:, 0] - segments[:, 1], axis=1).sum()
    assert length == pytest.approx(2 * np.pi * radius, rel=0.01)


def test_a_level_that_nothing_crosses_has_no_contour() -> None:
    assert contour(np.ones((5, 5)), 2.0).shape == (0, 2, 2)
    assert contour(np.ones((5, 5)), 0.5).shape == (0, 2, 2)


def test_the_pairs_that_depend_on_each_other_are_drawn_whatever_the_dependence() -> None:
    x = RNG.normal(size=(2000, 5))
    x[:, 3] = x[:, 0] ** 2  # without correlation
    x[:, 4] = 1.0
    x[::7, 1] = np.nan
    x[::7, 2] = np.nan
    assert dependent_pairs(x)[:2] in ([(0, 3), (1, 2)], [(1, 2), (0, 3)])
    assert len(dependent_pairs(x, most=4)) == 4 and dependent_pairs(x[:, :2]) == [(0, 1)]


def test_samples_elsewhere_have_no_line_within_the_frame() -> None:
    real = RNG.normal(size=(500, 2))
    near, far = (
        draw_densities([("<a>", "b")], [real], [samples], "") for samples in (real + 0.1, real + 100)
    )
    assert ElementTree.fromstring(near) is not None and "&lt;a&gt;" in near
    assert near.count("M") > 100 > far.count("M") + 90
    draw_densities([("a", "b")], [real], [real[:0]], "")
    draw_densities([("a", "b")], [np.ones((9, 2))], [np.ones((9, 2))], "")


def test_a_report_shows_them_for_tables_with_two_columns_of_numbers() -> None:
    rows = {
        "a": RNG.normal(size=300).round(2),
        "b": RNG.normal(size=300).round(2),
        "c": ["x", "y", "z"] * 100,
    }
    frame = pd.DataFrame(rows)
    for columns, drawn in ((["a", "b", "c"], True), (["a", "c"], False)):
        data = mg.load_data(frame[columns])
        medium = data.test.first(30).medium
        assert isinstance(medium, torch.Tensor)
        labels = [picture["label"] for picture in measure_table(medium, {}, data)["table"]["pictures"]]
        assert any(label.startswith("densities") for label in labels) == drawn
