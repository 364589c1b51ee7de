"""Keyed random numbers match Random123, and depend only on (seed, path, row, draw)."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from morphogen.numerics.randomness import Rng, invert_cdf, philox, philox_in_pairs

# Random123's kat_vectors for philox4x32, 10 rounds: counter, key, answer
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_philox_matches_the_published_answers(counter, key, answer):
    words = philox(tuple(torch.tensor(word) for word in counter), key)
    assert tuple(int(word) for word in words) == answer
    even, odd = (np.array(counter[first::2], np.uint64)[:, None] for first in (0, 1))
    even, odd = philox_in_pairs(even, odd, key)
    assert tuple(map(int, (even[0, 0], odd[0, 0], even[1, 0], odd[1, 0]))) == answer


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(-(2**40), 2**40),
    row=st.integers(0, 2**40),
    shape=st.lists(st.integers(1, 5), max_size=3),
)
def test_a_row_is_independent_of_the_other_rows(seed, row, shape):
    batch = Rng(seed, torch.tensor([3, row, 7])).fork("noise", 2)
    single = Rng(seed, torch.tensor([row])).fork("noise", 2)
    for draw in ("normal", "uniform"):
        assert torch.equal(getattr(batch, draw)(*shape)[1], getattr(single, draw)(*shape)[0])


@settings(max_examples=30, deadline=None)
@given(
    rows=st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=5),
    count=st.integers(1, 9),
    path=st.text(max_size=3),
)
def test_words_on_a_cpu_are_those_of_other_devices(rows, count, path):
    rng = Rng(5, torch.tensor(rows), (path,))
    rng.bits(1)
    index, blocks = torch.tensor(rows)[:, None], torch.arange(3)[None, :]
    counter = (blocks, torch.ones_like(blocks), index & 0xFFFFFFFF, (index >> 32) & 0xFFFFFFFF)
    assert torch.equal(rng.bits(count), torch.stack(philox(counter, rng._key), -1).flatten(1)[:, :count])


def test_slicing_preserves_the_position_in_the_stream():
    rng = Rng(0, 6)
    rng.normal(2)
    part = rng[2:4]
    assert torch.equal(part.normal(3), rng.normal(3)[2:4])


def test_paths_draws_and_seeds_give_different_numbers():
    rng = Rng(0, 4)
    drawn = [
        rng.uniform(8),
        rng.uniform(8),
        rng.fork("a").uniform(8),
        rng.fork("b").uniform(8),
        Rng(1, 4).uniform(8),
    ]
    numbers = torch.cat([d.flatten() for d in drawn])
    assert len(numbers.unique()) == len(numbers)


def test_normals_and_uniforms_have_their_distribution():
    """Kolmogorov-Smirnov over n = 200,000, seed 0: p > 1e-3."""
    rng = Rng(0, 2000)
    assert stats.kstest(rng.normal(100).flatten().numpy(), "norm").pvalue > 1e-3
    assert stats.kstest(rng.uniform(100).flatten().numpy(), "uniform").pvalue > 1e-3


def test_categorical_frequencies_pass_chi_square():
    """n = 50,000, seed 0: p > 1e-3; a category of probability 0 is never drawn."""
    logits = torch.tensor([0.1, -1.0, 2.0, float("-inf"), 0.5])
    drawn = Rng(0, 50_000).categorical(logits.expand(50_000, -1))
    counts = np.bincount(drawn.numpy(), minlength=5)
    keep = [0, 1, 2, 4]
    assert counts[3] == 0
    assert stats.chisquare(counts[keep], 50_000 * logits.double().softmax(0)[keep].numpy()).pvalue > 1e-3


def test_invert_cdf_stays_in_the_support():
    logits = torch.tensor([[0.0, float("-inf")], [float("-inf"), 0.0]])
    for u in (1e-9, 0.5, 1 - 2**-24):
        assert invert_cdf(logits, torch.tensor([u, u])).tolist() == [0, 1]


def test_integers_are_below_their_bound():
    drawn = Rng(0, 1000).integers(10, 3)
    assert drawn.min() == 0 and drawn.max() == 9


def test_numpy_and_torch_give_equal_words():
    rows, blocks = torch.tensor([[0], [5], [2**31], [0xFFFFFFFF]]), torch.arange(3)[None, :]
    counter, key = (blocks, torch.full_like(blocks, 9), rows, rows >> 3), (0xFFFFFFFF, 12345)
    by_numpy = philox(tuple(word.numpy() for word in counter), key)
    for word, other in zip(philox(counter, key), by_numpy, strict=True):
        assert np.array_equal(word.numpy(), other)
