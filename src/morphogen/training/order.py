"""The data order: the rows of each step, a pure function of (seed, step).

Epoch e is a permutation of the n examples, the order of n keyed 62-bit numbers. The epochs are concatenated,
and step s takes positions s B .. s B + B - 1 of the endless sequence. Every example is seen once per epoch,
every step has exactly B rows, and a batch may span two epochs. A resumed training therefore stores no state
of its data. B = n (or 0, or more) is the whole data set at every step.
"""

__all__ = ["DataOrder"]

import torch
from jaxtyping import Int
from torch import Tensor

from morphogen.numerics.randomness import Rng


class DataOrder:
    """`order[step]` is the rows of that step, int64 [batch].

    Arguments:
        examples: size of the data set.
        batch: rows per step; 0, or more than there are: all of them.
        seed: of the training.
    """

    def __init__(self, examples: int, batch: int, seed: int):
        self.examples, self.seed = examples, seed
        self.batch = batch if 0 < batch < examples else examples
        self._permutations: dict[int, Tensor] = {}  # by epoch, for the last step: at most two if B < n

    def __getitem__(self, step: int) -> Int[Tensor, " b"]:
        if self.batch == self.examples:
            return torch.arange(self.examples)
        first = step * self.batch
        epochs = range(first // self.examples, (first + self.batch - 1) // self.examples + 1)
        cached = self._permutations
        self._permutations = {e: cached[e] if e in cached else self._permutation(e) for e in epochs}
        permutations = list(self._permutations.values())
        sequence = permutations[0] if len(permutations) == 1 else torch.cat(permutations)
        start = first - epochs[0] * self.examples
        return sequence[start : start + self.batch]

    def _permutation(self, epoch: int) -> Tensor:
        high, low = Rng(self.seed, self.examples, ("order", epoch)).bits(2).unbind(1)
        return torch.argsort((high << 30) | (low >> 2), stable=True)
