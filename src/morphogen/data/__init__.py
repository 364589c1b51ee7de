"""Where examples come from: `load("digits")`, `load("photos/")`, `load("book.txt")` -> `Dataset`."""

__all__ = ["DataError", "Dataset", "Examples", "Pictures", "Windows", "load"]

from pathlib import Path

from morphogen.data.dataset import DataError, Dataset, Examples, Pictures, Windows
from morphogen.data.digits import load_digits
from morphogen.data.mnist import load_fashion_mnist, load_mnist_5k
from morphogen.data.pictures import load_folder
from morphogen.data.text import load_text

NAMED = {"digits": load_digits, "mnist-5k": load_mnist_5k, "fashion-mnist": load_fashion_mnist}


def load(name_or_path: str, resolution: int | None = None, length: int = 64) -> Dataset:
    """The data set of that name, or the folder of pictures or text file at that path.

    Arguments:
        name_or_path: "digits", a folder (one sub-folder a class, or flat) or a text file.
        resolution: side of the square pictures of a folder, in pixels; None: theirs if all agree and are small, else 32.
        length: bytes of one window of text.

    Errors: `DataError`, one line with the value and the remedy.
    """
    path = Path(name_or_path).expanduser()
    if name_or_path in NAMED:
        return NAMED[name_or_path]()
    if name_or_path and path.is_dir():  # Path("") would be the working directory
        return load_folder(path, resolution)
    if path.is_file():
        return load_text(path, length)
    raise DataError(f"data {name_or_path!r}: no such data set, folder or file; name 'digits', a folder of pictures or a text file")
