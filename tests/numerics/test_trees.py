"""Trees with names: maps, rows, concatenation and equality agree with those of their leaves."""

from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from morphogen.numerics.trees import cat, index, leaves, length, same, tree_map

# nested names, whose leaves are the trailing shapes of tensors
SHAPES = st.recursive(
    st.lists(st.integers(0, 3), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, min_size=1, max_size=3),
    max_leaves=5,
)


def tree(shapes: Any, rows: int) -> Any:
    if isinstance(shapes, dict):
        return {name: tree(inner, rows) for name, inner in shapes.items()}
    return torch.randn(rows, *shapes)


@settings(max_examples=50, deadline=None)
@given(SHAPES, st.integers(0, 4), st.integers(0, 4))
def test_rows_of_a_tree_are_those_of_its_leaves(shapes: Any, first: int, second: int) -> None:
    a, b = tree(shapes, first), tree(shapes, second)
    joined = cat([a, b])
    assert length(joined) == first + second and length(a) == first
    assert same(index(joined, slice(0, first)), a) and same(index(joined, slice(first, None)), b)
    order = torch.randperm(first + second)
    assert same(index(index(joined, order), order.argsort()), joined)
    assert [leaf.shape[0] for leaf in leaves(index(joined, order[:1]))] == [
        min(1, first + second) for _ in leaves(joined)
    ]


@settings(max_examples=50, deadline=None)
@given(SHAPES, st.integers(1, 4))
def test_maps_keep_names_and_compose(shapes: Any, rows: int) -> None:
    a = tree(shapes, rows)
    assert same(tree_map(lambda t: t, a), a)
    assert same(tree_map(lambda t: 2 * t, a), tree_map(lambda t, u: t + u, a, a))
    lists = tree_map(torch.Tensor.tolist, a)  # the leaves of the result need not be tensors
    assert same(tree_map(torch.tensor, lists), a) or any(leaf.numel() == 0 for leaf in leaves(a))


def test_trees_differ_by_a_value_a_shape_or_a_name() -> None:
    a = {"x": torch.zeros(2), "y": {"z": torch.ones(2, 1)}}
    assert same(a, tree_map(torch.clone, a))
    for other in (
        {"x": torch.zeros(2), "y": {"z": torch.zeros(2, 1)}},
        {"x": torch.zeros(2), "y": {"z": torch.ones(2)}},
        {"x": torch.zeros(2), "y": {"w": torch.ones(2, 1)}},
        {"x": torch.zeros(2), "y": torch.ones(2, 1)},
        {"x": torch.zeros(2)},
    ):
        assert not same(a, other) and not same(other, a)
