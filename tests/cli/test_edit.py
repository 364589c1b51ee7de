"""`morphogen edit`, films and negative classes; invalid input ends in one line and writes nothing."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command_line import run
from morphogen.data import load_data
from morphogen.data.pictures import read_square
from morphogen.evaluation.film import MAX_FILM_BYTES
from morphogen.media.pictures import read_stamp

RUN = "runs/ddpm-digits-001"
DDIM = ["--sampler", "ddim", "--steps", "5"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diffusion run, a VAE run (which is trained without condition dropout), and pictures of every kind."""
    root = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for system in ("vae", "ddpm"):
            assert run(patch, "train", system, "--data", "digits", "--size", "tiny", "--steps", "1") == 0
    data = load_data("digits")
    for i, picture in enumerate(data.representation.present(data.test.first(2).medium)):
        picture.save(root / f"digit{i}.png")
    values = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    Image.fromarray(values).save(root / "grey.png")
    Image.fromarray(np.stack([values, values.T, values], 2)).save(root / "coloured.png")
    Image.new("L", (9, 8)).save(root / "wide.png")
    for name, left in (("mask", 4), ("black", 8), ("white", 0)):
        Image.fromarray(np.repeat(np.where(np.arange(8) < left, 0, 255).astype(np.uint8)[None], 8, 0)).save(
            root / f"{name}.png"
        )
    hole = np.stack([values, np.where(values > 128, 255, 0).astype(np.uint8)], 2)
    Image.fromarray(hole, "LA").save(root / "hole.png")
    (root / "broken.png").write_bytes(b"no picture")
    (root / "t.csv").write_text("a,b\n1,\n2,3\n")
    return root


