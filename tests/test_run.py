"""Run directories: records, loading of models, and errors that name the file and the remedy."""

import errno
import json
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from morphogen.component import ConfigError, to_config
from morphogen.conditioning.specs import Classes, Sketches
from morphogen.model import tensors
from morphogen.representations.text import Bytes
from morphogen.run import Run, RunError, train_run
from morphogen.run_directory import next_directory
from morphogen.saved_config import FORMAT
from training.toys import Rows, denoiser, two_stages

MODEL_FILES = ("config.json", "weights.safetensors", "manifest.json")
SETTINGS: dict[str, Any] = {"size": "tiny", "seed": 3, "steps": 4, "time": None}
SETTINGS["conditions"] = {"label": to_config(Classes(("cat", "dog")))}


def test_a_trained_run_loads_its_model(tmp_path: Path) -> None:
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


def test_concurrent_callers_get_different_directories(tmp_path: Path) -> None:
    (tmp_path / "a-b-007").mkdir()
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: next_directory(tmp_path, "a-b").name, range(40)))
    assert sorted(made) == [f"a-b-{n:03d}" for n in range(8, 48)]


def test_a_failed_training_is_marked(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "toy", "points", SETTINGS | {"steps": -1})
    with pytest.raises(ValueError, match="budget"):
        train_run(run, denoiser(), Rows())
    assert Run.open(run.directory).status == "interrupted"


def test_conditions_are_read_from_the_settings(tmp_path: Path) -> None:
    label = Run.create(tmp_path, "toy", "points", SETTINGS).conditions["label"]
    assert (int(label.parse("dog")), int(label.parse("index:0"))) == (1, 0)
    with pytest.raises(ConfigError, match=r"no class '0'; .*write 'index:0' for 'cat'"):
        label.parse("0")
    several = {
        "label": to_config(Classes(3)),
        "source": to_config(Bytes(16)),
        "sketch": to_config(Sketches()),
    }
    conditions = Run.create(tmp_path, "toy", "points", SETTINGS | {"conditions": several}).conditions
    assert {name: type(spec) for name, spec in conditions.items()} == {
        "label": Classes,
        "source": Bytes,
        "sketch": Sketches,
    }
    assert Run.create(tmp_path, "toy", "points", SETTINGS | {"conditions": {}}).conditions == {}
    for wrong in ("2", "cow", "-1"):
        with pytest.raises(ConfigError, match=r"cat, dog"):
            label.parse(wrong)
    assert Run.create(tmp_path, "toy", "points", {}).conditions == {}


def finished(root: Path, settings: dict[str, Any] = SETTINGS) -> Run:
    run = Run.create(root, "toy", "points", settings)
    train_run(run, denoiser(), Rows())
    return run


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"contains no run.*morphogen train"):
        Run.latest(tmp_path)
    with pytest.raises(RunError, match=r"no run\.json"):
        Run.open(tmp_path)
    with pytest.raises(RunError, match=r"model does not exist: the run is training"):
        Run.create(tmp_path, "toy", "points", SETTINGS).model()
    run = finished(tmp_path)
    for name in ("weights.safetensors", "config.json"):
        file = run.directory / "model" / name
        whole = file.read_bytes()
        for damage in (whole[: len(whole) // 2], b"", whole[:40] + bytes([whole[40] ^ 1]) + whole[41:]):
            file.write_bytes(damage)
            with pytest.raises(RunError, match=rf"model/{name} has changed since it was written; resume"):
                run.model()
        file.unlink()
        with pytest.raises(RunError, match=rf"model/{name} is missing; resume"):
            run.model()
        file.write_bytes(whole)
    run.model()
    for text in ("{", "[]", "[" * 100_000, json.dumps({"system": "toy"})):
        (run.directory / "run.json").write_text(text)
        with pytest.raises(RunError, match=r"run\.json") as error:
            Run.open(run.directory)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "wrong",
    [{"status": "asleep"}, {"settings": []}, {"system": None}, {"steps": "x"}, {"seed": True}, {"set": 3}],
)
def test_a_record_with_wrong_types_is_refused(wrong: dict[str, Any], tmp_path: Path) -> None:
    run = Run.create(tmp_path, "toy", "points", SETTINGS)
    name = next(iter(wrong))
    changes = wrong if name in run.record else {"settings": run.record["settings"] | wrong}
    record = run.record | changes
    (run.directory / "run.json").write_text(json.dumps(record))
    with pytest.raises(RunError, match=rf"run\.json: '{name}' cannot be"):
        Run.open(run.directory)


def test_a_model_without_a_manifest_loads(tmp_path: Path) -> None:
    run = finished(tmp_path)
    folder = run.directory / "model"
    (folder / "manifest.json").unlink()
    run.model()
    for name, match in (
        ("weights.safetensors", "cannot be used"),
        ("config.json", "does not describe a model"),
    ):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(RunError, match=rf"{name} {match}"):
            run.model()
        (folder / name).write_bytes(whole)
    for config in (
        {"part": "Nothing"},
        [],
        {"part": "Model"},
        {"part": "ToyDenoise", "dropout": "much"},
        {"part": "Adam"},
    ):
        (folder / "config.json").write_text(json.dumps({"format": FORMAT, "config": config}))
        with pytest.raises(RunError, match="does not describe a model"):
            run.model()


def test_the_suggested_command_restores_the_model(tmp_path: Path) -> None:
    run = finished(tmp_path, SETTINGS | {"data": "points"})
    (run.directory / "model/weights.safetensors").write_bytes(b"")
    remedy = f"resume from its checkpoint: morphogen train --resume {run.directory}"
    with pytest.raises(RunError, match=remedy):
        run.model()
    train_run(run, again := denoiser(), Rows())  # as the suggested command does
    assert all(torch.equal(t, tensors(again)[name]) for name, t in tensors(run.model()).items())


def test_a_full_disk_is_reported_and_leaves_no_empty_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.create(tmp_path, "toy", "points", SETTINGS)
    before = (run.directory / "run.json").read_bytes()

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        Run.create(tmp_path, "toy", "points", SETTINGS)
    assert list(tmp_path.iterdir()) == [run.directory]
    with pytest.raises(OSError, match="No space"):
        train_run(run, denoiser(), Rows())
    assert (run.directory / "run.json").read_bytes() == before


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return finished(tmp_path_factory.mktemp("whole"))


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(["run.json", *(f"model/{file}" for file in MODEL_FILES)]),
    sealed=st.booleans(),
    at=st.integers(0, 10**6),
    bit=st.integers(1, 255),
    cut=st.booleans(),
)
def test_any_corruption_is_a_run_error_or_harmless(
    name: str, sealed: bool, at: int, bit: int, cut: bool, whole: Run
) -> None:
    """No other exception is raised, and changes of files covered by a manifest never pass."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        shutil.copytree(whole.directory, run, ignore=shutil.ignore_patterns("checkpoints"))
        data = bytearray((run / name).read_bytes())
        at %= len(data)
        data[at] ^= bit
        (run / name).write_bytes(data[:at] if cut else data)
        if not sealed:
            (run / "model/manifest.json").unlink()
        try:
            Run.open(run).model()
        except RunError as error:
            assert "\n" not in str(error)
        else:
            assert not sealed or name in ("run.json", "model/manifest.json")
