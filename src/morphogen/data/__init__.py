"""Where examples come from: `load("digits")`, or "photos/", "voices/", "book.txt", "sales.csv", "hf:owner/name" -> `Dataset`."""

__all__ = [
    "DataError", "Dataset", "Examples", "NAMED", "Pairs", "Pictures", "Rows", "Sounds", "Windows", "WithMels", "WithSketches",
    "check_resolution", "load",
]  # fmt: skip

from pathlib import Path

from morphogen.data.dataset import DataError, Dataset, Examples, Pictures, Windows
from morphogen.data.hub import load_hub
from morphogen.data.named import NAMED, nearest
from morphogen.data.pairs import PairCorpus, Pairs
from morphogen.data.pictures import check_resolution, load_folder, size_of
from morphogen.data.sketches import SKETCH, WithSketches, with_sketches
from morphogen.data.sound import LENGTH, Sounds, WithMels, holds_sounds, load_sounds
from morphogen.data.table import SUFFIXES, Rows, load_table
from morphogen.data.text import Corpus, holds_texts, joined, load_text, load_texts
from morphogen.representations.text import Text


def load(
    name_or_path: str, resolution: int | None = None, length: int | None = None, condition: str | None = None,
    tokens: str | Text | None = None,
) -> Dataset:  # fmt: skip
    """The data set of that name, or what lies at that path.

    Arguments:
        name_or_path: a name that `morphogen data` lists (`NAMED`), or several of texts ("kjv+shakespeare"); a folder of pictures or
            of sounds (one sub-folder a class, or flat) or of texts, a text file, a table (.csv, .tsv, .parquet), or
            "hf:owner/name[:config]", "hf:FOLDER" for what the package `datasets` reads.
        resolution: side of the square pictures of a folder or of the hub, in pixels; None: theirs if all agree and are small, else 32.
        length: symbols of one window of text (None: 64), samples of one of sound (None: 8192).
        condition: the column of a table whose values are the classes; None: no classes. "sketch": the edges of each picture.
        tokens: what the symbols of a text are: "bytes", "characters", "bpe:1000", "unigram:1000", or a representation, as that of a
            trained model; None: bytes, or of pairs of texts pieces.

    Errors: `DataError`, one line with the value and the remedy.
    """
    table = Path(name_or_path).suffix.lower() in SUFFIXES
    if not table and condition not in (None, SKETCH):
        raise DataError(f"condition {condition!r}: {name_or_path!r} is no table (.csv, .tsv, .parquet); sub-folders are classes without it")
    found = _found(name_or_path, resolution, length, condition)
    if not table and condition == SKETCH:
        return with_sketches(found)
    if isinstance(found, Corpus | PairCorpus):
        return found.windows(tokens, length)
    if tokens is not None:
        raise DataError(f"tokens {tokens!r}: {name_or_path!r} is no text, and has no symbols to choose; leave it out")
    return found


def _found(name_or_path: str, resolution: int | None, length: int | None, condition: str | None) -> Dataset | Corpus | PairCorpus:
    """Data, or a text before it is symbols."""
    names = name_or_path.split("+")
    if all(name in NAMED for name in names):
        return NAMED[name_or_path].load() if len(names) == 1 else joined(name_or_path, [NAMED[name].load() for name in names])
    if name_or_path.startswith("hf:"):
        return load_hub(name_or_path.removeprefix("hf:"), resolution, length)
    path = Path(name_or_path).expanduser()
    try:
        if name_or_path and path.is_dir():  # Path("") would be the working directory
            return _folder(path, resolution, length)
        if path.is_file():
            if size_of(path):
                raise DataError(f"{path}: is one picture; give the folder that holds many like it")
            if path.suffix.lower() in SUFFIXES:
                return load_table(path, condition)
            return load_text(path, length)
    except OSError as error:
        raise DataError(f"{error.filename or path}: {error.strerror or error}; check the path and its permissions") from None
    raise DataError(f"data {name_or_path!r}: no such data set, folder or file; {_suggest(name_or_path, path)}")


def _folder(path: Path, resolution: int | None, length: int | None) -> Dataset | Corpus:
    """A folder of whatever most of it is."""
    if holds_sounds(path):
        return load_sounds(path, LENGTH if length is None else length)
    return load_texts(path) if holds_texts(path) else load_folder(path, resolution)


def _suggest(given: str, path: Path) -> str:
    """What the person may have meant: a known name, or a neighbour of the path that is not there."""
    beside = [str(path.with_name(found.name)) for found in path.parent.iterdir()] if given and path.parent.is_dir() else []
    near = nearest(given, beside)
    meant = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    return f"{meant}name {', '.join(map(repr, NAMED))}, a folder of pictures, texts or sounds, a text file or a table (.csv)"
