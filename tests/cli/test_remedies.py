"""The remedy of an error names what a person can write, for the command and the file that were given."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.command_line import run


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs `morphogen WORDS`, which must end in one line; the line."""

    def refuse(*words: str) -> str:
        capsys.readouterr()
        assert run(monkeypatch, *words) == 2
        line = capsys.readouterr().err
        assert line.startswith("morphogen: ") and line.count("\n") == 1, line
        return line

    return refuse


def test_a_system_of_another_medium_that_the_folder_also_holds(refused) -> None:
    Path("clip art").mkdir()
    for i in range(4):
        Image.fromarray(np.full((8, 8), i, np.uint8)).save(f"clip art/{i}.png")
    for i in range(30):
        Path(f"clip art/{i}.md").write_text(f"about {i}\n" * 30)
    line = refused("train", "vae", "--data", "clip art", "--steps", "1")
    assert "vae models pictures, but clip art is read as text" in line
    assert line.endswith("to read its pictures: --data 'pictures:clip art'\n")
    line = refused("train", "wavenet", "--data", "clip art", "--steps", "1")
    assert "choose one of" in line and "sound:" not in line
