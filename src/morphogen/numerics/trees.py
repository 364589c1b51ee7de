"""Trees with names: tensors in nested mappings, whose leaves share their first axis, the rows.

    Tree = Tensor | Mapping[str, Tree]

A tensor is a tree of one leaf, so that one function serves a batch of labels and a batch of captions with
their masks: {"ids": [B, T], "mask": [B, T]}.
"""

__all__ = ["Tree", "cat", "cat_padded", "index", "leaves", "length", "same", "tree_map"]

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from jaxtyping import Shaped
from torch import Tensor
from torch.nn import functional as F

Tree: TypeAlias = Any  # Tensor | Mapping[str, Tree], which subclasses narrow to what they take


def tree_map(change: Callable[..., Any], tree: Tree, *others: Tree) -> Any:
    """Apply `change` to every leaf, and to the leaves of `others` at the same place.

    >>> tree_map(lambda t: t + 1, {"label": torch.tensor([1]), "size": {"width": torch.tensor([2])}})
    {'label': tensor([2]), 'size': {'width': tensor([3])}}
    """
    if isinstance(tree, Mapping):
        return {name: tree_map(change, tree[name], *(other[name] for other in others)) for name in tree}
    return change(tree, *others)


def leaves(tree: Tree) -> Iterator[Shaped[Tensor, "b ..."]]:
    """The tensors of a tree, in order."""
    if isinstance(tree, Mapping):
        for part in tree.values():
            yield from leaves(part)
    else:
        yield tree


def length(tree: Tree) -> int:
    """The number of rows: the length of the first axis, which all leaves share."""
    return len(next(leaves(tree)))


def index(tree: Tree, rows: slice | Shaped[Tensor, " n"]) -> Any:
    """The given rows of every leaf."""
    return tree_map(lambda leaf: leaf[rows], tree)


def cat(trees: Sequence[Tree]) -> Any:
    """The rows of several trees with the same names, one after the other."""
    return tree_map(lambda *parts: torch.cat(parts), *trees)


def cat_padded(trees: Sequence[Tree]) -> Any:
    """As `cat`; rows of ids, int64 [B, L] of different L, such as captions, are padded with -1."""
    return tree_map(_cat_padded, *trees)


def same(first: Tree, second: Tree) -> bool:
    """Whether two trees have the same names, and equal tensors under them. NaN equals NaN."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(same(first[name], second[name]) for name in first)
    both = isinstance(first, Tensor) and isinstance(second, Tensor)
    return both and (torch.equal(first, second) or _equal_with_missing(first, second))


def _cat_padded(*parts: Shaped[Tensor, "..."]) -> Shaped[Tensor, "..."]:
    """The rows of parts, whose second axis may have different lengths if they are ids."""
    if parts[0].ndim == 2 and parts[0].dtype == torch.int64:
        width = max(part.shape[1] for part in parts)
        parts = tuple(F.pad(part, (0, width - part.shape[1]), value=-1) for part in parts)
    return torch.cat(parts)


def _equal_with_missing(first: Tensor, second: Tensor) -> bool:
    """Whether two tensors are equal where they are not NaN, and NaN at the same places."""
    alike = first.shape == second.shape and first.dtype == second.dtype
    return alike and bool(((first == second) | (first.isnan() & second.isnan())).all())
