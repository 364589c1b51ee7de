"""What a data set can condition on: `Dataset.conditions` maps names to these, and a system's page names them.

    def ddpm(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Model

The page takes labels if the data have them. A parameter without a default is required.
"""

__all__ = ["Classes", "Sketches"]

import re
from collections.abc import Mapping
from decimal import Decimal
from difflib import get_close_matches
from typing import Any
from unicodedata import normalize

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import ConditionSpec
from morphogen.numerics.trees import Tree

SHOWN = 50  # names that an error lists
NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?")
PLACE = re.compile(r"[0-9]{1,9}")


class Classes(ConditionSpec):
    """Class labels, int64 [B]. No paper: the labels of the data.

    The name is the identity of a class: names are compared in Unicode's composed form (NFC), and where names
    are numbers, a number is a name. A place among the classes is written `index:1`.

    Arguments:
        names: of the classes, in the order of the labels; or their number: "0", "1", ...

        >>> len(Classes(10)), Classes(("cat", "dog")).parse("dog"), Classes(("cat", "dog")).parse("index:0")
        (10, tensor(1), tensor(0))
        >>> Classes(("01", "02", "03")).parse("1")
        tensor(0)
    """

    plural, optional = "labels", True

    def __init__(self, names: tuple[str, ...] | int):
        given = map(str, range(names) if isinstance(names, int) else names)
        self.names = tuple(normalize("NFC", name) for name in given)

    def __len__(self) -> int:
        return len(self.names)

    def parse(self, text: str) -> Int[Tensor, ""]:
        """The label of a class: its name, a number that equals its name, or `index:7` for a place.

        Without names that are numbers, a number is a place as well.

        Errors: ConfigError that lists the names, also for a number that equals several of them.
        """
        name = normalize("NFC", str(text))
        if name in self.names:
            return torch.tensor(self.names.index(name))
        found = self._equal_to(name)
        if len(found) == 1:
            return torch.tensor(found[0])
        known = f"the classes are {self._listed} (index:0 to index:{len(self) - 1})"
        if found:
            raise ConfigError(f"{text!r} can be {' or '.join(self.names[i] for i in found)}: {known}")
        near = " or ".join(map(repr, self._nearest(name)))
        raise ConfigError(f"no class {text!r}; {f'did you mean {near}? ' if near else ''}{known}")

    def read(self, given: Any) -> Any:
        """Names as labels; tensors are labels already. A number is a place, unless it is the name of a class.

        Errors: ConfigError for a number that is the name of one class and the place of another.
        """
        labels = super().read(given)
        if isinstance(labels, Mapping):
            return labels
        if isinstance(labels, Tensor):
            return labels.long() if labels.is_floating_point() and not (labels % 1).any() else labels
        values = np.asarray(labels)
        if values.dtype.kind == "f" and not (values % 1).any():
            labels = values = values.astype(np.int64)
        if not self._numbered or values.dtype.kind not in "iu":
            return labels
        return np.vectorize(self._place_of, otypes=[np.int64])(values)

    def _place_of(self, value: int) -> int:
        """The label that a number means. Errors: ConfigError if it can mean two, or none."""
        named = [i for i, name in enumerate(self.names) if _number(name) == value]
        is_place = 0 <= value < len(self)
        if len(named) == 1 and (not is_place or named == [value]):
            return named[0]
        remedies = [f"'{value}' for the name"] * bool(named) + [f"'index:{value}' for the place"] * is_place
        if not remedies:
            raise ConfigError(f"no class {value}; the classes are {self._listed}")
        what = "can be a name or a place" if len(remedies) > 1 else "is not the name of one class"
        raise ConfigError(
            f"{value} {what}, as the classes are {self._listed}: write {', '.join(remedies)}; "
            "labels of data are tensors"
        )

    @property
    def _numbered(self) -> bool:
        """Whether a name is a number."""
        return any(_number(name) is not None for name in self.names)

    @property
    def _listed(self) -> str:
        return ", ".join(self.names[:SHOWN]) + (", ..." if len(self) > SHOWN else "")

    def _nearest(self, text: str) -> list[str]:
        """Up to three similar names, in any case; none for a number: 12 is not a slip for 1."""
        if _number(text) is not None:
            return []
        near = get_close_matches(text.casefold(), {name.casefold() for name in self.names})
        return [name for name in self.names if name.casefold() in near][:3]

    def _equal_to(self, text: str) -> list[int]:
        """The places that a text may mean which is not a name."""
        prefix, colon, place = text.partition(":")
        value = _number(text)
        if colon and prefix == "index":
            return [int(place)] if PLACE.fullmatch(place) and int(place) < len(self) else []
        if self._numbered:
            return [i for i, name in enumerate(self.names) if value is not None and _number(name) == value]
        return [int(text)] if PLACE.fullmatch(text) and int(text) < len(self) else []


class Sketches(ConditionSpec):
    """Edge maps of the pictures, float [B, 1, H, W] in [0, 1] (Sobel & Feldman 1968)."""

    plural, remedy = "sketches", "add --condition sketch"

    def parse(self, text: str) -> Tree:
        """Errors: ConfigError, because a sketch is a picture."""
        raise ConfigError(f"{text!r} is no sketch: give a picture of edges with --sketch FILE")


def _number(text: str) -> Decimal | None:
    """The value of a number as people write it, with a decimal point or comma; None for other texts."""
    return Decimal(text.replace(",", ".")) if NUMBER.fullmatch(text) else None
