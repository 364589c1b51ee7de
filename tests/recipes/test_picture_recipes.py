"""Diffusion recipes on small digits with tiny budgets: figures, configs, and the image in the run."""

import pytest
import torch

from morphogen.conditioning.sketch import edges
from morphogen.data import load_data
from morphogen.families.diffusion import DDIM, DPMSolver
from morphogen.recipes import (
    distillation,
    latent_attributes,
    records,
    sampler_sweep,
    sketches,
    unconditional,
    unpaired,
)
from morphogen.recipes.reproduce import findings


@pytest.fixture(autouse=True)
def _working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def check(record, figures):
    assert set(record["figures"]) == figures
    assert record["models"] and set(record["models"]) <= figures and records.outdated(record) == []
    assert {
        "data",
        "split",
        "features",
        "n",
        "seed",
        "budget",
        "steps",
        "seconds",
        "machine",
        "versions",
        "date",
    } <= record.keys()
    assert all(
        finding.measured.low <= finding.measured.high
        for finding in findings({"figures": record["figures"]}, None)
    )


@pytest.mark.slow
def test_sampler_sweep_and_distillation(tmp_path, monkeypatch):
    monkeypatch.setattr(sampler_sweep, "SCALES", (1.0, 2.0))
    monkeypatch.setattr(sampler_sweep, "SHEET_CALLS", (1, 2))
    monkeypatch.setattr(sampler_sweep, "SHEET_SCALES", (1.0, 2.0))
    constants = {"GUIDED_CALLS": 2, "LIKELIHOOD_IMAGES": 4, "FLOW_INTERVALS": 2, "MIXTURE_SECONDS": 0.05}
    for name, value in constants.items():
        monkeypatch.setattr(sampler_sweep, name, value)
    monkeypatch.setattr(
        sampler_sweep,
        "_samplers",
        lambda model: iter([("DDIM, 2 calls", DDIM(2)), ("DPM-Solver++, 3 calls", DPMSolver(3))]),
    )
    record = sampler_sweep.sampler_sweep("digits", 0.2, n=20)
    check(record, {"real data", "mixture", "v_diffusion"})
    figures = record["figures"]["v_diffusion"]
    assert set(figures["frechet"]) == {"DDIM, 2 calls", "DPM-Solver++, 3 calls"} and set(
        figures["guidance"]
    ) == {
        "scale 1",
        "scale 2",
    }
    assert [figures["likelihood"][kind]["kind"] for kind in ("bound", "flow")] == ["lower_bound", "estimate"]
    (run,) = tmp_path.glob("runs/v_diffusion-digits-*")
    assert (run / "calls-guidance.png").exists()
    monkeypatch.setattr(distillation, "STUDENTS", {"progressive_distillation": 0.2, "consistency_model": 0.1})
    record = distillation.distilled("digits", 0.2, directory=run, n=20)
    check(record, {"real data", "v_diffusion", "progressive_distillation", "consistency_model"})
    figures = record["figures"]
    assert set(figures["v_diffusion"]) == {f"{calls} calls" for calls in (16, 8, 4, 2, 1)}
    assert {"8 calls", "4 calls"} <= set(figures["progressive_distillation"]) and {
        "2 calls",
        "1 calls",
    } <= set(figures["consistency_model"])
    assert (run / "few-steps.png").exists()


def test_sketched(tmp_path):
    record = sketches.sketched("digits", 0.2, n=20)
    check(record, {"real data", "mean picture", "sketch_to_picture"})
    figures = record["figures"]["sketch_to_picture"]
    assert {"agreement", "with another", "distance", "frechet"} == set(figures)
    assert list(tmp_path.glob("runs/sketch_to_picture-digits-*/sketches.png"))


@pytest.mark.slow
def test_sketched_by_controlnet_in_steps(tmp_path):
    record = sketches.sketched("digits", n=20, system="controlnet", steps=4)
    check(record, {"real data", "mean picture", "controlnet"})
    assert (record["budget"], record["steps"]) == (None, 4)


def test_unpaired(tmp_path):
    """The identity has the distance of its definition; no training picture has its drawing in the data."""
    record = unpaired.unpaired("digits", 0.2, n=20)
    check(record, {"unchanged", "mean", "cyclegan"})
    assert set(record["figures"]["cyclegan"]) == {"picture", "drawing", "frechet"}
    assert list(tmp_path.glob("runs/cyclegan-digits-*/unpaired.png"))
    data = unpaired.drawings(load_data("digits"))
    held_out = data.test.first(20)
    difference = (held_out.condition["source"] - held_out.medium).abs().flatten(1).mean(1)
    measured = record["figures"]["unchanged"]["picture"]["value"]
    assert measured == pytest.approx(difference.double().mean().item(), rel=1e-6)
    assert torch.allclose(held_out.condition["source"], 2 * edges(held_out.medium) - 1, atol=1 / 255)
    train = data.train.first()
    own = 2 * edges(train.medium) - 1
    assert (own - train.condition["source"]).abs().flatten(1).amax(1).min() > 1 / 255


def test_unconditional(tmp_path, monkeypatch):
    monkeypatch.setattr(unconditional, "LIKELIHOOD_IMAGES", 8)
    record = unconditional.unconditional("digits", "v_diffusion", 0.2, n=20)
    check(record, {"real data", "v_diffusion"})
    assert record["models"]["v_diffusion"]["conditions"] == {}
    assert list(tmp_path.glob("runs/v_diffusion-digits-*/drawn.png"))


def test_attribute_arithmetic(tmp_path):
    record = latent_attributes.latent_attributes("digits", 0.2, n=20)
    check(record, {"conditional_vae"})
    assert set(record["figures"]["conditional_vae"]) == {"bold", "slanted"}
    for figures in record["figures"]["conditional_vae"].values():
        assert set(figures) == {"reconstructed", "added", "random direction", "strength"}
        assert figures["reconstructed"]["same digit"]["value"] == 1
        assert figures["reconstructed"]["bold, change in sd"]["value"] == 0
    assert list(tmp_path.glob("runs/*/attributes.png"))


def test_attributes_are_those_of_the_pixels():
    """Thicker and sheared digits: every one is bolder or more slanted, and a mirrored one less."""
    x = load_data("digits").test.first(50).medium
    bolder = torch.nn.functional.max_pool2d(x, 3, 1, 1)
    assert (latent_attributes.bold(bolder) > latent_attributes.bold(x)).all()
    sheared = torch.stack([x[:, :, row].roll(4 - row, -1) for row in range(8)], 2)
    change = latent_attributes.slanted(sheared) - latent_attributes.slanted(x)
    assert (change > 0).float().mean() > 0.9  # strokes that leave the picture come back on the other side
    torch.testing.assert_close(latent_attributes.slanted(x.flip(-1)), -latent_attributes.slanted(x))
