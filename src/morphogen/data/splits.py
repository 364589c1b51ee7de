r"""Train, valid and test parts as a pure function of the content.

    u(x) = blake2b(x) / 2^64 in [0, 1):     train if u < 0.75,   valid if u < 0.85,   else test

The split depends on no seed, order or file name: shuffling or renaming the examples does not change it,
identical examples are always in the same part, and new examples do not move existing ones (except in sets of
a few examples, where each part gets at least one).

Examples that were chosen by this hash, such as the train part of an earlier split, would all be in one part
again. With m_j of their n distinct hashes in part j, of probability p_j, the likelihood ratio is

    n KL(m/n || p) = sum_j m_j log(m_j / (n p_j)),        P(n KL > t) ~ exp(-t)     (Wilks 1938)

and as long as it is beyond chance, at one in a million, the hashes are hashed again: u(x) of the split that
follows is independent of the earlier one, and still a function of the content.

Parts that the data bring along are used as they are; a missing valid or test part is cut from train.

A group of near-duplicates (`near_duplicates`) is assigned as a whole, by the least hash of its members;
without near-duplicates the split is the same as without looking for them.
"""

__all__ = ["PARTS", "Part", "Split", "content_hash", "examples_for", "split", "trained_only"]

import hashlib
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from morphogen.counted import counted, plural
from morphogen.data.dataset import DataError

BOUNDS = (0.75, 0.85)
CHANCE = 1e-6  # below which examples were not hashed to their parts by chance, but chosen by an earlier split
SHORT = 1e-3  # chance that a test part has fewer examples than expected, for advice
MOST = 0.5  # fraction of the examples beyond which one group is named

Part = Literal["train", "valid", "test"]
PARTS: tuple[Part, ...] = ("train", "valid", "test")


@dataclass(frozen=True)
class Split:
    """Indices of the examples of each part, in the order of their hashes; sha256 of the assignment.

    Arguments:
        train, valid, test: the indices; those of the authors' own parts are in the order of the source.
        sha256: of the assignment.
        own: the authors' own parts; the others were made by content.
        copies: examples of their valid and test parts that are in train too.
        twins: further ones that have a near-duplicate in train.
        grouped: examples with a near-duplicate, each group of which is in one part; 0 with the authors' own.
        largest: examples of the largest of these groups.
        again: whether an earlier split chose the examples, so that they were split by another hash.
    """

    train: list[int]
    valid: list[int]
    test: list[int]
    sha256: str
    own: tuple[Part, ...] = ()
    copies: int = 0
    twins: int = 0
    grouped: int = 0
    largest: int = 0
    again: bool = False

    def copied(self, what: str, how: str = "slightly changed") -> tuple[str, ...]:
        """Notes on examples of valid and test that are in train too, and on near-duplicates."""
        n = sum(len(part) for part in (self.train, self.valid, self.test))
        notes = {
            f"{counted(self.copies, what)} of valid and test {'is' if self.copies == 1 else 'are'} in train "
            "too: figures on them flatter the model": self.copies,
            f"{counted(self.twins, what)} of valid and test {'has' if self.twins == 1 else 'have'} a "
            f"near-duplicate in train ({how}): figures on them flatter the model": self.twins,
            f"{self.grouped:,} of {counted(n, what)} are near-duplicates of others ({how}): "
            "each group is in one part": self.grouped,
            f"{self.largest:,} of {counted(n, what)} are one group of near-duplicates, all in one part: "
            "leave most of them out for parts of the usual sizes": self.largest > MOST * n,
            f"these {plural(what)} are one part of an earlier split, such as its training part: they are "
            "split again": self.again,
        }
        return tuple(note for note, count in notes.items() if count)

    @property
    def line(self) -> str:
        """How the parts were made, for a report."""
        sizes = {part: f"{len(getattr(self, part))} {part}" for part in PARTS}
        if not self.own:
            sizes_line = ", ".join(sizes.values())
            together = ", near-duplicates together" if self.grouped else ""
            how = f"by the hash of each example's content{together} (75/10/15 %)"
            return f"{sizes_line}, {how}, sha256 {self.sha256}"
        cut = [sizes[part] for part in PARTS if part not in self.own]
        own = [sizes[part] for part in PARTS if part in self.own]
        how_cut = [f"{', '.join(cut)} by the hash of each example's content"] if cut else []
        theirs = "part" if len(own) == 1 else plural("part")
        return "; ".join([*how_cut, f"{', '.join(own)}, the authors' own {theirs}"])


