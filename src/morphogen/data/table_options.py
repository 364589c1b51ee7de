"""Options for what a table leaves open: --table decimal=, or load_data(..., table={"decimal": ","})."""

__all__ = ["TableOptions"]

from collections.abc import Mapping
from typing import NamedTuple, Self

from morphogen.data.dataset import DataError

CHOICES = {
    "decimal": (".", ","),
    "header": ("yes", "no"),
    "dates": ("day-first", "month-first"),
    "missing": ("usual", "empty"),
    "separator": (",", ";", "tab", "|", "space"),
}
SEPARATORS = {"tab": "\t", "\\t": "\t", "space": r"\s+", " ": r"\s+"}


class TableOptions(NamedTuple):
    """How a table is written; None: inferred from the table, with a note where it is ambiguous.

    Arguments:
        decimal: decimal mark of numbers in text, "." or ",".
        header: "yes" or "no", whether the first row of a CSV file has the names of the columns.
        dates: "day-first" or "month-first", the order in dates such as 01/02/2024.
        missing: "usual", what pandas reads as missing (NA, null, ...), or "empty", empty cells only.
        separator: of the cells of a CSV file: one character, "tab", or "space" for any white space.
    """

    decimal: str | None = None
    header: str | None = None
    dates: str | None = None
    missing: str | None = None
    separator: str | None = None

    @classmethod
    def of(cls, written: Mapping[str, str] | None) -> Self:
        """The options by name. Errors: DataError for an unknown name or value."""
        for name, value in (written or {}).items():
            if name not in CHOICES:
                raise DataError(f"table option {name}={value}: unknown; choose from {', '.join(CHOICES)}")
            one_character = name == "separator" and (value in SEPARATORS or len(value) == 1)
            if value not in CHOICES[name] and not (one_character and value not in '"\r\n'):
                raise DataError(f"table option {name}={value}: choose from {' '.join(CHOICES[name])}")
        options = dict(written or {})
        if "separator" in options:
            options["separator"] = SEPARATORS.get(options["separator"], options["separator"])
        return cls(**options)
