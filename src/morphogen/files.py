"""Files that survive: each is the old one or the new one at any moment, and a sealed directory says whether it is still what was written.

    write beside the place,  flush to the disk,  rename                         a crash, or a full disk, leaves what was there
    manifest.json = {file: sha256}                                             a flipped byte, a cut or a missing file is found out

Errors of writing name their file: a full disk is met where Python and safetensors know no path any more.
"""

__all__ = ["find_fault", "fresh_directory", "naming", "replacing", "seal", "write_bytes", "write_json", "write_tensors", "write_text"]

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
    """A directory to fill, which takes the place of `target` only when it is complete and on the disk."""
    folder, former = target.with_name(f".{target.name}.new"), target.with_name(f".{target.name}.old")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
        for path in [*folder.iterdir(), folder]:
            sync(path)
    except BaseException:  # `target` is as it was; half of a directory must not fill the disk any further
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
    """A directory to fill, whose files move into `folder` once all are written and sealed; the others there stay."""
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / ".new"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    try:
        yield beside
        seal(beside)
        for path in sorted(beside.iterdir()):
            sync(path)
        for path in sorted(beside.iterdir()):
            os.replace(path, folder / path.name)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def seal(folder: Path) -> None:
    """Write down the sha256 of every file of a directory."""
    write_text(folder / MANIFEST, json.dumps({path.name: _sha256(path) for path in sorted(folder.iterdir())}, indent=2) + "\n")


def find_fault(folder: Path, sealed: bool = True) -> str | None:
    """What is wrong with a sealed directory, the file's name first; None: nothing.

    Arguments:
        folder: the directory.
        sealed: whether it must have a manifest; False: one without was written before there were any, and passes.
    """
    if not sealed and not (folder / MANIFEST).exists():
        return None
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf8"))
        return next((f"{name} is not what was written" for name, sha in manifest.items() if _sha256(folder / name) != sha), None)
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except OSError as error:
        return f"{Path(error.filename or MANIFEST).name} cannot be read ({error.strerror})"
    except (ValueError, AttributeError, TypeError, RecursionError):
        return f"{MANIFEST} cannot be read"


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file. Errors: OSError with the path where the disk does not take it."""
    with naming(path):
        save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, path)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole or not at all."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    write_bytes(path, text.encode("utf8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
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


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Give the operating system's errors inside the path that they are about, where they have none of their own."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    except SafetensorError as error:  # it says "I/O error: No space left on device (os error 28)"
        found = re.search(r"os error (\d+)", str(error))
        if found is None:
            raise
        raise OSError(int(found[1]), os.strerror(int(found[1])), str(path)) from error


def sync(path: Path) -> None:
    """Have the file, or the names in the directory, on the disk before going on."""
    handle = os.open(path, os.O_RDONLY)
    try:
        with naming(path):
            os.fsync(handle)
    finally:
        os.close(handle)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
