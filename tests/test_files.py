"""Writes are atomic, sealed directories detect changes, and errors name their file."""

import errno
import json
import os
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from morphogen import files
from morphogen.files import (
    find_fault,
    fresh_directory,
    naming,
    replacing,
    seal,
    write_json,
    write_tensors,
    write_text,
)


def disk_full(*arguments: object, **options: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_json_and_directories_are_replaced_atomically(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert json.loads(path.read_text()) == {"a": 1}
    for value in ("old", "new"):
        with fresh_directory(tmp_path / "d") as folder:
            (folder / "file").write_text(value)
    with pytest.raises(RuntimeError), fresh_directory(tmp_path / "d") as folder:
        (folder / "file").write_text("half")
        raise RuntimeError
    assert (tmp_path / "d/file").read_text() == "new"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "d"]


def test_a_full_disk_is_reported_with_the_path_and_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(OSError, match="No space left") as error:
        write_text(path, "new")
    assert Path(error.value.filename).parent == tmp_path
    assert error.value.errno == errno.ENOSPC
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_safetensors_errors_become_os_errors(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as error:
        write_tensors(tmp_path / "none/x.safetensors", {"a": torch.zeros(2)})
    assert error.value.filename == str(tmp_path / "none/x.safetensors")


def test_a_path_is_added_only_to_errors_without_one(tmp_path: Path) -> None:
    for raised, name in (
        (OSError(errno.EIO, "broken"), str(tmp_path)),
        (OSError(errno.EIO, "broken", "other"), "other"),
    ):
        with pytest.raises(OSError, match="broken") as error, naming(tmp_path):
            raise raised
        assert error.value.filename == name
    with pytest.raises(KeyError), naming(tmp_path):
        raise KeyError("not an OSError")


def test_replacing_moves_all_files_or_none(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("stays")
    with replacing(tmp_path) as folder:
        write_text(folder / "a", "old")
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert before.keys() == {"mine", "a", "manifest.json"}
    with pytest.raises(OSError, match="space"), replacing(tmp_path) as folder:
        write_text(folder / "a", "new")
        disk_full()
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    assert find_fault(tmp_path) is None


def test_a_missing_manifest_passes_only_if_not_required(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    assert find_fault(tmp_path, sealed=False) is None
    assert find_fault(tmp_path) == "manifest.json is missing"
    seal(tmp_path)
    (tmp_path / "a").unlink()
    assert find_fault(tmp_path, sealed=False) == "a is missing"
    (tmp_path / "a").mkdir()
    assert "a cannot be read" in str(find_fault(tmp_path))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["a", "b", files.MANIFEST]),
    at=st.integers(0, 10**6),
    bit=st.integers(1, 255),
    cut=st.booleans(),
)
def test_any_flipped_byte_or_truncation_is_found(
    name: str, at: int, bit: int, cut: bool, tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(bytes(range(40)))
    (tmp_path / "b").write_text("words")
    (tmp_path / files.MANIFEST).unlink(missing_ok=True)
    seal(tmp_path)
    data = bytearray((tmp_path / name).read_bytes())
    at %= len(data)
    data[at] ^= bit
    (tmp_path / name).write_bytes(data[:at] if cut else data)
    fault = find_fault(tmp_path)  # a changed manifest may pass, but must not raise
    assert fault is not None or name == files.MANIFEST
