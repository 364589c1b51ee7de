"""`morphogen vary`: variations, a blend and a text difference; invalid input ends in one line."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from command_line import run

RUN = "runs/dalle2-dots-001"
REFUSED = [
    ("dots/1.png --blend", "--blend takes two pictures, not 1: give the first and the last one"),
    ("dots/1.png dots/2.png --to red", "--to 'red' takes one picture, not 2: change one at a time"),
    ("dots/1.png dots/2.png --blend --to red", "--blend and --to 'red': give one of the two"),
    ("dots/1.png --from red", "--from 'red' needs --to, the text to change towards"),
    ("dots/1.png --eta 2", "n=4, eta=2: give n of at least 1 and eta from 0 to 1"),
    ("runs/vae-dots-001 dots/1.png", "Model does not draw pictures of embeddings"),
    (RUN, f"vary {RUN}: no pictures given; write morphogen vary {RUN} PICTURE"),
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 30 captioned pictures, with three tiny runs."""
    folder = tmp_path_factory.mktemp("vary")
    (folder / "dots").mkdir()
    for i in range(30):
        colour = "red" if i % 2 else "blue"
        Image.new("RGB", (8, 8), (200, 8 * i, 0) if i % 2 else (0, 8 * i, 200)).save(folder / f"dots/{i}.png")
        (folder / f"dots/{i}.txt").write_text(f"a {colour} dot")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for system, steps in (("dalle2", "4"), ("dalle2_autoregressive", "4"), ("vae", "1")):
            assert run(patch, "train", system, "--data", "dots", "--size", "tiny", "--steps", steps) == 0
    return folder


@pytest.fixture(autouse=True)
def working_directory(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(runs)
    shutil.rmtree(Path(RUN) / "varied", ignore_errors=True)


@pytest.mark.parametrize(
    ("words", "count", "sampler"),
    [
        ("dots/1.png dots/2.png --n 2", 4, "steps=3, eta=1"),
        ("dots/1.png dots/2.png --blend --n 3", 3, "steps=3"),
        ("dots/1.png --from red --to blue --n 2", 2, "steps=3"),
    ],
)
def test_pictures_and_their_sheet_are_written(
    words: str, count: int, sampler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, "vary", RUN, *words.split(), "--steps", "3", "--guidance", "2") == 0
    folder = Path(RUN) / "varied"
    assert len(list(folder.glob("0*.png"))) == count
    record = json.loads((folder / "samples.json").read_text())
    assert record["pictures"] == [word for word in words.split() if word.endswith(".png")]
    assert record["sampler"] == f"Guided(sampler=DDIM({sampler}), scale=2)"
    assert (folder / "sheet.png").exists()


def test_the_prior_may_be_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    other = RUN.replace("dalle2", "dalle2_autoregressive")
    assert run(monkeypatch, "vary", other, "dots/1.png", "--n", "2", "--steps", "2", "--out", "varied") == 0
    assert len(list(Path("varied").glob("0*.png"))) == 2


@pytest.mark.parametrize(("words", "line"), REFUSED)
def test_invalid_input_ends_in_one_line(
    words: str, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "vary", *([] if words.startswith("runs/") else [RUN]), *words.split()) == 2
    error = capsys.readouterr().err
    assert line in error and len(error.splitlines()) == 1
    assert not (Path(RUN) / "varied").exists()
