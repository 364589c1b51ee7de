"""The main job at its smallest: the report has every row and column, both files are whole after each family."""

import json

import pytest
from PIL import Image

from morphogen.compare import Comparison, representatives
from morphogen.data import load

ROW = {
    "system", "family", "size", "likelihood", "frechet", "precision", "recall", "density", "coverage", "memorised", "recognised",
    "samples_per_second", "train_seconds", "steps", "sampler", "parameters", "run",
}  # fmt: skip


def test_one_page_stands_for_each_family():
    assert representatives(load("digits"), "tiny") == ["mixture", "gated_pixelcnn", "vae", "realnvp", "wgan_gp", "ddpm", "latent_flow"]


def test_rows_grow_and_both_files_stay_whole(tmp_path):
    three = ["mixture", "gated_pixelcnn", "wgan_gp"]
    comparison = Comparison(load("digits"), 0.5, directory=tmp_path / "out", systems=three, size="tiny", n=40)
    heights = []
    for done, row in enumerate(comparison.run(), start=1):
        report = json.loads((tmp_path / "out" / "report.json").read_text())
        assert [r["system"] for r in report["rows"]] == ["real data", *comparison.systems[:done]]
        assert all(set(r) == ROW for r in report["rows"]) and report["rows"][-1] == json.loads(json.dumps(row))
        heights.append(Image.open(tmp_path / "out" / "samples.png").height)
    assert heights == sorted(set(heights)), "the picture grows by a row for each family"
    assert {"data", "split", "features"} <= report.keys() and set(report["features"]) == {"name", "sha256"}
    by_name = {r["system"]: r for r in report["rows"]}
    assert by_name["wgan_gp"]["likelihood"] is None
    assert (by_name["gated_pixelcnn"]["likelihood"]["kind"], by_name["gated_pixelcnn"]["likelihood"]["measure"]) == ("exact", "mass")
    assert by_name["mixture"]["likelihood"]["kind"] == "lower_bound"
    for measure in ("frechet", "precision", "recall", "density", "coverage", "memorised"):
        assert {"value", "low", "high", "n"} <= by_name["mixture"][measure].keys()
    assert "real data" in _text(comparison)


def test_an_unknown_system_ends_before_anything_is_trained(tmp_path):
    with pytest.raises(ValueError, match="did you mean"):
        Comparison(load("digits"), 1, directory=tmp_path / "out", systems=["ddmp"])
    assert not (tmp_path / "out").exists()


def _text(comparison: Comparison) -> str:
    from rich.console import Console

    console = Console(width=250, record=True)
    console.print(comparison.table())
    return console.export_text()
