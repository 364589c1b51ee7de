r"""Train, valid and test parts as a pure function of the content.

    u(x) = blake2b(x) / 2^64 in [0, 1):     train if u < 0.75,   valid if u < 0.85,   else test

The split depends on no seed, order or file name: shuffling or renaming the examples does not change it,
identical examples are always in the same part, and new examples do not move existing ones (except in sets of
a few examples, where each part gets at least one).
"""

__all__ = ["Split", "content_hash", "split"]

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from morphogen.data.dataset import DataError

BOUNDS = (0.75, 0.85)


@dataclass(frozen=True)
class Split:
    """Indices of the examples of each part, in the order of their hashes; sha256 of the assignment."""

    train: list[int]
    valid: list[int]
    test: list[int]
    sha256: str

    @property
    def line(self) -> str:
        """How the parts were made, for a report."""
        sizes = f"{len(self.train)} train, {len(self.valid)} valid, {len(self.test)} test"
        return f"{sizes}, by the hash of each example's content (75/10/15 %), sha256 {self.sha256}"


def split(contents: Sequence[bytes]) -> Split:
    """Assign each example by its content; each part gets at least one distinct example.

    Errors: `DataError` for fewer than three distinct examples.
    """
    hashes = [content_hash(content) for content in contents]
    distinct = sorted(set(hashes))
    if len(distinct) < 3:
        raise DataError(
            f"{len(contents)} examples, {len(distinct)} distinct, cannot be split into "
            "train, valid and test; give at least 3 distinct ones"
        )
    bounds = [sum(int(h, 16) < bound * 2**64 for h in distinct) for bound in BOUNDS]
    train_end = min(max(bounds[0], 1), len(distinct) - 2)
    valid_end = min(max(bounds[1], train_end + 1), len(distinct) - 1)
    part_of = {h: 0 if i < train_end else 1 if i < valid_end else 2 for i, h in enumerate(distinct)}
    order = sorted(range(len(contents)), key=hashes.__getitem__)
    train, valid, test = ([i for i in order if part_of[hashes[i]] == part] for part in range(3))
    record = "\n".join(f"{part_of[hashes[i]]} {hashes[i]}" for i in order)
    return Split(train, valid, test, hashlib.sha256(record.encode()).hexdigest())


def content_hash(content: bytes) -> str:
    """64-bit blake2b hash as 16 hexadecimal digits, so that string order equals numerical order."""
    return hashlib.blake2b(content, digest_size=8).hexdigest()
