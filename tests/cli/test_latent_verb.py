"""`latent`: the pictures that it writes, and what it refuses."""

from pathlib import Path

import pytest
from PIL import Image

from command_line import run

TINY = ("--size", "tiny", "--steps", "3")


def test_it_draws_a_run_that_was_trained_without_classes(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "train", "vae", "--data", "digits", "--condition", "none", *TINY) == 0
    assert run(monkeypatch, "latent", "--attribute", "1:7", "--out", "pictures") == 0
    names = {path.stem for path in Path("pictures").iterdir()}
    assert names == {"reconstructions", "interpolations", "traversals", "map", "attribute"}
    sizes = {name: Image.open(f"pictures/{name}.png").size for name in names}
    assert sizes["map"] == (1000, 1000) and all(min(size) > 100 for size in sizes.values())
    assert "of the variance of 254 held-out latents" in capsys.readouterr().out
    assert run(monkeypatch, "latent", "--attribute", "1") == 2
    assert "write two classes of the data as FROM:TO" in capsys.readouterr().err
    assert run(monkeypatch, "latent", "--attribute", "1:x") == 2
    assert "'x'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("system", "message"),
    [("vae", "the model is told the class"), ("mixture", "there are no latents to look at")],
)
def test_it_refuses_what_it_cannot_draw(system: str, message: str, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "train", system, "--data", "digits", *TINY) == 0
    assert run(monkeypatch, "latent", "--attribute", "1:7") == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line
