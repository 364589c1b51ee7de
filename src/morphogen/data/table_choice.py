"""Columns that a user chooses by name: those to be left out, and the one with the classes."""

__all__ = ["MOST_CLASSES", "check_condition", "numbered_classes", "without"]

from typing import TYPE_CHECKING

from morphogen.caller import option
from morphogen.data.columns import Numbers, Reading
from morphogen.data.dataset import DataError
from morphogen.similar_names import did_you_mean, list_names

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_CLASSES = 256  # values of a condition
FEW_NUMBERS = 20  # classes that are numbers, beyond which they are rather amounts than names


def without(where: str, frame: "DataFrame", drop: str | None) -> "DataFrame":
    """The table without some columns.

    Arguments:
        where: what an error names.
        frame: the table.
        drop: name of a column, or several separated by commas; None: all columns are kept.

    Errors: DataError for an unknown name.
    """
    if drop is None:
        return frame
    names = [drop] if drop in frame else [name.strip() for name in drop.split(",")]
    for name in names:
        if name not in frame:
            listed = _listed(name, list(map(str, frame)))
            raise DataError(f"{where}: table option drop={drop}: no column is named {name!r}; {listed}")
    return frame.drop(columns=names)


def check_condition(where: str, frame: "DataFrame", condition: str | None) -> None:
    """Errors: DataError with the columns that can hold the classes, if the condition is not a column."""
    if condition is None or condition in frame:
        return
    possible = [name for name in map(str, frame) if 1 < frame[name].astype(str).nunique() <= MOST_CLASSES]
    raise DataError(f"{where}: no column is named {condition!r}; {_listed(condition, possible)}")


def numbered_classes(label: Reading | None) -> list[str]:
    """A note on classes that are the numbers of an amount, such as a weight, rather than names."""
    if not isinstance(label, Numbers) or (count := len(label.classes()[0])) <= FEW_NUMBERS:
        return []
    return [
        f"column {label.name!r}: each of its {count} numbers is a class of its own, "
        f"{len(label.cells) / count:.2g} rows on average, without order; choose a column of few values, "
        f"or leave {option('condition')} out to model the numbers"
    ]


def _listed(name: str, names: list[str]) -> str:
    """The names that are similar, in any case, and all of them."""
    return f"{did_you_mean(name, names)}choose one of {list_names(names)}"
