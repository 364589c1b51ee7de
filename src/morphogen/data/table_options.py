"""Options for what a table leaves open: --table decimal=, or load_data(..., table={"decimal": ","})."""

__all__ = ["TableOptions"]

from collections.abc import Callable, Mapping
from typing import NamedTuple, Self

from morphogen.data.dataset import DataError

CHOICES = {
    "decimal": (".", ","),
    "header": ("yes", "no"),
    "dates": ("day-first", "month-first", "numbers"),
    "missing": ("usual", "empty"),
    "separator": (",", ";", "tab", "|", "space"),
    "encoding": ("utf-8", "cp1252", "cp1250", "cp1251", "cp932", "or another one of Python's"),
    "sheet": ("NAME",),
    "drop": ("COLUMN", "or", "COLUMN,COLUMN"),
}
SEPARATORS = {"tab": "\t", "\\t": "\t", "space": r"\s+", " ": r"\s+"}


class TableOptions(NamedTuple):
    """How a table is written; None: inferred from the table, with a note where it is ambiguous.

    Arguments:
        decimal: decimal mark of numbers in text, "." or ",".
        header: "yes" or "no", whether the first row of a CSV file has the names of the columns.
        dates: "day-first" or "month-first", the order in dates such as 01/02/2024; or "numbers", which reads
            those that are written as numbers, such as 20240319, as numbers.
        missing: "usual", what pandas reads as missing (NA, null, ...), or "empty", empty cells only; others
            are words that are missing besides, separated by commas.
        separator: of the cells of a CSV file: one character, "tab", or "space" for any white space.
        encoding: of a CSV file, such as "cp1252".
        sheet: of a workbook, by name; None: the first one with a table.
        drop: name of a column to leave out, or several separated by commas.
    """

    decimal: str | None = None
    header: str | None = None
    dates: str | None = None
    missing: str | None = None
    separator: str | None = None
    encoding: str | None = None
    sheet: str | None = None
    drop: str | None = None

    @classmethod
    def of(cls, written: Mapping[str, str] | None) -> Self:
        """The options by name. Errors: DataError for an unknown name or value."""
        for name, value in (written or {}).items():
            if name not in CHOICES:
                raise DataError(f"table option {name}={value}: unknown; choose from {', '.join(CHOICES)}")
            if value not in CHOICES[name] and not (name in OTHERS and OTHERS[name](value)):
                raise DataError(f"table option {name}={value}: choose from {' '.join(CHOICES[name])}")
        options = dict(written or {})
        if "separator" in options:
            options["separator"] = SEPARATORS.get(options["separator"], options["separator"])
        return cls(**options)


def _is_separator(value: str) -> bool:
    return value in SEPARATORS or (len(value) == 1 and value not in '"\r\n')


def _is_encoding(value: str) -> bool:
    """Whether Python decodes text with it."""
    try:
        b" ".decode(value)
    except UnicodeDecodeError:
        return True  # one of more bytes per character
    except (LookupError, ValueError):
        return False
    return True


# values besides the usual ones
OTHERS: dict[str, Callable[[str], bool]] = {
    "missing": bool,
    "separator": _is_separator,
    "encoding": _is_encoding,
    "sheet": bool,
    "drop": bool,
}
