"""Atomic file writes, and directories sealed with a manifest of hashes.

    write a temporary file, flush, rename       a crash or a full disk leaves the previous file intact
    manifest.json = {file: sha256}              detects changed, truncated and missing files

Write errors name their file, also where Python and safetensors do not report a path (a full disk).
"""

__all__ = [
    "MANIFEST",
    "find_fault",
    "fresh_directory",
    "listed_files",
    "naming",
    "read_json_lines",
    "replacing",
    "seal",
    "write_bytes",
    "write_json",
    "write_tensors",
    "write_text",
]

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

MANIFEST = "manifest.json"


@contextmanager
def fresh_directory(target: Path) -> Iterator[Path]:
    """Context manager: fill a temporary directory that replaces `target` once it is complete and flushed."""
    folder, former = target.with_name(f".{target.name}.new"), target.with_name(f".{target.name}.old")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
        for path in [*folder.iterdir(), folder]:
            sync(path)
    except BaseException:  # `target` is unchanged; a partial directory must not take up disk space
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(former, ignore_errors=True)
    if target.exists():
        os.rename(target, former)
    os.rename(folder, target)
    sync(target.parent)
    shutil.rmtree(former, ignore_errors=True)


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Context manager: fill a temporary directory whose files are sealed and then moved into `folder`.

    Other files in `folder` are kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / ".new"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        seal(temporary)
        for path in sorted(temporary.iterdir()):
            sync(path)
        for path in sorted(temporary.iterdir()):
            os.replace(path, folder / path.name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def seal(folder: Path) -> None:
    """Write the manifest of a directory: the sha256 of each file."""
    write_json(folder / MANIFEST, {path.name: _sha256(path) for path in sorted(folder.iterdir())})


def find_fault(folder: Path, sealed: bool = True) -> str | None:
    """Verify a sealed directory; returns None if it is intact, else the file name and its fault.

    Arguments:
        folder: the directory.
        sealed: whether a manifest is required; False: a directory without one passes.
    """
    if not sealed and not (folder / MANIFEST).exists():
        return None
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf8"))
        changed = (name for name, sha256 in manifest.items() if _sha256(folder / name) != sha256)
        name = next(changed, None)
        return None if name is None else f"{name} has changed since it was written"
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except OSError as error:
        return f"{Path(error.filename or MANIFEST).name} cannot be read ({error.strerror})"
    except (ValueError, AttributeError, TypeError, RecursionError):
        return f"{MANIFEST} cannot be read"


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file. Errors: OSError with the path."""
    with naming(path):
        save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, path)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    write_bytes(path, text.encode("utf8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        with naming(path):
            fresh.write_bytes(content)
            sync(fresh)
            os.replace(fresh, path)
    except BaseException:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise


def listed_files(record: Path) -> set[str] | None:
    """The names of the files beside a JSON file that it lists as "files", as a record of what was written.

    Returns:
        an empty set without the file; None if it is no such record, but of someone else.
    """
    try:
        names = json.loads(record.read_text(encoding="utf8"))["files"]
        return {name for name in names if (record.parent / name).is_file()}
    except FileNotFoundError:
        return set()
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def read_json_lines(path: Path, *required: str) -> list[dict[str, Any]]:
    """The lines of a JSONL file that are valid and have the required keys; none if the file is missing."""
    try:
        text = path.read_text(encoding="utf8")
    except OSError:
        return []
    lines = []
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except ValueError:  # the last line of an interrupted run may be truncated
            continue
        if isinstance(value, dict) and value.keys() >= set(required):
            lines.append(value)
    return lines


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Context manager: add the path to operating system errors that have none."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    except SafetensorError as error:  # such as "I/O error: No space left on device (os error 28)"
        found = re.search(r"os error (\d+)", str(error))
        if found is None:
            raise
        raise OSError(int(found[1]), os.strerror(int(found[1])), str(path)) from error


def sync(path: Path) -> None:
    """Flush a file, or the entries of a directory, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        with naming(path):
            os.fsync(handle)
    finally:
        os.close(handle)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
