"""`train --from RUN --lora-rank ...`: what is trained, resumed and written; the small files in `sample`."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from command_line import run

BASE = "runs/latent_diffusion-photos-001"
FROM = ["train", "--from", BASE, "--data", "dogs"]
SAMPLE = ["sample", BASE, "--n", "1", "--steps", "2", "--prompt"]


def folder(name: str, caption: str, n: int) -> None:
    """A folder of pictures with captions."""
    Path(name).mkdir()
    rng = np.random.default_rng(n)
    for i in range(n):
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(f"{name}/{i}.png")
        Path(f"{name}/{i}.txt").write_text(caption)


@pytest.fixture(scope="module", autouse=True)
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a hardly trained run, and pictures of dogs."""
    directory = tmp_path_factory.mktemp("personal")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        folder("photos", "a cat or a dog", 12)
        folder("dogs", "a sks dog", 5)
        words = ["train", "latent_diffusion", "--data", "photos", "--size", "tiny", "--steps", "4"]
        assert run(patch, *words) == 0
    return directory


@pytest.fixture(autouse=True)
def inside(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)


def picture(folder: str) -> list:
    return np.asarray(Image.open(min(Path(folder).glob("0*.png")))).tolist()


def test_low_rank_updates_are_trained_beside_the_class_and_resumed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    before = (Path(BASE) / "model/weights.safetensors").read_bytes()
    options = ["--lora-rank", "2", "--class-caption", "a dog", "--class-examples", "2"]
    assert run(monkeypatch, *FROM, *options, "--steps", "3", "--runs", "lora") == 0
    (directory,) = Path("lora").iterdir()
    assert "for sample --lora" in capsys.readouterr().out
    settings = json.loads((directory / "run.json").read_text())["settings"]
    assert settings["lora_rank"] == 2 and settings["class_caption"] == "a dog"
    file = directory / "lora.safetensors"
    first = load_file(file)
    assert run(monkeypatch, "train", "--resume", str(directory), "--steps", "6") == 0
    assert any(not first[name].equal(tensor) for name, tensor in load_file(file).items())
    assert (Path(BASE) / "model/weights.safetensors").read_bytes() == before
    capsys.readouterr()
    words = ["sample", str(directory), *SAMPLE[2:]]
    assert run(monkeypatch, *words, "a sks cat", "--out", "both") == 0  # words of both trainings
    assert "no training caption" not in "".join(capsys.readouterr())
    assert run(monkeypatch, *words, "a sks dog", "--out", "run") == 0
    assert run(monkeypatch, *SAMPLE, "a sks dog", "--lora", str(file), "--out", "file") == 0
    assert picture("run") == picture("file")
    assert run(monkeypatch, *SAMPLE, "a sks dog", "--lora", f"{file}:0.5", "--out", "half") == 0
    assert run(monkeypatch, *SAMPLE, "a sks dog", "--lora", f"{file}:half", "--out", "half") == 2
    assert run(monkeypatch, "train", "clip", "--data", "photos", "--size", "tiny", "--steps", "1") == 0
    best = ["--lora", str(file), "--best-of", "2", "--ranker", "runs/clip-photos-001", "--guidance", "2"]
    assert run(monkeypatch, *SAMPLE, "a sks dog", *best, "--out", "best") == 0
    record = json.loads(Path("best/samples.json").read_text())
    assert record["best_of"] == 2 and record["indices"][0] in (0, 1)


def test_a_new_token_is_trained_and_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, *FROM, "--new-token", "sks", "--steps", "3", "--runs", "token") == 0
    (file,) = Path("token").glob("*/learned_embeds.safetensors")
    assert load_file(file)["sks"].shape == (1, 16)
    assert run(monkeypatch, *SAMPLE, "a sks dog", "--embedding", str(file), "--out", "embedded") == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "ddpm", "--data", "dogs", "--lora-rank", "4"], "--lora-rank personalises a trained model"),
        ([*FROM, "--lora-rank", "4", "--new-token", "<x>"], "--lora-rank 4 and --new-token <x>: give one"),
        ([*FROM, "--prior-weight", "2"], "--prior-weight 2 needs --class-caption 'a star'"),
        ([*FROM, "--lora-rank", "0"], "rank 0 must be at least 1"),
        ([*FROM, "--new-token", "my dog"], "the token 'my dog' must be one word"),
        ([*FROM, "--class-caption", "a dog", "--class-examples", "0"], "n is 0: give the number of pictures"),
        ([*FROM, "--lora-rank", "2", "--size", "tiny"], "leave out --size; only --data, --steps, --time"),
        ([*SAMPLE, "a dog", "--embedding", "none.safetensors"], "none.safetensors cannot be read"),
    ],
)
def test_errors_are_one_line(
    words: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    assert run(monkeypatch, *words, *(["--runs", "none"] if words[0] == "train" else [])) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not Path("none").exists()
