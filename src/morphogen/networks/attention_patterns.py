r"""Sparse attention to the earlier places of a grid in raster order: a row, a column, or a neighbourhood.

    RowPattern             the last w + 1 places: the row up to this place, and the end of that above
    ColumnPattern          the same column in this row and all above
    NeighbourhoodPattern   the k x k places around this one, of those before it

Each place sees itself. Columns wrap around the sides as the raster order does, so that a neighbourhood is a
set of distances in that order. A pattern is a mask of dense attention: it has the function of a sparse layer,
not its cost.

References: Generating long sequences with sparse transformers, Child, Gray, Radford & Sutskever, 2019;
Zero-shot text-to-image generation (DALL-E), Ramesh et al., 2021, appendix B.1 and figure 11.
"""

__all__ = ["AttentionPattern", "ColumnPattern", "NeighbourhoodPattern", "RowPattern"]

from abc import ABC, abstractmethod

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from morphogen.component import Component, ConfigError


class AttentionPattern(Component, ABC):
    """Base class of sparse patterns: which earlier places of a grid each of its places sees."""

    def visible(self, height: int, width: int) -> Bool[Tensor, "n n"]:
        """True where place i, in raster order, sees place j <= i."""
        place = torch.arange(height * width)
        back = place[:, None] - place
        return (back >= 0) & self.sees(back, width)

    @abstractmethod
    def sees(self, back: Int[Tensor, "n n"], width: int) -> Bool[Tensor, "n n"]:
        """Whether a place sees the one `back` places before it, in a grid of this width."""


class RowPattern(AttentionPattern):
    """The last width + 1 places, up to the one in the row above (Ramesh et al. 2021, figure 11a)."""

    def sees(self, back: Int[Tensor, "n n"], width: int) -> Bool[Tensor, "n n"]:
        return back <= width


class ColumnPattern(AttentionPattern):
    """The places of the same column (Ramesh et al. 2021, figure 11b)."""

    def sees(self, back: Int[Tensor, "n n"], width: int) -> Bool[Tensor, "n n"]:
        return back % width == 0


class NeighbourhoodPattern(AttentionPattern):
    """The places of a k x k square around this one (Ramesh et al. 2021, figure 11d).

    Arguments:
        kernel: k, odd; 11 in the paper.

    Raises ConfigError for another k.
    """

    def __init__(self, kernel: int):
        if kernel < 1 or kernel % 2 == 0:
            raise ConfigError(f"NeighbourhoodPattern: kernel={kernel} must be odd: give 11, for example")
        self.kernel = kernel

    def sees(self, back: Int[Tensor, "n n"], width: int) -> Bool[Tensor, "n n"]:
        reach = self.kernel // 2
        rows, columns = torch.arange(reach + 1), torch.arange(-reach, reach + 1)
        return torch.isin(back, rows[:, None] * width + columns)
