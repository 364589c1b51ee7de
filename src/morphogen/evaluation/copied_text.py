r"""Copies of training text, by the longest common substring of a sample with it.

    l(x)   = longest run of tokens of x that occurs in the training text
    copied = l(x) > q_n  and  l(x) >= n / 2,      n = the number of tokens of x

q_n is the 99 % quantile of l over held-out texts cut to the same length n: a short sample, or one that
consists of a common phrase, occurs in the training text by chance (the calibration is after Meehan et al.
2020).
"""

__all__ = ["copied_text"]

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from morphogen.evaluation.substrings import match_lengths


def copied_text(
    rows: Int[Tensor, "n t"], text: Int[Tensor, " m"], heldout: Int[Tensor, "h t"], quantile: float
) -> Bool[Tensor, " n"]:
    """Whether each row is copied from the training text.

    Arguments:
        rows: tokens; a row that ends early is filled up with negative ones.
        text: tokens of the training text; negative ones match nothing.
        heldout: tokens of other texts.
        quantile: fraction of the held-out texts that may count as copies.
    """
    lengths, matches, control = (rows >= 0).sum(1), _matches(rows, text), _matches(heldout, text)
    complete = (heldout >= 0).sum(1)
    copied = torch.zeros(len(rows), dtype=torch.bool)
    for length in lengths.unique().tolist():
        these, others = lengths == length, complete >= length
        if length and others.any():
            known = _longest(control[others], length).double()
            threshold = known.quantile(1 - quantile, interpolation="higher")
            longest = _longest(matches[these], length)
            copied[these] = (longest > threshold) & (2 * longest >= length)
    return copied


def _matches(rows: Tensor, text: Tensor) -> Tensor:
    """Tokens from each position that also follow one another in the text; none of them beyond the row."""
    padding = int(text.max()) + 1  # a token that does not occur in the text
    return match_lengths(torch.where(rows >= 0, rows, padding), text)


def _longest(matches: Int[Tensor, "n t"], length: int) -> Int[Tensor, " n"]:
    """Longest match within the first `length` tokens."""
    return torch.minimum(matches[:, :length], length - torch.arange(length)).amax(1)
