"""A run directory says what it is, gives its model back, and its errors name the file and the remedy."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from morphogen.model import tensors
from morphogen.run import Run, RunError, next_directory, train_run
from training.toys import Rows, denoiser, two_stages

SETTINGS = {"size": "tiny", "seed": 3, "steps": 4, "time": None, "classes": ["cat", "dog"]}


def test_trained_run_gives_its_model_back(tmp_path: Path) -> None:
    for make in (denoiser, two_stages):
        run, model = Run.create(tmp_path, "toy", "hf:owner/points", SETTINGS), make()
        assert Run.open(run.directory).status == "training"
        train_run(run, model, Rows())
        again = Run.open(run.directory)
        assert again.status == "finished"
        assert again.record["steps"] == 4
        assert again.record["settings"] == SETTINGS
        assert set(again.record["versions"]) == {"morphogen", "torch", "python"}
        assert all(torch.equal(t, tensors(model)[name]) for name, t in tensors(again.model()).items())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["toy-points-001", "toy-points-002"]
    assert Run.latest(tmp_path).name == "toy-points-002"


def test_directories_are_made_once_each(tmp_path: Path) -> None:
    (tmp_path / "a-b-007").mkdir()
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: next_directory(tmp_path, "a-b").name, range(40)))
    assert sorted(made) == [f"a-b-{n:03d}" for n in range(8, 48)]


def test_a_failed_training_is_marked(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "toy", "points", SETTINGS | {"steps": -1})
    with pytest.raises(ValueError, match="budget"):
        train_run(run, denoiser(), Rows())
    assert Run.open(run.directory).status == "interrupted"


def test_label_by_name_or_number(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "toy", "points", SETTINGS)
    assert (run.label("dog"), run.label("0")) == (1, 0)
    for wrong in ("2", "cow", "-1"):
        with pytest.raises(RunError, match=r"cat, dog"):
            run.label(wrong)
    with pytest.raises(RunError, match="without classes"):
        Run.create(tmp_path, "toy", "points", {}).label("0")


def test_what_is_missing_or_damaged_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"holds no run.*morphogen train"):
        Run.latest(tmp_path)
    with pytest.raises(RunError, match=r"no run\.json"):
        Run.open(tmp_path)
    run = Run.create(tmp_path, "toy", "points", SETTINGS)
    with pytest.raises(RunError, match=r"model is not there: the run is training"):
        run.model()
    train_run(run, denoiser(), Rows())
    weights = run.directory / "model/weights.safetensors"
    whole = weights.read_bytes()
    for damage in (whole[: len(whole) // 2], b""):
        weights.write_bytes(damage)
        with pytest.raises(RunError, match="is damaged"):
            run.model()
    weights.unlink()
    with pytest.raises(RunError, match=r"weights\.safetensors is missing"):
        run.model()
    (run.directory / "model/config.json").write_text("{")
    with pytest.raises(RunError, match="is damaged"):
        run.model()
    for text in ("{", "[]", json.dumps({"system": "toy"})):
        (run.directory / "run.json").write_text(text)
        with pytest.raises(RunError, match=r"run\.json") as error:
            Run.open(run.directory)
        assert "\n" not in str(error.value)
