r"""The longest piece of each row that stands somewhere in a text, by prefix doubling (Manber & Myers 1993; Karp, Miller & Rosenberg 1972).

    r_0(i) = the symbol at i,     r_{k+1}(i) = rank of the pair (r_k(i), r_k(i + 2^k))

so that r_k(i) = r_k(j) where 2^k symbols from i on are those from j on. In the order of the last ranks the text's best match to a
place stands beside it, before or after, and how far two places agree is read off the ranks, the longest stretch first. A sort for
each k instead of a search for each piece: seconds where looking for one piece after another takes minutes.
"""

__all__ = ["longest_pieces"]

import torch
from jaxtyping import Int
from torch import Tensor

AT_ONCE = 1 << 22  # symbols of text whose ranks are held at a time


def longest_pieces(rows: Int[Tensor, "n t"], text: Int[Tensor, " m"]) -> Int[Tensor, " n"]:
    """Lengths, 0 .. T.

    Arguments:
        rows: symbols, 0 or more.
        text: symbols; negative ones stand in no row, and so in no piece.
    """
    best = torch.zeros(len(rows), dtype=torch.long)
    for start in range(0, len(text), AT_ONCE):
        part = text[start : start + AT_ONCE + rows.shape[1] - 1]  # a piece may begin in this part and end in the next
        best = torch.maximum(best, _longest(rows.long(), part.long()))
    return best


def _longest(rows: Tensor, text: Tensor) -> Tensor:
    text = torch.nn.functional.pad(text, (0, 1), value=-1)  # no row has it
    end = rows.new_full((len(rows), 1), int(max(text.max(), rows.max())) + 1)  # no text has it
    ranks = _ranks(torch.cat([text, torch.cat([rows, end], 1).flatten()]), rows.shape[1])
    order = torch.argsort(ranks[-1])
    at = torch.arange(len(order))
    of_text = torch.where(order < len(text), at, -1)
    before = of_text.cummax(0).values
    after = torch.where(order < len(text), at, len(order)).flip(0).cummin(0).values.flip(0)
    asked = order >= len(text)
    place, lengths = order[asked], torch.zeros(len(order) - len(text), dtype=torch.long)
    for neighbour in (before[asked], after[asked]):
        there = (neighbour >= 0) & (neighbour < len(order))
        agreed = _agreement(ranks, place[there], order[neighbour[there]])
        lengths[there] = torch.maximum(lengths[there], agreed)
    of_place = torch.empty_like(lengths)
    of_place[place - len(text)] = lengths
    return of_place.view(len(rows), -1).amax(1)


def _ranks(symbols: Tensor, length: int) -> list[Tensor]:
    """r_0, r_1, ... up to the first whose 2^k symbols are `length` or more; beyond the end stands nothing, which is rank 0."""
    ranks = [symbols.unique(return_inverse=True)[1] + 1]
    while 1 << (len(ranks) - 1) < length:
        behind = torch.zeros_like(symbols)
        shift = 1 << (len(ranks) - 1)
        behind[:-shift] = ranks[-1][shift:]
        ranks.append((ranks[-1] * (len(symbols) + 1) + behind).unique(return_inverse=True)[1] + 1)
    return ranks


def _agreement(ranks: list[Tensor], i: Tensor, j: Tensor) -> Tensor:
    """How many symbols from i on are those from j on."""
    agreed = torch.zeros_like(i)
    for k in reversed(range(len(ranks))):
        size = len(ranks[k])
        left, right = i + agreed, j + agreed
        inside = (left < size) & (right < size)
        same = inside & (ranks[k][left.clamp_max(size - 1)] == ranks[k][right.clamp_max(size - 1)])
        agreed = agreed + (same << k)
    return agreed
