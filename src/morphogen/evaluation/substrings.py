r"""Longest common substring of each row with a text, by prefix doubling.

Manber & Myers 1993; Karp, Miller & Rosenberg 1972.

    r_0(i) = the token at i,     r_{k+1}(i) = rank of the pair (r_k(i), r_k(i + 2^k))

so r_k(i) = r_k(j) if and only if the 2^k tokens from i equal those from j. In the order of the last ranks,
the best match of a position in the text is its nearest predecessor or successor from the text; the length of
the match follows from the ranks, largest k first. One sort per k replaces a search per substring: seconds
instead of minutes.
"""

__all__ = ["longest_common_substrings", "match_lengths"]

import torch
from jaxtyping import Int
from torch import Tensor

CHUNK = 1 << 22  # tokens of text that are ranked at a time


def longest_common_substrings(rows: Int[Tensor, "n t"], text: Int[Tensor, " m"]) -> Int[Tensor, " n"]:
    """Length of the longest common substring of each row with the text, 0 .. T; see `match_lengths`."""
    return match_lengths(rows, text).amax(1)


def match_lengths(rows: Int[Tensor, "n t"], text: Int[Tensor, " m"]) -> Int[Tensor, "n t"]:
    """Number of tokens from each position of each row that also occur in the text, one after another.

    Arguments:
        rows: non-negative tokens.
        text: tokens; negative ones match nothing.
    """
    best = torch.zeros(rows.shape, dtype=torch.long)
    for start in range(0, len(text), CHUNK):
        # chunks overlap, so that matches across a boundary are found
        chunk = text[start : start + CHUNK + rows.shape[1] - 1]
        best = torch.maximum(best, _matched(rows.long(), chunk.long()))
    return best


def _matched(rows: Tensor, text: Tensor) -> Tensor:
    text = torch.nn.functional.pad(text, (0, 1), value=-1)  # a separator that occurs in no row
    separator = rows.new_full((len(rows), 1), int(max(text.max(), rows.max())) + 1)  # occurs in no text
    ranks = _ranks(torch.cat([text, torch.cat([rows, separator], 1).flatten()]), rows.shape[1])
    order = torch.argsort(ranks[-1])
    index = torch.arange(len(order))
    in_text = order < len(text)
    previous = torch.where(in_text, index, -1).cummax(0).values
    following = torch.where(in_text, index, len(order)).flip(0).cummin(0).values.flip(0)
    position, lengths = order[~in_text], torch.zeros(len(order) - len(text), dtype=torch.long)
    for neighbour in (previous[~in_text], following[~in_text]):
        exists = (neighbour >= 0) & (neighbour < len(order))
        matched = _match_length(ranks, position[exists], order[neighbour[exists]])
        lengths[exists] = torch.maximum(lengths[exists], matched)
    by_position = torch.empty_like(lengths)
    by_position[position - len(text)] = lengths
    return by_position.view(len(rows), -1)[:, :-1]


def _ranks(tokens: Tensor, length: int) -> list[Tensor]:
    """r_0, r_1, ..., up to the first that spans `length` tokens; positions beyond the end have rank 0."""
    ranks = [tokens.unique(return_inverse=True)[1] + 1]
    while 1 << (len(ranks) - 1) < length:
        second = torch.zeros_like(tokens)
        shift = 1 << (len(ranks) - 1)
        second[:-shift] = ranks[-1][shift:]
        ranks.append((ranks[-1] * (len(tokens) + 1) + second).unique(return_inverse=True)[1] + 1)
    return ranks


def _match_length(ranks: list[Tensor], i: Tensor, j: Tensor) -> Tensor:
    """Number of equal tokens from positions i and j."""
    matched = torch.zeros_like(i)
    for k in reversed(range(len(ranks))):
        size = len(ranks[k])
        left, right = i + matched, j + matched
        inside = (left < size) & (right < size)
        same = inside & (ranks[k][left.clamp_max(size - 1)] == ranks[k][right.clamp_max(size - 1)])
        matched = matched + (same << k)
    return matched
