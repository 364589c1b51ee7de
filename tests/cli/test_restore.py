"""`morphogen restore`: every operator on files; invalid input ends in one line and writes nothing."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command_line import run

RUN = "runs/ddpm-digits-001"
DDIM = ["--sampler", "ddim", "--steps", "3"]
REFUSED = [
    ("small.png --operator shrink:4", "operator shrink:4: give downsample:4, blur:1.5, mask:FILE"),
    (
        "small.png --operator downsample:3",
        "downsample:3 does not divide pictures of 8 x 8: give one of 2, 4",
    ),
    (
        "whole.png --operator downsample:2",
        "whole.png: 8 x 8 pixels; --operator downsample:2 of the model's 8 x 8 leaves 4 x 4: give a picture "
        "of that size, or add --measure",
    ),
    (
        "coloured.png --operator blur:1",
        "coloured.png: a colour picture, and --operator blur:1 of this model",
    ),
    ("whole.png --operator grey", "grey: the model's pictures are grey already"),
    (
        "whole.png --operator projection:9",
        "--operator projection:9: measures numbers, which no picture has: add",
    ),
    (
        "whole.png --operator mask:no.png",
        "--operator mask:no.png: no such file; give a picture, white where",
    ),
    ("whole.png --operator mask:thin.png", "thin.png: 16 x 8 pixels, but whole.png has 8 x 8"),
    ("whole.png --operator blur:1 --noise -1", "noise -1: give a standard deviation of at least 0"),
    (
        "whole.png --operator blur:1 --method pgdm",
        "method 'pgdm' is unknown: give one of mmps, dps, repaint",
    ),
    ("whole.png --operator blur:1 --method repaint", "RePaint restores from exact pixels only"),
    (
        "runs/vae-digits-001 whole.png --operator blur:1",
        "cannot restore pictures, only diffusion models can",
    ),
    ("broken.png --operator blur:1", "broken.png"),
    ("none.png --operator blur:1", "none.png: no such file or run"),
    (
        f"{RUN} --operator blur:1",
        f"restore {RUN}: no pictures given; write morphogen restore {RUN} PICTURE",
    ),
    ("whole.png --operator blur:1 --condition 12", "12"),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for system in ("vae", "ddpm"):
            assert run(patch, "train", system, "--data", "digits", "--size", "tiny", "--steps", "1") == 0
    values = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    Image.fromarray(values).save(root / "whole.png")
    Image.fromarray(np.stack([values, values.T, values], 2)).save(root / "coloured.png")
    Image.fromarray(values[:4, :4]).save(root / "small.png")
    for name, size in (("mask", 8), ("thin", 16)):
        half = np.where(np.arange(size) < size // 2, 0, 255).astype(np.uint8)
        Image.fromarray(np.repeat(half[None], 8, 0)).save(root / f"{name}.png")
    (root / "broken.png").write_bytes(b"no picture")
    return root


@pytest.fixture(autouse=True)
def working_directory(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(made, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")


def test_a_small_picture_is_restored(monkeypatch, capsys):
    words = ["restore", "small.png", "small.png", "--operator", "downsample:2", "--noise", "0.05", "--n", "2"]
    assert run(monkeypatch, *words, *DDIM, "--condition", "3", "--guidance", "2") == 0
    folder = Path(RUN, "restored")
    assert len(list(folder.glob("000*.png"))) == 4 and (folder / "sheet.png").exists()
    assert Image.open(folder / "0003.png").size == (8, 8)
    record = json.loads((folder / "samples.json").read_text())
    assert record["pictures"] == ["small.png"] * 2 and record["noise"] == 0.05 and record["method"] == "mmps"
    assert record["operator"] == "Downsampling(shape=(1, 8, 8), factor=2)" and record["misfit"] > 0
    assert "2 variants of 2 pictures by mmps" in capsys.readouterr().out


def test_a_mask_keeps_the_exact_values_of_the_file(monkeypatch, capsys):
    for method in ("mmps", "repaint"):
        words = ["restore", RUN, "whole.png", "--operator", "mask:mask.png", "--method", method, "--n", "1"]
        assert run(monkeypatch, *words, *DDIM, "--out", method) == 0
        restored, given = (np.asarray(Image.open(name)) for name in (f"{method}/0000.png", "whole.png"))
        assert (restored[:, :4] == given[:, :4]).all() and (restored[:, 4:] != given[:, 4:]).any()


@pytest.mark.parametrize("operator", ["downsample:4", "blur:1.5+downsample:2", "projection:20"])
def test_a_whole_picture_is_measured_first(operator, monkeypatch, capsys):
    words = ["restore", "whole.png", "--operator", operator, "--measure", "--noise", "0.1", *DDIM]
    assert run(monkeypatch, *words, "--n", "1", "--method", "dps", "--out", "x.png") == 0
    assert Image.open("x.png").size == (8, 8)


@pytest.mark.parametrize(("words", "line"), REFUSED)
def test_what_does_not_fit_ends_in_a_line(words, line, monkeypatch, capsys):
    assert run(monkeypatch, "restore", *words.split(), *DDIM) == 2
    error = capsys.readouterr().err
    assert line in error and error.count("\n") == 1 and "TABLE" not in error
    assert not Path(RUN, "restored").exists()
