"""Reductions over existing elements; noise that does not depend on the padding."""

import math

import pytest
import torch

from morphogen.numerics.masking import existing_values, mark_missing, masked_mean, masked_sum
from morphogen.numerics.randomness import Rng

X = torch.arange(12.0).reshape(2, 3, 2)
MASK = torch.tensor([[True, True, False], [False, True, False]])


def test_reductions_cover_existing_elements():
    assert masked_sum(X, MASK).tolist() == [6.0, 17.0]
    assert masked_mean(X, MASK).tolist() == [1.5, 8.5]
    assert torch.as_tensor(existing_values(X, MASK)).tolist() == [4, 2]


def test_without_a_mask_they_are_the_plain_reductions_bit_for_bit():
    x = Rng(0, 5).normal(7, 3)
    assert torch.equal(masked_mean(x, None), x.flatten(1).mean(1))
    assert torch.equal(masked_sum(x, None), x.flatten(1).sum(1))
    assert existing_values(x, None) == 21


def test_a_row_without_elements_is_zero_and_padding_may_be_nan():
    assert masked_mean(X, torch.zeros_like(MASK)).tolist() == [0.0, 0.0]
    assert masked_sum(mark_missing(X, MASK), MASK).tolist() == [6.0, 17.0]


@pytest.mark.parametrize(("x", "missing"), [(X, math.nan), (X.long(), -1)])
def test_missing_elements_are_marked(x, missing):
    marked = mark_missing(x, MASK)
    assert torch.equal(marked[MASK], x[MASK])
    assert torch.equal(marked[~MASK], torch.full((3, 2), missing)) or marked[~MASK].isnan().all()
    assert mark_missing(x, None) is x


def test_noise_of_an_element_does_not_depend_on_the_number_of_elements():
    rng = Rng(3, 4, ("x",))
    keyed = rng.by_element().fork("noise")[1:3]
    assert torch.equal(keyed.normal(9, 2)[:, :5], rng.by_element().fork("noise")[1:3].normal(5, 2))
    assert not torch.equal(
        rng.normal(9, 2)[:, :5], rng.fork().normal(5, 2)
    )  # which `Rng` itself does not keep


def test_noise_by_element_is_standard_normal():
    """n = 100,000, seed 0: |z| of mean and variance below 4, correlation of neighbours too."""
    z = Rng(0, 1000).by_element().normal(100).double()
    n = z.numel()
    assert abs(z.mean()) * math.sqrt(n) < 4
    assert abs(z.var() - 1) * math.sqrt(n / 2) < 4
    assert abs((z[:, 1:] * z[:, :-1]).mean()) * math.sqrt(n) < 4
