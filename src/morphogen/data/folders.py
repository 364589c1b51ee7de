"""A folder as people have them: one sub-folder a class, or flat; with files that are not what the others are."""

__all__ = ["SKIPPED", "check_skipped", "files_by_class"]

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from morphogen.data.dataset import DataError

SKIPPED = 0.1  # largest share of files that may be skipped


def files_by_class(path: Path, belongs: Callable[[Path], object], what: str = "picture") -> tuple[list[tuple[Path, int]], tuple[str, ...]]:
    """Every file with its class's number, and the classes; hidden files and empty sub-folders do not count.

    Arguments:
        path: of the folder.
        belongs: whether a file is of those that are looked for: loose ones beside folders of classes are refused.
        what: one of them is called.
    """
    below = {folder: _below(folder) for folder in sorted(path.iterdir()) if folder.is_dir() and not folder.name.startswith(".")}
    folders = [folder for folder, files in below.items() if files]
    loose = [file for file in sorted(path.iterdir()) if file.is_file() and not file.name.startswith(".")]
    if not folders:
        return [(file, 0) for file in loose], ()
    if any(belongs(file) for file in loose):
        raise DataError(f"{path}: {what}s beside the folders {folders[0].name!r}, ...; put each {what} in the folder of its class")
    return [(file, label) for label, folder in enumerate(folders) for file in below[folder]], tuple(f.name for f in folders)


def check_skipped(where: str, good: int, bad: Sequence[str], what: str = "picture") -> None:
    """Enough of them, and few enough skipped."""
    if good + len(bad) == 0:
        raise DataError(f"{where}: the folder is empty; put {what}s in it, flat or one sub-folder a class")
    if len(bad) > SKIPPED * (good + len(bad)):
        raise DataError(f"{where}: {len(bad)} of {good + len(bad)} files cannot be used ({bad[0]}); remove them or give another folder")
    if good < 3:
        raise DataError(f"{where}: {good} {what} is too few to learn, choose and test on; give at least 3, better hundreds")


def _below(folder: Path) -> list[Path]:
    """The files in a folder and its sub-folders. Errors: OSError where one may not be entered: no class vanishes silently."""

    def stop(error: OSError) -> None:
        raise error

    found = []
    for root, folders, files in os.walk(folder, onerror=stop):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(root) / name for name in files if not name.startswith(".")]
    return sorted(file for file in found if file.is_file())
