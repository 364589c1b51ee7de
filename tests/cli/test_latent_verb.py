"""`latent`: the pictures and figures that it writes, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command_line import run

TINY = ("--size", "tiny", "--steps", "3")


def test_it_draws_a_run_that_was_trained_without_classes(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "train", "vae", "--data", "digits", "--condition", "none", *TINY) == 0
    assert run(monkeypatch, "latent", "--attribute", "1:7", "--out", "pictures") == 0
    names = {path.stem for path in Path("pictures").glob("*.png")}
    assert names == {"reconstructions", "interpolations", "traversals", "map", "attribute"}
    sizes = {name: Image.open(f"pictures/{name}.png").size for name in names}
    assert sizes["map"] == (1000, 1000) and all(min(size) > 100 for size in sizes.values())
    printed, usage = capsys.readouterr().out, json.loads(Path("pictures/usage.json").read_text())
    assert "of the variance of 254 held-out latents" in printed
    assert f"{usage['active']} of 4 units are active" in printed and "n = 254" in printed
    assert usage["n"] == usage["kl"]["n"] == 254 and len(usage["covariances"]) == 4
    assert run(monkeypatch, "latent", "--attribute", "1") == 2
    assert "write two classes of the data as FROM:TO" in capsys.readouterr().err
    assert run(monkeypatch, "latent", "--attribute", "1:x") == 2
    assert "'x'" in capsys.readouterr().err


def test_classes_without_a_held_out_picture_are_named(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    for name, part, n in (
        ("a", "train", 20),
        ("b", "train", 20),
        ("c", "train", 9),
        ("d", "train", 9),
        ("a", "test", 9),
        ("b", "test", 9),
    ):
        Path("pets", part, name).mkdir(parents=True)
        for i in range(n):
            pixels = draw.integers(0, 256, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(f"pets/{part}/{name}/{i}.png")
    assert run(monkeypatch, "train", "vae", "--data", "pets", "--condition", "none", *TINY) == 0
    for text, message in (
        (
            "a:c",
            "none of the 18 held-out examples drawn has the class 'c'; choose two of a, b",
        ),
        (
            "c:d",
            "none of the 18 held-out examples drawn has the class 'c'; choose two of a, b",
        ),
        ("a:a", "is one class; write two classes of the data as FROM:TO"),
    ):
        capsys.readouterr()
        assert run(monkeypatch, "latent", "--attribute", text) == 2
        assert capsys.readouterr().err.strip() == f"morphogen: --attribute {text}: {message}"
    assert run(monkeypatch, "latent", "--attribute", "a:b") == 0


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


@pytest.mark.parametrize("system", ["table_vae", "text_vae"])
def test_tables_and_texts_have_a_latent_space_too(system: str, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text("size,kind\n" + "".join(f"{i}.5,{'ab'[i % 2]}\n" for i in range(60)))
    Path("t.txt").write_text("".join(f"the cat number {i} sat on mat {7 * i}.\n" for i in range(300)))
    data = "t.csv" if system == "table_vae" else "t.txt"
    assert run(monkeypatch, "train", system, "--data", data, *TINY) == 0
    assert run(monkeypatch, "latent") == 0
    assert "of 4 units are active" in capsys.readouterr().out
    (folder,) = Path("runs").glob("*/latent")
    names = {path.stem for path in folder.iterdir()}
    assert names == {"reconstructions", "interpolations", "traversals", "map", "usage"}
