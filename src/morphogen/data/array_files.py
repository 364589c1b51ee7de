"""Files of NumPy arrays, .npy and .npz, as the arrays in memory that they hold.

    x.npy                                       values
    X, y                                        values and labels, also `images` and `labels`, ...
    x_train, y_train, x_test, y_test            parts of one's own split, as Keras and MedMNIST have them
    one array                                   values, whatever its name is

Pickled objects in them are not read.
"""

__all__ = ["Arrays", "check_no_arrays", "read_arrays"]

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from morphogen.data.dataset import DataError
from morphogen.data.held import ARRAYS, file_at, listed_files
from morphogen.data.splits import Part

VALUES = {
    *("x", "data", "image", "images", "img", "imgs", "features", "inputs", "arr", "values"),
    *("audio", "sounds", "waves", "samples"),
}
LABELS = {"y", "label", "labels", "target", "targets", "class", "classes"}
PARTS: Mapping[str, Part] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "val", "validation", "dev"), "valid"),
    "test": "test",
}


class Arrays(NamedTuple):
    """The arrays of a file, as arguments of `load_data`: data and, by name, labels, valid and test."""

    data: Any
    beside: Mapping[str, Any]

    def with_given(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What is beside the data: as given, else as the file has it."""
        return {name: self.beside.get(name) if value is None else value for name, value in given.items()}


def read_arrays(given: Any) -> Arrays | None:
    """The arrays of a file; None for anything else than the path of one. Errors: DataError."""
    path = Path(given).expanduser() if isinstance(given, str | Path) else Path()
    if path.suffix.lower() not in ARRAYS or not path.is_file():
        return None
    return _arranged(path, {name: array for name, array in _loaded(path).items() if array.ndim})


def check_no_arrays(values: Any) -> None:
    """Errors: DataError for a list of files of arrays, which are examples or blocks of them."""
    files = listed_files(values)
    if not files or any(file.suffix.lower() not in ARRAYS for file in files):
        return
    name = "" if files[0].suffix.lower() == ARRAYS[0] else f"[{next(iter(_loaded(file_at(files[0]))))!r}]"
    arrays = f"[np.load(f){name} for f in files]"
    raise DataError(
        f"{file_at(files[0])} and the others are files of arrays: if each is an example, give "
        f"mg.load_data({arrays}), if each has several, mg.load_data(np.concatenate({arrays}))"
    )


def _loaded(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file by name; that of an .npy file is x. Errors: DataError."""
    try:
        loaded = np.load(path, allow_pickle=False)
        return {"x": loaded} if isinstance(loaded, np.ndarray) else {name: loaded[name] for name in loaded}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, NotImplementedError) as error:
        why = "holds Python objects" if "allow_pickle" in str(error) else "is not a readable file of arrays"
        raise DataError(f"{path}: {why}; save numbers with np.save or np.savez") from None


def _arranged(path: Path, arrays: Mapping[str, np.ndarray]) -> Arrays:
    """Values and labels of each part, by the names of the arrays. Errors: DataError for other names."""
    if len(arrays) == 1:
        return Arrays(next(iter(arrays.values())), {})
    found = {_role(name): array for name, array in arrays.items()}
    parts: dict[Part, Any] = {part: found[part, "values"] for part, role in found if role == "values"}
    if "train" not in parts or len(found) < len(arrays) or any(role == "" for _, role in found):
        listed = ", ".join(f"{name} {list(array.shape)}" for name, array in arrays.items()) or "no arrays"
        example = next(iter(arrays), "X")
        raise DataError(
            f"{path}: it holds {listed}: name them X and y, or x_train, y_train, x_test and y_test, or give "
            f"one, mg.load_data(np.load({path.name!r})[{example!r}])"
        )
    own: dict[str, Any] = {
        part: (values, found[part, "labels"]) if (part, "labels") in found else values
        for part, values in parts.items()
        if part != "train"
    }
    labels = {"labels": found["train", "labels"]} if ("train", "labels") in found else {}
    return Arrays(parts["train"], {**labels, **own})


def _role(name: str) -> tuple[Part, str]:
    """The part that an array is of, and whether it holds "values" or "labels"; "": neither is known."""
    words = [word for word in re.split(r"[\W_\d]+", name.lower()) if word]
    part: Part = next((PARTS[word] for word in words if word in PARTS), "train")
    rest = {word for word in words if word not in PARTS}
    return part, "labels" if rest and rest <= LABELS else "values" if rest and rest <= VALUES else ""
