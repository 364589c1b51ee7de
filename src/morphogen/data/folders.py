"""List the files of a data folder (one sub-folder per class, or flat), and check how many are unusable."""

__all__ = ["SKIPPED", "check_skipped", "files_by_class"]

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from morphogen.data.dataset import DataError

SKIPPED = 0.1  # largest fraction of files that may be skipped


def files_by_class(
    path: Path, is_example: Callable[[Path], object], what: str = "picture"
) -> tuple[list[tuple[Path, int]], tuple[str, ...]]:
    """All files with their class indices, and the class names; ignores hidden files and empty sub-folders.

    Arguments:
        path: of the folder.
        is_example: whether a file is an example; an example next to class folders is an error.
        what: name of an example in error messages.
    """
    entries = [entry for entry in sorted(path.iterdir()) if not entry.name.startswith(".")]
    files_in = {entry: _files_below(entry) for entry in entries if entry.is_dir()}
    folders = [folder for folder, files in files_in.items() if files]
    loose = [entry for entry in entries if entry.is_file()]
    if not folders:
        return [(file, 0) for file in loose], ()
    if any(is_example(file) for file in loose):
        raise DataError(
            f"{path}: {what}s next to the class folders {folders[0].name!r}, ...; "
            f"move each {what} into the folder of its class"
        )
    files = [(file, label) for label, folder in enumerate(folders) for file in files_in[folder]]
    return files, tuple(folder.name for folder in folders)


def check_skipped(where: str, good: int, bad: Sequence[str], what: str = "picture") -> None:
    """Raise DataError if there are too few examples, or too many skipped files.

    Arguments:
        where: the folder or data set that an error names.
        good: number of usable examples.
        bad: the reason for each skipped file.
        what: name of an example in error messages.
    """
    if good + len(bad) == 0:
        raise DataError(
            f"{where}: the folder is empty; put {what}s in it, flat or in one sub-folder per class"
        )
    if len(bad) > SKIPPED * (good + len(bad)):
        raise DataError(
            f"{where}: {len(bad)} of {good + len(bad)} files cannot be used ({bad[0]}); "
            "remove them or give another folder"
        )
    if good < 3:
        raise DataError(
            f"{where}: {good} {what}{'s' if good != 1 else ''} cannot be split into train, valid and test; "
            "give at least 3, better hundreds"
        )


def _files_below(folder: Path) -> list[Path]:
    """All files below a folder. Errors: OSError for an unreadable folder: no class is silently lost."""

    def stop(error: OSError) -> None:
        raise error

    files = []
    for root, folders, names in os.walk(folder, onerror=stop):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += [Path(root) / name for name in names if not name.startswith(".")]
    return sorted(file for file in files if file.is_file())
