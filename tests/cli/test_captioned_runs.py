"""Runs of captioned pictures on the command line: unknown words, other masks, missing captions."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command_line import run

RUN = "runs/latent_diffusion-toys-001"
COLOURS = "red", "green", "blue"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `toys` of captioned pictures, and a run of it."""
    directory = tmp_path_factory.mktemp("captioned")
    (directory / "toys").mkdir()
    for i in range(40):
        values = np.full((8, 8, 3), i, np.uint8)
        values[2:6, 2:6, i % 3] = 255
        Image.fromarray(values).save(directory / f"toys/{i:02d}.png")
        (directory / f"toys/{i:02d}.txt").write_text(f"a {COLOURS[i % 3]} square")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        assert (
            run(patch, "train", "latent_diffusion", "--data", "toys", "--size", "tiny", "--steps", "2") == 0
        )
    return directory


def printed(
    words: list[str], directory: Path, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> str:
    """What a command that succeeds prints."""
    patch.chdir(directory)
    assert run(patch, *words) == 0
    return "".join(capsys.readouterr())


def refused(
    words: list[str], directory: Path, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> str:
    """The one line of a command that is refused, and what it said before."""
    patch.chdir(directory)
    assert run(patch, *words) == 2
    out, error = capsys.readouterr()
    assert error.count("\n") == 1
    return str(out + error)


@pytest.mark.parametrize("option", ["--prompt", "--condition"])
def test_captions_that_an_earlier_stage_of_a_cascade_takes_are_given_as_others(
    option: str, directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """The last stage of DALL-E 2 enlarges a picture and takes no caption."""
    trained = ["train", "dalle2", "--data", "toys", "--size", "tiny", "--steps", "5"]
    printed(trained, directory, monkeypatch, capsys)
    words = ["sample", "--n", "1", option]
    said = printed([*words, "a teal square"], directory, monkeypatch, capsys)
    assert "no training caption has the word teal" in said and "1 sample" in said
    guided = [*words, "a red square", "--guidance", "2", "--negative-prompt", "a blue square"]
    said = printed(guided, directory, monkeypatch, capsys)  # by the own sampler of each stage
    assert "'embedding': Guided(sampler=BestMatch(sampler=DDPM(steps=4)), scale=2)" in said
    assert "'low': Guided(sampler=DDPM(steps=4), scale=2), 'high': DDIM(steps=4)" in said


@pytest.mark.parametrize("option", ["--prompt", "--condition"])
def test_words_that_no_caption_has_are_named(
    option: str, directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    words = ["sample", RUN, "--n", "1", option]
    assert "training caption" not in printed([*words, "a red square"], directory, monkeypatch, capsys)
    said = printed([*words, "a teal square"], directory, monkeypatch, capsys)
    assert "no training caption has the word teal of the caption 'a teal square'" in said
    said = printed([*words, "a red square " * 9], directory, monkeypatch, capsys)
    assert "tokens, and the encoder takes 30: the last" in said and "training caption" not in said


def test_pictures_are_edited_with_a_prompt(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Where the mask is white; a mask of another size is refused."""
    mask = np.zeros((8, 12), np.uint8)
    mask[:, 4:] = 255
    Image.fromarray(mask).save(directory / "wide.png")
    Image.fromarray(mask[:, :8]).save(directory / "mask.png")
    words = ["edit", RUN, "toys/00.png", "--n", "1", "--steps", "2", "--prompt", "a blue square", "--mask"]
    line = refused([*words, "wide.png"], directory, monkeypatch, capsys)
    assert "wide.png: 12 x 8 pixels, but toys/00.png has 8 x 8" in line
    printed([*words, "mask.png", "--out", "edited"], directory, monkeypatch, capsys)
    files = [file for file in (directory / "edited").glob("*.png") if file.name != "sheet.png"]
    edited, given = (np.asarray(Image.open(file)) for file in (files[0], directory / "toys/00.png"))
    assert (edited[:, :4] == given[:, :4]).all() and (edited[:, 4:] != given[:, 4:]).any()


def test_every_stage_of_a_cascade_is_edited(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Imagen draws the smaller picture anew too where the mask is white, and then enlarges it."""
    trained = ["train", "imagen", "--data", "toys", "--size", "tiny", "--steps", "2"]
    printed(trained, directory, monkeypatch, capsys)
    mask = np.zeros((8, 8), np.uint8)
    mask[:, 4:] = 255
    Image.fromarray(mask).save(directory / "half.png")
    words = ["edit", "runs/imagen-toys-001", "toys/00.png", "--n", "1", "--steps", "2", "--guidance", "2"]
    words += ["--prompt", "a blue square", "--negative-prompt", "a red square"]
    printed([*words, "--mask", "half.png", "--out", "stages"], directory, monkeypatch, capsys)
    files = [file for file in (directory / "stages").glob("*.png") if file.name != "sheet.png"]
    edited, given = (np.asarray(Image.open(file)) for file in (files[0], directory / "toys/00.png"))
    assert (edited[:, :4] == given[:, :4]).all() and (edited[:, 4:] != given[:, 4:]).any()
    printed([*words, "--strength", "0.5", "--out", "again"], directory, monkeypatch, capsys)
    assert refused(words, directory, monkeypatch, capsys)


def test_missing_captions_are_named_where_a_system_needs_them(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """The pictures without one, and how to give them one; the remedy works."""
    (directory / "toys/07.txt").rename(directory / "kept.txt")
    words = ["train", "clip", "--data", "toys", "--size", "tiny", "--steps", "1"]
    line = refused(words, directory, monkeypatch, capsys)
    assert "captions for 39 of 40 pictures: none for 07.png" in line
    assert (
        "clip needs captions ('caption'); the data have no conditions; give every picture a caption" in line
    )
    (directory / "kept.txt").rename(directory / "toys/07.txt")
    printed(words, directory, monkeypatch, capsys)
