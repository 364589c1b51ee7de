"""Steered drawing on the command line: pictures edited, a film, a class to keep away from; bad input is one line and changes nothing."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from morphogen.data import load
from morphogen.evaluation.film import FULL
from morphogen.representations.stamp import read_stamp
from speaking import run

RUN = "runs/ddpm-digits-001"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of diffusion, one of a VAE, which was never trained without its label, and pictures of every kind."""
    root = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for system in ("vae", "ddpm"):
            assert run(patch, "train", system, "--data", "digits", "--size", "tiny", "--steps", "1") == 0
    data = load("digits")
    for i, picture in enumerate(data.representation.present(data.test.first(2).medium)):
        picture.save(root / f"digit{i}.png")
    values = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    Image.fromarray(values).save(root / "grey.png")
    Image.fromarray(np.stack([values, values.T, values], 2)).save(root / "coloured.png")
    Image.new("L", (9, 8)).save(root / "wide.png")
    for name, left in (("mask", 4), ("black", 8)):
        Image.fromarray(np.repeat(np.where(np.arange(8) < left, 0, 255).astype(np.uint8)[None], 8, 0)).save(root / f"{name}.png")
    (root / "broken.png").write_bytes(b"no picture")
    return root


@pytest.fixture(autouse=True)
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def test_a_part_is_drawn_anew_and_the_rest_is_the_files_own_bytes(monkeypatch, capsys):
    """Even where the file has values that the run's 17 levels do not."""
    words = ["edit", "digit0.png", "grey.png", "--mask", "mask.png", "--n", "3", "--sampler", "ddim", "--steps", "5"]
    assert run(monkeypatch, *words, "--condition", "3", "--guidance", "2") == 0
    folder = Path(RUN, "edits")
    assert sorted(p.name for p in folder.iterdir()) == [*(f"000{i}.png" for i in range(6)), "samples.json", "sheet.png"]
    for i in range(6):
        given, drawn = (np.asarray(Image.open(p)) for p in (("digit0.png", "grey.png")[i // 3], folder / f"000{i}.png"))
        assert (drawn[:, :4] == given[:, :4]).all() and (drawn[:, 4:] != given[:, 4:]).any()
    told = json.loads((folder / "samples.json").read_text())
    assert told["pictures"] == ["digit0.png", "grey.png"] and told["mask"] == "mask.png" and told["variants"] == 3
    assert "Guided" in told["sampler"] and told["condition"] == [3] * 6
    assert read_stamp(folder / "0004.png")["index"] == 4
    sheet = Image.open(folder / "sheet.png")
    assert sheet.width > 2 * sheet.height  # given, masked and three variants beside each other, two lines of them


def test_the_whole_is_redrawn_and_strength_0_is_the_picture_itself(monkeypatch, capsys):
    words = ["edit", RUN, "digit0.png", "digit1.png", "--n", "2", "--sampler", "ddim", "--steps", "5", "--out", "again"]
    assert run(monkeypatch, *words, "--strength", "0") == 0
    for i in range(4):
        assert (np.asarray(Image.open(f"again/000{i}.png")) == np.asarray(Image.open(f"digit{i // 2}.png"))).all()
    assert run(monkeypatch, *words, "--strength", "0.8") == 0
    first, second = (np.asarray(Image.open(f"again/000{i}.png")) for i in (0, 1))
    assert (first != second).any() and json.loads(Path("again/samples.json").read_text())["strength"] == 0.8


def test_a_picture_becomes_one_of_another_class(monkeypatch, capsys):
    """One variant of each, as its noise is its own."""
    words = ["edit", "digit0.png", "digit1.png", "--was", "0", "--condition", "8", "--guidance", "2", "--negative", "1"]
    assert run(monkeypatch, *words) == 0
    told = json.loads(Path(RUN, "edits/samples.json").read_text())
    assert told["was"] == 0 and told["negative"] == 1 and told["condition"] == [8, 8] and told["variants"] == 1
    assert "DDIM" in told["sampler"] and sorted(p.name for p in Path(RUN, "edits").glob("0*.png")) == ["0000.png", "0001.png"]


def test_in_bf16_nearly_the_same_is_drawn_and_it_is_said(monkeypatch, capsys):
    for precision in ("fp32", "bf16"):
        assert run(monkeypatch, "sample", "--n", "4", "--steps", "4", "--precision", precision, "--out", precision) == 0
    made = [json.loads(Path(folder, "samples.json").read_text()) for folder in ("fp32", "bf16")]
    assert "precision" not in made[0] and made[1] == made[0] | {"precision": "bf16"}
    one, other = (np.stack([np.asarray(Image.open(f"{folder}/000{i}.png")) for i in range(4)]).astype(int) for folder in ("fp32", "bf16"))
    assert np.abs(one - other).mean() < 16


def test_a_film_lies_beside_the_sheet_and_a_negative_class_is_written_down(monkeypatch, capsys):
    words = ["sample", "--n", "12", "--condition", "7", "--sampler", "ddim", "--steps", "4", "--guidance", "3", "--negative", "index:1"]
    assert run(monkeypatch, *words, "--film") == 0
    folder = Path(RUN, "samples")
    assert json.loads((folder / "samples.json").read_text())["negative"] == 1 and (folder / "sheet.png").exists()
    assert (folder / "film.gif").stat().st_size < FULL
    with Image.open(folder / "film.gif") as film:
        told = json.loads(film.info["comment"])
        assert film.n_frames >= 2 and film.width == 10 * 66 - 2  # the first ten
        assert told["negative"] == 1 and told["indices"] == list(range(10)) and "Guided" in told["sampler"]


HALF = ["--strength", "0.5"]
BAD = {
    # what was wrong: the words, and what the line must say of them
    "neither": (["edit", "digit0.png"], ["--mask FILE", "--strength 0.5"]),
    "both": (["edit", "digit0.png", "--mask", "mask.png", *HALF], ["--mask", "--strength", "one of the three"]),
    "all three": (["edit", "digit0.png", "--mask", "mask.png", *HALF, "--was", "3", "--condition", "8"], ["--was", "one of the three"]),
    "becomes nothing": (["edit", "digit0.png", "--was", "3"], ["--was 3", "add --condition CLASS"]),
    "was of no class": (["edit", "digit0.png", "--was", "cow", "--condition", "3"], ["'cow'", "0, 1, 2"]),
    "negative without guidance, editing": (["edit", "digit0.png", *HALF, "--condition", "3", "--negative", "8"], ["--negative 8"]),
    "no word": (["edit", *HALF], ["PICTURE", "morphogen edit --help"]),
    "no picture": (["edit", RUN, *HALF], [RUN, "which pictures", "PICTURE"]),
    "no run": (["edit", "runs", "digit0.png", *HALF], ["runs", "run.json", "morphogen train"]),
    "nowhere": (["edit", "nowhere.png", *HALF], ["nowhere.png", "check the path"]),
    "broken": (["edit", "digit0.png", "broken.png", *HALF], ["broken.png", "no picture", "8 x 8"]),
    "another size": (["edit", "wide.png", *HALF], ["wide.png", "9 x 8", "8 x 8"]),
    "coloured": (["edit", "coloured.png", *HALF], ["coloured.png", "grey"]),
    "a VAE edits": (["edit", "runs/vae-digits-001", "digit0.png", *HALF], ["VAE", "morphogen train ddpm"]),
    "mask nowhere": (["edit", "digit0.png", "--mask", "nowhere.png"], ["nowhere.png", "check the path"]),
    "mask of another size": (["edit", "digit0.png", "--mask", "wide.png"], ["wide.png", "9 x 8", "8 x 8"]),
    "mask without white": (["edit", "digit0.png", "--mask", "black.png"], ["--mask black.png", "paint white"]),
    "too strong": (["edit", "digit0.png", "--strength", "1.5"], ["strength 1.5", "0 (the picture itself) .. 1"]),
    "no strength": (["edit", "digit0.png", "--strength", "nan"], ["strength nan", "0 (the picture itself) .. 1"]),
    "no variant": (["edit", "digit0.png", *HALF, "--n", "0"], ["--n 0", "positive"]),
    "unknown class": (["edit", "digit0.png", *HALF, "--condition", "cow"], ["'cow'", "0, 1, 2"]),
    "guided to nothing": (["edit", "digit0.png", *HALF, "--guidance", "3"], ["a condition to guide towards"]),
    "guidance is no number": (["edit", "digit0.png", *HALF, "--condition", "3", "--guidance", "inf"], ["--guidance inf", "1 is off"]),
    "another family's sampler": (["edit", "digit0.png", *HALF, "--sampler", "greedy"], ["Greedy takes no noise away", "DDPM"]),
    "an unknown sampler": (["edit", "digit0.png", *HALF, "--sampler", "dddim"], ["dddim", "ddim"]),
    "two looks at a part": (["edit", "digit0.png", "--mask", "mask.png", "--sampler", "heun"], ["Heun", "DDPM or DDIM"]),
    "more steps than the chain, editing": (["edit", "digit0.png", *HALF, "--steps", "51"], ["DDPM", "steps must be 1 .. 50"]),
    "more steps than the chain": (["sample", "--sampler", "ddim", "--steps", "51"], ["DDIM", "steps must be 1 .. 50"]),
    "no such precision": (["sample", "--precision", "fp8"], ["--precision fp8", "bf16"]),
    "no step": (["sample", "--steps", "0"], ["--steps 0", "above 0"]),
    "negative without guidance": (["sample", "--condition", "3", "--negative", "8"], ["--negative 8", "--guidance 3"]),
    "unknown negative": (["sample", "--negative", "cow", "--guidance", "3"], ["'cow'", "0, 1, 2"]),
    "negative past the last": (["sample", "--negative", "index:10", "--guidance", "3"], ["--negative index:10", "index:9"]),
    "guidance never trained for": (
        ["sample", "runs/vae-digits-001", "--condition", "3", "--guidance", "3"], ["also trained without its condition", "sample without"],
    ),
    "a film of a VAE": (["sample", "runs/vae-digits-001", "--film"], ["VAE", "no film"]),
    "a film of too many steps": (["sample", "--film", "--steps", "51"], ["steps must be 1 .. 50"]),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_bad_words_are_one_line_with_the_remedy_and_write_nothing(what, monkeypatch, capsys):
    words, said = BAD[what]
    before = sorted(Path().rglob("*"))
    assert run(monkeypatch, *words) == 2
    line = capsys.readouterr().err
    assert line.startswith("morphogen: ") and len(line.splitlines()) == 1 and all(part in line for part in said), line
    assert sorted(Path().rglob("*")) == before, "something was written"
