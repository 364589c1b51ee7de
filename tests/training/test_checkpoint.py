"""Checkpoints are complete or absent, and damaged ones are detected and skipped."""

from pathlib import Path

import pytest
import torch

from morphogen import files
from morphogen.component import ConfigError
from morphogen.model import tensors
from morphogen.training import Every, train
from morphogen.training.checkpoint import Checkpoints, copy_into, own_tensors
from training.toys import Rows, denoiser, two_stages


def write_steps(directory: Path, *steps: int, keep: int = 5) -> Checkpoints:
    checkpoints = Checkpoints(directory, keep)
    for step in steps:
        checkpoints.write(
            step, {"weights": {"w": torch.full((3,), float(step))}, "ema": {}}, {"seconds": step / 7}
        )
    return checkpoints


def test_newest_checkpoint_round_trip(tmp_path: Path) -> None:
    newest = write_steps(tmp_path, 3, 12, 5).newest()
    assert newest is not None
    assert newest.step == 5  # 12 was removed: training resumed from before it
    assert torch.equal(newest.tensors["weights"]["w"], torch.full((3,), 5.0))
    assert newest.tensors["ema"] == {}
    assert newest.state == {"seconds": 5 / 7}
    assert Checkpoints(tmp_path / "none").newest() is None


def test_older_checkpoints_are_removed(tmp_path: Path) -> None:
    write_steps(tmp_path, 1, 2, 3, 4, keep=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["00000003", "00000004"]


@pytest.mark.parametrize("file", ["weights.safetensors", "state.json", "manifest.json"])
def test_a_flipped_byte_is_detected(file: str, tmp_path: Path) -> None:
    checkpoints = write_steps(tmp_path, 1, 2)
    path = tmp_path / "00000002" / file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.warns(UserWarning, match=r"00000002 is damaged .*before"):
        newest = checkpoints.newest()
    assert newest is not None
    assert newest.step == 1


def test_a_missing_file_is_detected(tmp_path: Path) -> None:
    checkpoints = write_steps(tmp_path, 1, 2)
    (tmp_path / "00000002/ema.safetensors").unlink()
    with pytest.warns(UserWarning, match=r"ema.safetensors is missing"):
        assert getattr(checkpoints.newest(), "step", None) == 1


@pytest.mark.parametrize("crash_at", range(12))  # at each write, hash and sync in turn
def test_a_crash_keeps_the_previous_checkpoint(
    crash_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = write_steps(tmp_path, 1)
    calls = iter(range(100))

    def crashing(original):  # type: ignore[no-untyped-def]
        def call(*arguments, **options):  # type: ignore[no-untyped-def]
            if next(calls) == crash_at:
                raise OSError("power cut")
            return original(*arguments, **options)

        return call

    for name in ("sync", "_sha256", "save_file"):
        monkeypatch.setattr(files, name, crashing(getattr(files, name)))
    with pytest.raises(OSError, match="power cut"):
        write_steps(tmp_path, 2)
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["00000001"], (
        "a partial checkpoint was left on the disk"
    )
    assert getattr(checkpoints.newest(), "step", None) == 1
    assert getattr(write_steps(tmp_path, 2).newest(), "step", None) == 2


def test_training_resumes_from_the_last_intact_checkpoint(tmp_path: Path) -> None:
    uninterrupted, resumed = denoiser(), denoiser()
    train(uninterrupted, Rows(), steps=6, directory=tmp_path, checkpoint_every=Every(steps=2), keep=3)
    (tmp_path / "checkpoints/00000006/weights.safetensors").write_bytes(b"nothing")
    with pytest.warns(UserWarning, match="00000006"):
        train(resumed, Rows(), steps=6, directory=tmp_path)
    assert all(torch.equal(t, tensors(uninterrupted)[name]) for name, t in tensors(resumed).items())


def test_a_stage_stores_its_own_tensors_only() -> None:
    staged = two_stages()
    first, second = staged.models["first"], staged.models["second"]
    assert own_tensors(first).keys() == tensors(first).keys()
    assert tensors(second).keys() > own_tensors(second).keys() == own_tensors(first).keys()
    assert not {t.data_ptr() for t in own_tensors(second).values()} & {
        t.data_ptr() for t in tensors(first).values()
    }


def test_a_checkpoint_of_another_model_raises() -> None:
    own = {"w": torch.zeros(3)}
    for values in ({"v": torch.ones(3)}, {"w": torch.ones(4)}, {}):
        with pytest.raises(ConfigError, match=r"does not fit .*resume=False"):
            copy_into(own, values)
    assert torch.equal(own["w"], torch.zeros(3))


def test_a_checkpoint_of_a_prior_of_another_first_stage_raises(tmp_path: Path) -> None:
    """A model of the latents, or codes, of one first stage is not continued on those of another."""
    first, other = denoiser(), denoiser()
    with torch.no_grad():
        other.objective.network[0].bias[3] += 1e-3
    train(denoiser(first=first), Rows(), steps=2, directory=tmp_path)
    with pytest.raises(ConfigError, match=r"frozen model was \w{16}, is \w{16}"):
        train(denoiser(first=other), Rows(), steps=4, directory=tmp_path)
    assert train(denoiser(first=denoiser()), Rows(), steps=4, directory=tmp_path).resumed == 2
