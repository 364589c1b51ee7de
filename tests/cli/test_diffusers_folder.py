"""`morphogen sample diffusers:PATH` and `morphogen edit diffusers:PATH`: captions in, pictures out."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from command_line import run

pytest.importorskip("diffusers")
from benchmarks.peers.diffusers_pipeline import write_pipeline


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pipelines") / "stable"
    write_pipeline(folder)
    return folder


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def picture(directory: Path) -> Image.Image:
    """The first sample."""
    return Image.open(min(file for file in directory.glob("*.png") if file.name != "sheet.png"))


def test_sample_writes_pictures_of_a_caption(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["sample", f"diffusers:{folder}", "--prompt", "a red cat", "--n", "2", "--steps", "2"]
    assert run(monkeypatch, *words, "--guidance", "3", "--negative-prompt", "blue") == 0
    record = json.loads(Path("runs/stable/samples/samples.json").read_text())
    assert record["system"] == "diffusers" and "DDIM(steps=2, spacing=Leading" in record["sampler"]
    first = picture(Path("runs/stable/samples"))
    assert first.size == (16, 16)
    down, up = torch.ones(1, 16), torch.ones(32, 1)
    name = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_v"
    save_file({f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up}, "lora.safetensors")
    assert run(monkeypatch, *words, "--lora", "lora.safetensors", "--out", "adapted") == 0
    options = ["--guidance", "3", "--guidance-interval", "1,600", "--dynamic-threshold", "0.9"]
    assert run(monkeypatch, *words, *options, "--out", "bounded") == 0
    sampler = json.loads(Path("bounded/samples.json").read_text())["sampler"]
    assert "interval=(1, 600)" in sampler and "DynamicThreshold(quantile=0.9)" in sampler
    assert np.asarray(picture(Path("adapted"))).tolist() != np.asarray(first).tolist()


def test_edit_keeps_what_the_mask_leaves(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(values).save("picture.png")
    mask = np.zeros((16, 16), np.uint8)
    mask[:, 8:] = 255
    Image.fromarray(mask).save("mask.png")
    words = ["edit", f"diffusers:{folder}", "picture.png", "--mask", "mask.png", "--n", "1", "--steps", "2"]
    assert run(monkeypatch, *words, "--prompt", "a red cat", "--out", "edited") == 0
    edited = np.asarray(picture(Path("edited")))
    assert (edited[:, :8] == values[:, :8]).all() and (edited[:, 8:] != values[:, 8:]).any()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sample", "diffusers:nowhere", "--prompt", "red"], "nowhere/model_index.json cannot be read"),
        (["sample", "diffusers:owner/name", "--prompt", "red"], "owner/name does not exist: nothing is down"),
        (["sample", "owner/name", "--prompt", "red"], "it does not exist; nothing is downloaded from a hub"),
        (["sample", "FOLDER", "--prompt", "red"], "but a pipeline of diffusers: write diffusers:/"),
        (["sample", "diffusers:FOLDER", "--caption", "red"], "no --caption; write --prompt TEXT"),
        (["sample", "diffusers:FOLDER", "--image", "a.png"], "write morphogen edit PICTURE --strength 0.5"),
        (["sample", "diffusers:FOLDER", "--negative", "blue", "--prompt", "red"], "requires guidance"),
        (["sample", "diffusers:FOLDER", "--prompt", "red", "--lora", "none.safetensors"], "none.safetensors"),
        (["edit", "diffusers:FOLDER", "--strength", "0.5"], "no pictures given"),
        (["sample", "diffusers:FOLDER", "--prompt", "red", "--guidance-interval", "1,9"], "add --guidance 3"),
        (["sample", "diffusers:FOLDER", "--prompt", "red", "--dynamic-threshold", "2"], "up to 1"),
    ],
)
def test_errors_are_one_line(
    words: list[str], message: str, folder: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    assert run(monkeypatch, *(word.replace("FOLDER", str(folder)) for word in words)) == 2
    error = capsys.readouterr().err.strip()
    assert message in error and "\n" not in error
