"""Which examples a step sees: a pure function of (seed, step), so that a resumed training needs no memory of its data.

Epoch e is a permutation of the n examples, the order of n keyed 62-bit numbers; the epochs follow one another without a gap,
and step s takes places s B .. s B + B - 1 of that endless row. Each example is thus seen once an epoch, every step has
exactly B rows, and a batch may end one epoch and begin the next. B = n (or 0, or more) is the whole data set, every step.
"""

__all__ = ["Order"]

import torch
from jaxtyping import Int
from torch import Tensor

from morphogen.numerics.randomness import Rng


class Order:
    """`order[step]` is the rows of that step, int64 [batch].

    Arguments:
        examples: how many there are.
        batch: rows of one step; 0, or more than there are: all of them.
        seed: of the training.
    """

    def __init__(self, examples: int, batch: int, seed: int):
        self.examples, self.seed = examples, seed
        self.batch = batch if 0 < batch < examples else examples
        self._known: dict[int, Tensor] = {}  # the epochs of the last step: at most two for B < n

    def __getitem__(self, step: int) -> Int[Tensor, " b"]:
        if self.batch == self.examples:
            return torch.arange(self.examples)
        first = step * self.batch
        epochs = range(first // self.examples, (first + self.batch - 1) // self.examples + 1)
        self._known = {e: self._known[e] if e in self._known else self._permutation(e) for e in epochs}
        row = torch.cat(list(self._known.values()))
        start = first - epochs[0] * self.examples
        return row[start : start + self.batch]

    def _permutation(self, epoch: int) -> Tensor:
        high, low = Rng(self.seed, self.examples, ("order", epoch)).bits(2).unbind(1)
        return torch.argsort((high << 30) | (low >> 2), stable=True)
