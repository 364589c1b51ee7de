"""Classes whose names are words: samples, negative conditions and edits take and keep their places."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.command_line import run

DDIM = ("--sampler", "ddim", "--steps", "2")


@pytest.fixture
def trained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    for name, grey in (("cats", 40), ("dogs", 200)):
        Path("pets", name).mkdir(parents=True)
        for i in range(20):
            values = draw.normal(grey, 20, (8, 8)).clip(0, 255).astype(np.uint8)
            Image.fromarray(values).save(f"pets/{name}/{i}.png")
    assert run(monkeypatch, "train", "ddpm", "--data", "pets", "--size", "tiny", "--steps", "2") == 0


def test_every_verb_takes_classes_by_name(trained, monkeypatch):
    guided = ("--guidance", "2", "--negative", "dogs")
    assert run(monkeypatch, "sample", "--n", "2", *DDIM) == 0  # the classes are drawn
    assert run(monkeypatch, "sample", "--n", "2", "--condition", "cats", *guided, *DDIM, "--film") == 0
    drawn = json.loads(Path("runs/ddpm-pets-001/samples/samples.json").read_text())
    assert (drawn["condition"], drawn["negative"]) == ({"label": [0, 0]}, {"label": [1, 1]})
    edit = ("edit", "pets/cats/0.png", "--condition", "dogs", "--n", "1")
    assert run(monkeypatch, *edit, "--source-class", "cats", "--steps", "2") == 0
    assert run(monkeypatch, *edit, "--strength", "0.5", "--guidance", "2", "--negative", "cats", *DDIM) == 0
    edited = json.loads(Path("runs/ddpm-pets-001/edits/samples.json").read_text())
    assert edited["condition"] == {"label": [1]}
