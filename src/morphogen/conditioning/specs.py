"""What a data set can condition on: `Dataset.conditions` maps names to these, and a system's page names them.

    def ddpm(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Model

The page takes labels if the data have them. A parameter without a default is required.
"""

__all__ = ["Classes", "Sketches"]

import torch
from jaxtyping import Int
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import ConditionSpec
from morphogen.numerics.trees import Tree


class Classes(ConditionSpec):
    """Class labels, int64 [B]. No paper: the labels of the data.

    Arguments:
        names: of the classes, in the order of the labels; or their number: "0", "1", ...

        >>> len(Classes(10)), Classes(("cat", "dog")).parse("dog"), Classes(("cat", "dog")).parse("index:0")
        (10, tensor(1), tensor(0))
    """

    plural, optional = "labels", True

    def __init__(self, names: tuple[str, ...] | int):
        self.names = tuple(map(str, range(names))) if isinstance(names, int) else tuple(map(str, names))

    def __len__(self) -> int:
        return len(self.names)

    def parse(self, text: str) -> Int[Tensor, ""]:
        """The label of a class given by name or number; `index:7` is class 7 even if another is named "7".

        Errors: ConfigError that lists the names.
        """
        prefix, _, number = text.partition(":")
        number = number if prefix == "index" and text not in self.names else text
        if number in self.names and number == text:
            return torch.tensor(self.names.index(text))
        if number.isdecimal() and int(number) < len(self.names):
            return torch.tensor(int(number))
        raise ConfigError(
            f"no class {text!r}; the classes are {', '.join(self.names)} (index:0 to index:{len(self) - 1})"
        )


class Sketches(ConditionSpec):
    """Edge maps of the pictures, float [B, 1, H, W] in [0, 1] (Sobel & Feldman 1968)."""

    plural, remedy = "sketches", "add --condition sketch"

    def parse(self, text: str) -> Tree:
        """Errors: ConfigError, because a sketch is a picture."""
        raise ConfigError(f"{text!r} is no sketch: give a picture of edges with --sketch FILE")
