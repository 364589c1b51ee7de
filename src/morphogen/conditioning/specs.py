"""What a data set can condition on: `Dataset.conditions` maps names to these, and a system's page names them.

    def ddpm(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Model

The page takes labels if the data have them. A parameter without a default is required.
"""

__all__ = ["Classes", "Sketches"]

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from unicodedata import normalize

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from morphogen.caller import option
from morphogen.component import ConfigError
from morphogen.contract import ConditionSpec
from morphogen.numerics.trees import Tree
from morphogen.similar_names import SHOWN, did_you_mean

NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?")
PLACE = re.compile(r"[0-9]{1,9}")


class Classes(ConditionSpec):
    """Class labels, int64 [B]. No paper: the labels of the data.

    The name is the identity of a class: names are compared in Unicode's composed form (NFC), and a number is
    the class of that name, in any container. A place among the classes is written `index:1`. What morphogen
    hands out, {"label": tensor} of a batch or of samples, holds places.

    Arguments:
        names: of the classes, in the order of the labels; or their number: "0", "1", ...
        weights: in whose proportion labels are drawn where none are given; (): equally often.

        >>> len(Classes(10)), Classes(("cat", "dog")).parse("dog"), Classes(("cat", "dog")).parse("index:0")
        (10, tensor(1), tensor(0))
        >>> Classes(("01", "02", "03")).parse("1")
        tensor(0)
    """

    plural, optional = "labels", True

    def __init__(self, names: tuple[str, ...] | int, weights: tuple[float, ...] = ()):
        if isinstance(names, str):
            raise ConfigError(f"Classes: names {names!r} are one text: give a list of names, or their number")
        given = map(str, range(names) if isinstance(names, int) else names)
        self.names, self.weights = tuple(normalize("NFC", name) for name in given), tuple(weights)

    def __len__(self) -> int:
        return len(self.names)

    def parse(self, text: str) -> Int[Tensor, ""]:
        """The label of a class: its name, a number that equals its name, or `index:7` for a place.

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
        if PLACE.fullmatch(name) and int(name) < len(self):
            place = int(name)
            raise ConfigError(f"no class {text!r}; {known}: write 'index:{place}' for {self.names[place]!r}")
        near = "" if _number(name) is not None else did_you_mean(name, self.names)  # 12 is not a slip for 1
        raise ConfigError(f"no class {text!r}; {near}{known}")

    def read(self, given: Any) -> Any:
        """Names, one or one per row, as labels; numbers are names, and so are booleans.

        Errors: ConfigError for what names no class, and for a tensor whose numbers are the names of some
        classes and the places of others.
        """
        if isinstance(given, Mapping):
            return given
        if isinstance(given, Tensor):
            self._check_places(given)
            return given.long() if given.is_floating_point() and not (given % 1).any() else given
        plain = [_plain(row) for row in given] if isinstance(given, list | tuple) else _plain(given)
        values = np.asarray(plain, dtype=object)
        values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
        if not values.size:
            return given
        labels = [int(self.parse(_name(value))) for value in values.flat]
        return torch.tensor(labels).reshape(values.shape)

    def _check_places(self, labels: Tensor) -> None:
        """Errors: ConfigError for labels of which nothing says whether they are names or places."""
        if any(_number(name) != place for place, name in enumerate(self.names)):
            raise ConfigError(
                f"a tensor of labels, where the classes are {self._listed}: give a list of names, or "
                '{"label": tensor} for places, as batch.condition has them'
            )

    @property
    def _listed(self) -> str:
        return ", ".join(self.names[:SHOWN]) + (", ..." if len(self) > SHOWN else "")

    def _equal_to(self, text: str) -> list[int]:
        """The places that a text may mean which is not a name."""
        prefix, colon, place = text.partition(":")
        if colon and prefix == "index":
            return [int(place)] if PLACE.fullmatch(place) and int(place) < len(self) else []
        value = _number(text)
        return [i for i, name in enumerate(self.names) if value is not None and _number(name) == value]


class Sketches(ConditionSpec):
    """Edge maps of the pictures, float [B, 1, H, W] in [0, 1] (Sobel & Feldman 1968)."""

    plural, wanted = "sketches", ("condition", "sketch")
    channels = 1  # of the file of a sketch

    def parse(self, text: str) -> Tree:
        """Errors: ConfigError, because a sketch is a picture."""
        raise ConfigError(f"{text!r} is not a sketch: give a picture of edges, {option('sketch', 'FILE')}")

    def of_bytes(self, values: UInt8[Tensor, "1 h w"]) -> Float[Tensor, "1 h w"]:
        """A sketch from the values 0 .. 255 of a file."""
        return values / 255


def _number(text: str) -> Decimal | None:
    """The value of a number as people write it, with a decimal point or comma; None for other texts."""
    return Decimal(text.replace(",", ".")) if NUMBER.fullmatch(text) else None


def _plain(value: Any) -> Any:
    """An array, a column or a tensor as Python values."""
    return value.tolist() if hasattr(value, "tolist") else value


def _name(value: Any) -> str:
    """The name that a value stands for: 3 for 3.0, True for True, cat for the bytes b"cat"."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
