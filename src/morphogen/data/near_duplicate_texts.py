r"""Near-duplicate texts: the same document with a few words changed, or in another layout.

The shingles of a text are its sequences of 8 bytes, in lower case and with single spaces. Two texts are
near-duplicates if they have most of their shingles A and B in common:

    J = |A & B| / |A | B| >= 0.8

MinHash (Broder 1997): the least value of a random hash function over A and that over B are equal with
probability J. Texts that agree in 4 such values, in any of 8 tries, are candidates; J of a candidate is then
counted, so that MinHash can miss a pair (2 % at J = 0.8), but not invent one.
"""

__all__ = ["near_duplicate_texts"]

import re
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Int, UInt64

from morphogen.data.near_duplicates import connected, not_dense

SHINGLE = 8  # bytes
SHORTEST = 48  # shingles; a shorter text has near-duplicates by chance
SIMILAR = 0.8  # Jaccard similarity of near-duplicates
BANDS, ROWS = 8, 4  # tries, and values that agree in a try
MOST = 1 << 24  # shingles of all texts together; of more, a random part is used
LAYOUT = re.compile(r"\s+")


def near_duplicate_texts(texts: Sequence[str]) -> Int[np.ndarray, " n"]:
    """The number of the group of each text; most groups have one member."""
    hashes, ends, rows = _shingles(
        [LAYOUT.sub(" ", text).lower().encode("utf8", "replace") for text in texts]
    )
    sets = [np.unique(part) for part in np.split(hashes, ends[:-1])] if len(rows) else []
    candidates = sorted({pair for band in _bands(hashes, ends) for pair in _equal(band)})
    similar = [(i, j) for i, j in candidates if _jaccard(sets[i], sets[j]) >= SIMILAR]
    left, right = rows[np.array(similar, dtype=np.int64).reshape(-1, 2)].T
    kept = not_dense(connected(len(texts), left, right))[left]
    return connected(len(texts), left[kept], right[kept])


def _shingles(
    contents: Sequence[bytes],
) -> tuple[UInt64[np.ndarray, " s"], Int[np.ndarray, " m"], Int[np.ndarray, " m"]]:
    """Hashes of the shingles of the texts that are long enough, the ends of each text, and its row."""
    lengths = np.array([len(content) for content in contents], dtype=np.int64)
    rows = np.nonzero(lengths >= SHORTEST + SHINGLE - 1)[0]
    counts = lengths[rows] - SHINGLE + 1
    text_of = np.repeat(np.arange(len(rows)), counts)
    joined = np.frombuffer(b"".join(contents[i] for i in rows.tolist()) + bytes(SHINGLE), dtype=np.uint8)
    starts = np.arange(len(text_of)) + text_of * (SHINGLE - 1)
    windows = np.lib.stride_tricks.sliding_window_view(joined, SHINGLE)
    hashes = _mixed(np.ascontiguousarray(windows[starts]).view("<u8")[:, 0])
    if len(hashes) > MOST:
        part = hashes < np.uint64(MOST / len(hashes) * 2.0**64)  # the same of equal texts
        hashes, text_of = hashes[part], text_of[part]
    counts = np.bincount(text_of, minlength=len(rows))
    enough = counts >= SHORTEST // 2
    return hashes[enough[text_of]], np.cumsum(counts[enough]), rows[enough]


def _bands(hashes: np.ndarray, ends: np.ndarray) -> Iterator[UInt64[np.ndarray, " m"]]:
    """For each try, a hash of the least values of each text."""
    if not len(ends):
        return
    starts = np.concatenate([[0], ends[:-1]])
    factors = _mixed(np.arange(BANDS * ROWS, dtype=np.uint64)) | np.uint64(1)  # permutations of 64 bits
    for band in factors.reshape(BANDS, ROWS):
        key = np.zeros(len(ends), dtype=np.uint64)
        for factor in band:
            key = _mixed(key ^ np.minimum.reduceat(hashes * factor, starts))
        yield key


def _equal(keys: np.ndarray) -> Iterator[tuple[int, int]]:
    """Pairs of rows with equal keys: each with the next one."""
    order = np.argsort(keys, kind="stable")
    for i in np.nonzero(keys[order[1:]] == keys[order[:-1]])[0]:
        yield int(order[i]), int(order[i + 1])


def _mixed(values: np.ndarray) -> np.ndarray:
    """A random function of 64 bits (the finalizer of splitmix64, Steele, Lea & Flood 2014)."""
    x = values + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _jaccard(one: np.ndarray, other: np.ndarray) -> float:
    """Jaccard similarity of two sets, as sorted arrays."""
    common = len(np.intersect1d(one, other, assume_unique=True))
    return common / (len(one) + len(other) - common)
