"""Text as bytes: int64 ids 0 .. 255, one a UTF-8 byte, so that bits per dim are bits per byte whatever the language."""

__all__ = ["Bytes"]

from typing import Any

from jaxtyping import Int
from torch import Tensor

from morphogen.contract import Encoded, Representation
from morphogen.numerics.randomness import Rng


class Bytes(Representation):
    """Blocks of `length` bytes.

    Arguments:
        length: bytes of one block (the context of a language model).
    """

    discrete = True
    medium_discrete = True
    vocabulary = 256

    def __init__(self, length: int):
        super().__init__()
        self.length, self.shape = length, (length,)

    def encode(self, medium: Int[Tensor, "b t"], rng: Rng) -> Encoded:
        dims = medium.new_full((len(medium),), medium.shape[1]).float()
        return Encoded(medium, dims * 0, dims)

    def decode(self, x: Int[Tensor, "b t"]) -> Int[Tensor, "b t"]:
        return x

    def present(self, medium: Int[Tensor, "b t"]) -> list[Any]:
        """Strings; bytes that are no UTF-8 show as the replacement character."""
        return [bytes(row).decode("utf8", errors="replace") for row in medium.tolist()]
