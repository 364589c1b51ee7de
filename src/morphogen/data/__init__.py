"""Where examples come from: `load("digits")`, or "photos/", "voices/", "book.txt", "sales.csv", "hf:owner/name" -> `Dataset`."""

__all__ = ["DataError", "Dataset", "Examples", "NAMED", "Pictures", "Rows", "Sounds", "Windows", "WithMels", "check_resolution", "load"]

from pathlib import Path

from morphogen.data.dataset import DataError, Dataset, Examples, Pictures, Windows
from morphogen.data.hub import load_hub
from morphogen.data.named import NAMED, nearest
from morphogen.data.pictures import check_resolution, load_folder, size_of
from morphogen.data.sound import LENGTH, Sounds, WithMels, holds_sounds, load_sounds
from morphogen.data.table import SUFFIXES, Rows, load_table
from morphogen.data.text import load_text

BYTES = 64  # of one window of text


def load(name_or_path: str, resolution: int | None = None, length: int | None = None, condition: str | None = None) -> Dataset:
    """The data set of that name, or what lies at that path.

    Arguments:
        name_or_path: a name that `morphogen data` lists (`NAMED`), a folder of pictures or of sounds (one sub-folder a class, or
            flat), a text file, a table (.csv, .tsv, .parquet), or "hf:owner/name[:config]", "hf:FOLDER" for what `datasets` reads.
        resolution: side of the square pictures of a folder or of the hub, in pixels; None: theirs if all agree and are small, else 32.
        length: bytes of one window of text (None: 64), samples of one of sound (None: 8192).
        condition: the column of a table whose values are the classes; None: no classes.

    Errors: `DataError`, one line with the value and the remedy.
    """
    of_text, of_sound = (BYTES, LENGTH) if length is None else (length, length)
    if condition is not None and Path(name_or_path).suffix.lower() not in SUFFIXES:
        raise DataError(f"condition {condition!r}: {name_or_path!r} is no table (.csv, .tsv, .parquet); sub-folders are classes without it")
    if name_or_path in NAMED:
        return NAMED[name_or_path].load()
    if name_or_path.startswith("hf:"):
        return load_hub(name_or_path.removeprefix("hf:"), resolution, of_text)
    path = Path(name_or_path).expanduser()
    try:
        if name_or_path and path.is_dir():  # Path("") would be the working directory
            return load_sounds(path, of_sound) if holds_sounds(path) else load_folder(path, resolution)
        if path.is_file():
            if size_of(path):
                raise DataError(f"{path}: is one picture; give the folder that holds many like it")
            if path.suffix.lower() in SUFFIXES:
                return load_table(path, condition)
            return load_text(path, of_text)
    except OSError as error:
        raise DataError(f"{error.filename or path}: {error.strerror or error}; check the path and its permissions") from None
    raise DataError(f"data {name_or_path!r}: no such data set, folder or file; {_suggest(name_or_path, path)}")


def _suggest(given: str, path: Path) -> str:
    """What the person may have meant: a known name, or a neighbour of the path that is not there."""
    beside = [str(path.with_name(found.name)) for found in path.parent.iterdir()] if given and path.parent.is_dir() else []
    near = nearest(given, beside)
    meant = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    return f"{meant}name {', '.join(map(repr, NAMED))}, a folder of pictures or of sounds, a text file or a table (.csv)"
