"""Bounds of binarised digits: k is part of every figure, differences are paired, and nothing trains twice."""

import pytest
from safetensors.torch import load_file

from morphogen.recipes import binary_vaes as recipe
from morphogen.recipes import records
from morphogen.recipes.reproduce import findings

TINY = {
    "one": recipe.BinaryVAE("iwae", 20, {"objective.bound.samples": 1}),
    "several": recipe.BinaryVAE("iwae", 20, {"objective.bound.samples": 8}),
}


def test_figures_have_their_k_and_resume(tmp_path, monkeypatch):
    record = recipe.binary_vaes("digits", 2, TINY, "tiny", tmp_path)
    figures = record["figures"]
    bounds = {
        title: (row["nats_per_image"]["kind"], row["nats_per_image"]["draws"])
        for title, row in figures.items()
    }
    assert bounds == {title: ("lower_bound", spec.draws) for title, spec in TINY.items()}
    assert all(row["best_validation"]["draws"] == 5 for row in figures.values())
    assert all(row["best_validation"]["epoch"] == 2 for row in figures.values())  # the only one
    assert all(15 < row["nats_per_image"]["value"] < 64 * 0.6931 for row in figures.values())
    first, other = (
        load_file(tmp_path / title / recipe.NATS)["nats"].double() for title in ("one", "several")
    )
    gain = figures["several"]["gain_over_first"]
    assert gain["value"] == pytest.approx((first - other).mean().item())
    assert gain["high"] - gain["low"] < 2 * 1.97 * (first.var() + other.var()).div(len(first)).sqrt()
    assert (
        records.outdated(record) == [] and record["models"]["several"]["changes"] == TINY["several"].changes
    )
    record["models"]["several"]["changes"] = {}
    assert records.outdated(record) == ["several"]
    monkeypatch.delattr(recipe, "held_out_nats")  # what is measured is not measured again
    with pytest.warns(UserWarning, match="holds a training of"):
        again = recipe.binary_vaes("digits", 2, {"one": TINY["one"]}, "tiny", tmp_path)
    assert all(line.agrees for line in findings(again, record))
    assert again["figures"]["one"]["nats_per_image"] == figures["one"]["nats_per_image"]