def split(contents: Sequence[bytes], parts: Sequence[Part | None] = (), groups: Sequence[int] = ()) -> Split:
    """Assign each example by its content, where the data do not say its part.

    Arguments:
        contents: of the examples.
        parts: the part of each example in the data's own split; () or None: they have none. A valid or test
            part that none of them is in is cut from train.
        groups: number of the group of near-duplicates of each example; (): there are none. They are ignored
            where there are fewer than three.

    Errors: `DataError` for fewer than three distinct examples to assign, or a split without train.
    """
    hashes = [content_hash(content) for content in contents]
    given = {part: [i for i, own in enumerate(parts) if (own or "train") == part] for part in PARTS}
    if not given["valid"] and not given["test"]:
        return _by_content(hashes, groups, range(len(hashes)))
    if not given["train"]:
        raise DataError("valid and test have examples, but train has none; give examples to train on")
    if given["valid"] and given["test"]:
        return _with_own(hashes, groups, given, PARTS)
    cut = _by_content(hashes, groups, given["train"])
    missing: Part = "test" if given["valid"] else "valid"
    rest: Part = "valid" if given["valid"] else "test"  # of the three that were cut; it stays in train
    assigned = {"train": cut.train + getattr(cut, rest), missing: getattr(cut, missing), rest: given[rest]}
    made = _with_own(hashes, groups, assigned, (rest,))
    return replace(made, again=cut.again)


def trained_only(
    made: Split, labels: Sequence[int], classes: Sequence[str], what: str = "picture"
) -> tuple[Split, list[int], tuple[str, ...]]:
    """Leave out each class of which train has no example: nobody could learn it.

    Returns:
        the split without their examples, the classes that are kept, as labels, and a note on the others.

    Errors: DataError if valid or test has no example then.
    """
    trained = {labels[i] for i in made.train}
    kept = [label for label in range(len(classes)) if label in trained]
    if len(kept) == len(classes):
        return made, kept, ()
    valid, test = ([i for i in part if labels[i] in trained] for part in (made.valid, made.test))
    count = {label: labels.count(label) for label in range(len(classes)) if label not in trained}
    none = [classes[label] for label, n in count.items() if not n]
    few = [f"{classes[label]} ({n})" for label, n in count.items() if n]
    notes = [f"no {what} of {_listed(none)} can be read: left out of the classes"] if none else []
    if few:
        notes.append(f"no {what} of {_listed(few)} is in train: left out, and no class to ask for")
    if not valid or not test:
        raise DataError(
            f"no class is in train and in valid and test, such as {_listed(few)}; "
            f"give more {plural(what)} per class, or leave out the classes (labels, or the folders of "
            "each class)"
        )
    return replace(made, valid=valid, test=test), kept, tuple(notes)


def examples_for(least: int) -> int:
    """The fewest distinct examples of which, almost certainly, at least so many are in test.

    >>> examples_for(1), examples_for(6)
    (43, 104)
    """
    share, n = 1 - BOUNDS[1], least
    while sum(math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(least)) > SHORT:
        n += 1
    return n