@pytest.fixture(autouse=True)
def working_directory(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def test_inpainting_keeps_the_exact_values_of_the_file_outside_the_mask(monkeypatch, capsys):
    """Also values that are not among the 17 levels of the run."""
    words = ["edit", "digit0.png", "grey.png", "--mask", "mask.png", "--n", "3", *DDIM]
    assert run(monkeypatch, *words, "--condition", "3", "--guidance", "2") == 0
    folder = Path(RUN, "edits")
    variants = [f"000{i}.png" for i in range(6)]
    assert sorted(p.name for p in folder.iterdir()) == [*variants, "samples.json", "sheet.png"]
    for i in range(6):
        original = np.asarray(Image.open(("digit0.png", "grey.png")[i // 3]))
        variant = np.asarray(Image.open(folder / variants[i]))
        assert (variant[:, :4] == original[:, :4]).all() and (variant[:, 4:] != original[:, 4:]).any()
    record = json.loads((folder / "samples.json").read_text())
    assert (
        record["pictures"] == ["digit0.png", "grey.png"]
        and record["mask"] == "mask.png"
        and record["variants"] == 3
    )
    assert "Guided" in record["sampler"] and record["condition"] == {"label": [3] * 6}
    assert read_stamp(folder / "0004.png")["index"] == 4
    sheet = Image.open(folder / "sheet.png")
    assert sheet.width > 2 * sheet.height  # two rows of the original, the masked original and three variants


def test_redrawing_with_strength_0_returns_the_picture(monkeypatch, capsys):
    words = ["edit", RUN, "digit0.png", "digit1.png", "--n", "2", "--out", "again", *DDIM]
    assert run(monkeypatch, *words, "--strength", "0") == 0
    for i in range(4):
        assert (
            np.asarray(Image.open(f"again/000{i}.png")) == np.asarray(Image.open(f"digit{i // 2}.png"))
        ).all()
    assert run(monkeypatch, *words, "--strength", "0.8") == 0
    first, second = (np.asarray(Image.open(f"again/000{i}.png")) for i in (0, 1))
    assert (first != second).any() and json.loads(Path("again/samples.json").read_text())["strength"] == 0.8


def test_a_picture_is_translated_to_another_class(monkeypatch, capsys):
    """One variant per picture, because DDIM translation is deterministic."""
    classes = ["--source-class", "0", "--condition", "8", "--guidance", "2", "--negative", "1"]
    assert run(monkeypatch, "edit", "digit0.png", "digit1.png", *classes) == 0
    record = json.loads(Path(RUN, "edits/samples.json").read_text())
    assert (
        record["source_class"] == 0
        and record["negative"] == 1
        and record["condition"] == {"label": [8, 8]}
        and record["variants"] == 1
    )
    assert "DDIM" in record["sampler"] and sorted(p.name for p in Path(RUN, "edits").glob("0*.png")) == [
        "0000.png",
        "0001.png",
    ]


def test_a_photograph_and_its_mask_are_fitted_to_the_run(monkeypatch, capsys):
    """The centre of 32 x 16 pixels; white strokes on the right half of a transparent layer."""
    photo = np.random.default_rng(0).integers(0, 256, (16, 32), dtype=np.uint8)
    layer = np.zeros((16, 32, 4), np.uint8)
    layer[:, 16:] = 255
    Image.fromarray(photo).save("photo.png")
    Image.fromarray(layer).save("layer.png")
    assert run(monkeypatch, "edit", "photo.png", "--mask", "layer.png", "--n", "1", *DDIM) == 0
    printed = capsys.readouterr().out
    assert "photo.png: cropped at its centre and resized to 8 x 8, as for training" in printed
    assert "1 variant of 1 picture by " in printed
    record = json.loads(Path(RUN, "edits", "samples.json").read_text())
    as_in_training = read_square(Path("photo.png"), 8)
    edited = np.asarray(Image.open(Path(RUN, "edits", "0000.png")))
    assert record["redrawn_fraction"] == 0.5 and (edited[:, :4] == as_in_training[0, :, :4]).all()


def test_many_pictures_that_are_cropped_are_summarised_in_one_line(monkeypatch, capsys):
    for i in range(6):
        Image.new("L", (32 + i, 16)).save(f"photo{i}.png")
    photos = [f"photo{i}.png" for i in range(6)]
    assert run(monkeypatch, "edit", *photos, "--strength", "0.5", "--n", "2", *DDIM) == 0
    _, first, second = capsys.readouterr().out.splitlines()
    assert first == "6 files, such as photo0.png: cropped at its centre and resized to 8 x 8, as for training"
    assert second.startswith("2 variants of 6 pictures by ")


def test_bf16_samples_are_close_and_recorded(monkeypatch, capsys):
    for precision in ("fp32", "bf16"):
        options = ["--precision", precision, "--out", precision]
        assert run(monkeypatch, "sample", "--n", "4", "--steps", "4", *options) == 0
    made = [json.loads(Path(folder, "samples.json").read_text()) for folder in ("fp32", "bf16")]
    assert "precision" not in made[0] and made[1] == made[0] | {"precision": "bf16"}
    one, other = (
        np.stack([np.asarray(Image.open(f"{folder}/000{i}.png")) for i in range(4)]).astype(int)
        for folder in ("fp32", "bf16")
    )
    assert np.abs(one - other).mean() < 16


def test_a_film_is_saved_and_the_negative_class_is_recorded(monkeypatch, capsys):
    words = ["sample", "--n", "12", "--condition", "7", "--guidance", "3", "--negative", "index:1", *DDIM]
    assert run(monkeypatch, *words, "--film") == 0
    folder = Path(RUN, "samples")
    drawn = json.loads((folder / "samples.json").read_text())
    assert drawn["negative"] == {"label": [1] * 12} and (folder / "sheet.png").exists()
    assert (folder / "film.gif").stat().st_size < MAX_FILM_BYTES
    with Image.open(folder / "film.gif") as film:
        record = json.loads(film.info["comment"])
        assert film.n_frames >= 2 and film.width == 10 * 66 - 2  # the first ten
        assert (
            record["negative"] == {"label": 1}
            and record["indices"] == list(range(10))
            and "Guided" in record["sampler"]
        )


HALF = ["--strength", "0.5"]
EDIT = ["edit", "digit0.png"]
REDRAW = [*EDIT, *HALF]
BAD = {
    # case: the arguments, and parts of the message
    "neither": ([*EDIT], ["--mask FILE", "--strength 0.5"]),
    "both": ([*EDIT, "--mask", "mask.png", *HALF], ["--mask", "--strength", "one of the three"]),
    "all three": (
        [*EDIT, "--mask", "mask.png", *HALF, "--source-class", "3", "--condition", "8"],
        ["--source-class", "one of the three"],
    ),
    "no target class": ([*EDIT, "--source-class", "3"], ["--source-class 3", "add --condition CLASS"]),
    "unknown source class": ([*EDIT, "--source-class", "cow", "--condition", "3"], ["'cow'", "0, 1, 2"]),
    "negative without guidance, editing": (
        [*REDRAW, "--condition", "3", "--negative", "8"], ["--negative 8"],
    ),
    "no word": (["edit", *HALF], ["[RUN] FILE...", "morphogen edit --help"]),
    "no picture": (["edit", RUN, *HALF], [RUN, "no pictures given", "PICTURE"]),
    "no run": (["edit", "runs", "digit0.png", *HALF], ["runs is not a run", f"give one of {RUN}, runs/vae-"]),
    "nowhere": (["edit", "nowhere.png", *HALF], ["nowhere.png", "check the path"]),
    "nowhere, without options": (["edit", "nowhere.png"], ["nowhere.png", "no such file or run"]),
    "two folders": (["edit", RUN, "digit0.png", "runs", *HALF], ["runs: is a folder", f"as {RUN}"]),
    "the table first, the run second": (["edit", "t.csv", RUN], ["t.csv: is a table", f"{RUN} of pictures"]),
    "the picture first, a run that is none": (["edit", "digit0.png", "runs", *HALF], ["runs is not a run"]),
    "an unknown class of the newest run": (["sample", "--condition", "cow"], [f"{RUN} (the newest run)"]),
    "an unknown class of a named run": (["sample", RUN, "--condition", "cow"], [f"{RUN}: ", "cow"]),
    "broken": ([*EDIT, "broken.png", *HALF], ["broken.png", "not a picture", "8 x 8"]),
    "coloured": (["edit", "coloured.png", *HALF], ["coloured.png", "grey"]),
    "editing with a VAE": (
        ["edit", "runs/vae-digits-001", "digit0.png", *HALF], ["VAE", "morphogen train ddpm"],
    ),
    "mask nowhere": ([*EDIT, "--mask", "nowhere.png"], ["nowhere.png", "check the path"]),
    "mask of another size": ([*EDIT, "--mask", "wide.png"], ["wide.png", "9 x 8", "8 x 8"]),
    "mask of white only": ([*EDIT, "--mask", "white.png"], ["white.png", "nothing but white"]),
    "photograph as a mask": ([*EDIT, "--mask", "hole.png"], ["hole.png", "transparent", "paint white"]),
    "mask without white": ([*EDIT, "--mask", "black.png"], ["black.png", "no white", "paint white"]),
    "too strong": ([*EDIT, "--strength", "1.5"], ["--strength 1.5", "from 0 (unchanged) to 1"]),
    "no strength": ([*EDIT, "--strength", "nan"], ["--strength nan", "from 0 (unchanged) to 1"]),
    "no variant": ([*REDRAW, "--n", "0"], ["--n 0", "positive"]),
    "unknown class": ([*REDRAW, "--condition", "cow"], ["'cow'", "0, 1, 2"]),
    "guidance without a condition": ([*REDRAW, "--guidance", "3"], ["guidance requires a condition"]),
    "infinite guidance": ([*REDRAW, "--condition", "3", "--guidance", "inf"], ["--guidance inf", "1 is off"]),
    "another family's sampler": ([*REDRAW, "--sampler", "greedy"], ["got Greedy", "DDPM"]),
    "an unknown sampler": ([*REDRAW, "--sampler", "dddim"], ["dddim", "ddim"]),
    "a two-stage sampler inpaints": (
        [*EDIT, "--mask", "mask.png", "--sampler", "heun"], ["Heun", "DDPM or DDIM"],
    ),
    "more steps than the chain, editing": ([*REDRAW, "--steps", "51"], ["DDPM", "steps must be 1 .. 50"]),
    "more steps than the chain": (
        ["sample", "--sampler", "ddim", "--steps", "51"], ["DDIM", "steps must be 1 .. 50"],
    ),
    "no such precision": (["sample", "--precision", "fp8"], ["--precision fp8", "bf16"]),
    "no step": (["sample", "--steps", "0"], ["--steps 0", "above 0"]),
    "negative without guidance": (
        ["sample", "--condition", "3", "--negative", "8"], ["--negative 8", "--guidance 3"],
    ),
    "unknown negative": (["sample", "--negative", "cow", "--guidance", "3"], ["'cow'", "0, 1, 2"]),
    "negative past the last": (
        ["sample", "--negative", "index:10", "--guidance", "3"], ["--negative index:10", "index:9"],
    ),
    "guidance without condition dropout": (
        ["sample", "runs/vae-digits-001", "--condition", "3", "--guidance", "3"],
        ["trained with condition dropout", "sample without"],
    ),
    "a film of a VAE": (["sample", "runs/vae-digits-001", "--film"], ["VAE", "requires a diffusion model"]),
    "a film of too many steps": (["sample", "--film", "--steps", "51"], ["steps must be 1 .. 50"]),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_invalid_arguments_end_in_one_line_and_write_nothing(what, monkeypatch, capsys):
    words, parts = BAD[what]
    before = sorted(Path().rglob("*"))
    assert run(monkeypatch, *words) == 2
    line = capsys.readouterr().err
    assert (
        line.startswith("morphogen: ") and len(line.splitlines()) == 1 and all(part in line for part in parts)
    ), line
    assert sorted(Path().rglob("*")) == before, "something was written"


def test_a_picture_that_is_read_is_never_replaced(monkeypatch, capsys):
    """An edit of an edit needs another place: that of the first would replace or remove it."""
    words = ["--strength", "0.5", "--n", "1", *DDIM]
    assert run(monkeypatch, "edit", "digit0.png", *words) == 0
    again, mask = Path(RUN, "edits", "0000.png"), ["--mask", f"{RUN}/edits/0000.png", "--n", "1", *DDIM]
    kept = again.read_bytes()
    capsys.readouterr()
    for given in ([str(again), *words], ["digit0.png", *mask]):
        assert run(monkeypatch, "edit", *given) == 2
        message = f"--out {again}: the file exists, and is an input; choose another name"
        assert capsys.readouterr().err.strip() == f"morphogen: {message}"
    assert again.read_bytes() == kept
    assert run(monkeypatch, "edit", str(again), *words, "--out", "again") == 0
