r"""Train, valid and test as a pure function of the content.

    u(x) = blake2b(x) / 2^64 in [0, 1):     train u < 0.75,   valid u < 0.85,   test the rest

No seed, no order, no file name enters: shuffling or renaming changes nothing, two identical examples never stand on both
sides, and adding examples moves none that is there (but in sets of a few examples, where no part may be empty).
"""

__all__ = ["Split", "hash_text", "split"]

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from morphogen.data.dataset import DataError

SHARES = (0.75, 0.85)


@dataclass(frozen=True)
class Split:
    """Indices into the contents, each part in the order of the hashes (not of the files), and the split's sha256."""

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
    """Put each example where its content says; each part gets at least one distinct content.

    Errors: `DataError` with fewer than three distinct contents.
    """
    hashes = [hash_text(content) for content in contents]
    distinct = sorted(set(hashes))
    if len(distinct) < 3:
        raise DataError(f"{len(contents)} examples, {len(distinct)} distinct: too few to learn, choose and test on; give at least 3")
    bounds = [sum(int(h, 16) < share * 2**64 for h in distinct) for share in SHARES]
    train_end = min(max(bounds[0], 1), len(distinct) - 2)
    valid_end = min(max(bounds[1], train_end + 1), len(distinct) - 1)
    part_of = {h: 0 if i < train_end else 1 if i < valid_end else 2 for i, h in enumerate(distinct)}
    order = sorted(range(len(contents)), key=hashes.__getitem__)
    train, valid, test = ([i for i in order if part_of[hashes[i]] == part] for part in range(3))
    record = "\n".join(f"{part_of[hashes[i]]} {hashes[i]}" for i in order)
    return Split(train, valid, test, hashlib.sha256(record.encode()).hexdigest())


def hash_text(content: bytes) -> str:
    """64 bits of blake2b, as 16 hexadecimal digits: their order is the numbers' order."""
    return hashlib.blake2b(content, digest_size=8).hexdigest()