def content_hash(content: bytes) -> str:
    """64-bit blake2b hash as 16 hexadecimal digits, so that string order equals numerical order."""
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def _keys(hashes: Sequence[str], groups: Sequence[int]) -> Sequence[str]:
    """The least hash of the group of each example."""
    least: dict[int, str] = {}
    for group, hash in zip(groups, hashes, strict=bool(groups)):
        least[group] = min(hash, least.get(group, hash))
    return [least[group] for group in groups] if groups else hashes


def _by_content(hashes: Sequence[str], groups: Sequence[int], rows: Sequence[int]) -> Split:
    """Split these rows; each part gets at least one distinct example."""
    places = _independent(hashes, rows)
    keys = _keys(places, groups)
    distinct = sorted({keys[i] for i in rows})
    if len(distinct) < 3 and groups:
        return _by_content(hashes, (), rows)
    if len(distinct) < 3:
        raise DataError(
            f"{counted(len(rows), 'example')}, {len(distinct)} distinct, cannot be split into "
            "train, valid and test; give at least 3 distinct ones"
        )
    sizes = _sizes(distinct)
    train_end = min(max(sizes[0], 1), len(distinct) - 2)
    valid_end = min(max(sizes[0] + sizes[1], train_end + 1), len(distinct) - 1)
    part_of = {h: 0 if i < train_end else 1 if i < valid_end else 2 for i, h in enumerate(distinct)}
    order = sorted(rows, key=hashes.__getitem__)
    train, valid, test = ([i for i in order if part_of[keys[i]] == part] for part in range(3))
    several = Counter(key for key, _ in {(keys[i], hashes[i]) for i in rows})
    size = Counter(keys[i] for i in rows if several[keys[i]] > 1)
    sha256 = _sha256(hashes, (train, valid, test))
    grouped, largest = size.total(), max(size.values(), default=0)
    return Split(train, valid, test, sha256, grouped=grouped, largest=largest, again=places is not hashes)


def _independent(hashes: Sequence[str], rows: Sequence[int]) -> Sequence[str]:
    """The hashes, hashed again as long as the parts of these rows are not a matter of chance."""
    while _ratio(_sizes({hashes[i] for i in rows})) > -math.log(CHANCE):
        hashes = [content_hash(h.encode()) for h in hashes]
    return hashes


def _ratio(sizes: Sequence[int]) -> float:
    """n KL(sizes / n || p): logarithm of the likelihood ratio of the parts' sizes and their expectations."""
    n, probabilities = sum(sizes), (BOUNDS[0], BOUNDS[1] - BOUNDS[0], 1 - BOUNDS[1])
    return sum(m * math.log(m / (n * p)) for m, p in zip(sizes, probabilities, strict=True) if m)


def _sizes(hashes: Collection[str]) -> tuple[int, int, int]:
    """The number of hashes in train, valid and test."""
    train, learn = (sum(int(h, 16) < bound * 2**64 for h in hashes) for bound in BOUNDS)
    return train, learn - train, len(hashes) - learn


def _with_own(
    hashes: Sequence[str], groups: Sequence[int], rows: Mapping[Part, list[int]], own: tuple[Part, ...]
) -> Split:
    """The authors' own parts, and what was cut from their train part."""
    keys = _keys(hashes, groups)
    train, valid, test = (rows[part] for part in PARTS)
    known, like = {hashes[i] for i in train}, {keys[i] for i in train}
    copies = sum(hashes[i] in known for i in valid + test)
    twins = sum(keys[i] in like for i in valid + test) - copies
    return Split(train, valid, test, _sha256(hashes, (train, valid, test)), own, copies, twins)


def _sha256(hashes: Sequence[str], parts: Sequence[list[int]]) -> str:
    """Of the part and the hash of each example, in the order of the hashes."""
    lines = sorted((hashes[i], part) for part, rows in enumerate(parts) for i in rows)
    return hashlib.sha256("\n".join(f"{part} {h}" for h, part in lines).encode()).hexdigest()


def _listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - 10
    return ", ".join(names[:10]) + (f" and {more} more" if more > 0 else "")
