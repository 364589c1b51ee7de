"""Codebooks: nearest codes, averages that end in k-means, dead codes, residual codebooks."""

import math
import warnings

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.families.vae import Codebook, Quantizer, ResidualQuantizer
from morphogen.numerics.randomness import Rng

ROWS, SIDES = 40, (2, 3)  # 240 vectors


def grid(rows: int = ROWS, width: int = 2, seed: int = 0) -> Tensor:
    """Vectors around five centres, [B, D, 2, 3]."""
    rng = Rng(seed, rows)
    centre = 3 * torch.tensor([[0.0, 0.0], [1.0, 2.0], [-2.0, 1.0], [2.0, -1.0], [-1.0, -2.0]])
    z = centre[rng.fork("centre").integers(5, *SIDES)] + 0.7 * rng.fork("noise").normal(*SIDES, 2)
    return z.movedim(-1, 1).repeat(1, width // 2, 1, 1)


def rows_of(z: Tensor) -> Tensor:
    return z.movedim(1, -1).flatten(0, -2)


def step(quantizer: Quantizer, z: Tensor, number: int = 0) -> None:
    quantizer.update(quantizer.statistics(z, quantizer.encode(z), Rng(number, len(z))))


def prepared(codes: int = 8, **options: float) -> Codebook:
    book = Codebook(codes, 2, **options)
    book.prepare(grid(), Rng(0, ROWS))
    return book


def test_a_vector_is_coded_by_the_nearest_code() -> None:
    z, book = grid(), prepared()
    ids = book.encode(z)
    assert ids.shape == (ROWS, *SIDES) and ids.dtype == torch.int64
    distance = (rows_of(z)[:, None] - book.vectors).square().sum(2)
    assert torch.equal(ids.flatten(), distance.argmin(1))
    assert torch.equal(rows_of(book.decode(ids)), book.vectors[ids.flatten()])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(book.encode(z), ids)


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_the_averages_end_in_the_fixed_point_of_k_means(decay: float) -> None:
    """On the same rows at every step, as scikit-learn's KMeans from the same start; n = 240, K = 8."""
    z, book = grid(), prepared(decay=decay, restart=0.0)
    start = rows_of(z)[torch.arange(8) * 29]
    book.vectors.copy_(start)
    book.counts.fill_(1.0)
    book.sums.copy_(start)
    for _ in range(300):
        step(book, z)
    if decay:  # moving averages end in a fixed point of k-means, here not that of the same start
        start = book.vectors
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = KMeans(8, init=start.numpy(), n_init=1, tol=0, algorithm="lloyd").fit(rows_of(z).numpy())
    assert np.abs(book.vectors.numpy() - peer.cluster_centers_).max() < 1e-4
    assert torch.equal(book.encode(z).flatten(), torch.tensor(peer.labels_).long())
    counts = torch.bincount(book.encode(z).flatten(), minlength=8)
    torch.testing.assert_close(book.counts, counts.float(), atol=1e-3, rtol=0)


def test_one_step_is_the_moving_average_of_the_equation() -> None:
    z, book = grid(seed=1), prepared(decay=0.75)
    ids, n, m = book.encode(z).flatten(), book.counts.clone(), book.sums.clone()
    step(book, z)
    for k in range(8):
        mine = rows_of(z)[ids == k]
        n[k] = 0.75 * n[k] + 0.25 * len(mine)
        m[k] = 0.75 * m[k] + 0.25 * mine.sum(0)
    torch.testing.assert_close(book.counts, n)
    torch.testing.assert_close(book.vectors, m / n[:, None])


def test_dead_codes_are_moved_to_vectors_of_the_batch() -> None:
    """Three codes far away are dead after a step; each moves to another vector, and then all are used."""
    z, book = grid(), prepared(decay=0.5)
    for code in (1, 4, 6):
        book.vectors[code], book.counts[code], book.sums[code] = 1e3, 0.0, 0.0
    lasting = Codebook(8, 2, decay=0.5, restart=0.0)
    lasting.load_state_dict(book.state_dict())
    step(book, z)
    moved = book.vectors[[1, 4, 6]]
    distance = torch.cdist(moved, rows_of(z))
    assert (distance.amin(1) < 1e-5).all() and len(moved.unique(dim=0)) == 3
    for number in range(10):
        step(book, z, number)
        step(lasting, z, number)
    assert len(book.encode(z).unique()) == 8 and book.usage()["dead codes"] == 0
    assert len(lasting.encode(z).unique()) == 5 and lasting.usage()["dead codes"] == 3
    assert lasting.vectors[[1, 4, 6]].eq(1e3).all()


def test_restarts_depend_on_neither_micro_batches_nor_their_order() -> None:
    z, book = grid(), prepared(codes=60, decay=0.5)
    book.counts[:50] = 0.0
    halves = book.state_dict().copy(), Codebook(60, 2, decay=0.5)
    halves[1].load_state_dict({name: value.clone() for name, value in halves[0].items()})
    step(book, z)
    parts = [
        halves[1].statistics(z[rows], halves[1].encode(z[rows]), Rng(0, ROWS)[rows])
        for rows in (slice(25, 40), slice(0, 25))
    ]
    halves[1].update({name: parts[0][name] + parts[1][name] for name in parts[0]})
    torch.testing.assert_close(halves[1].vectors, book.vectors)


def test_perplexity_counts_the_codes_in_use() -> None:
    book = Codebook(4, 2)
    for counts, perplexity, dead in (
        ([1.0, 1.0, 1.0, 1.0], 4.0, 0.0),
        ([5.0, 0.0, 0.0, 0.0], 1.0, 3.0),
        ([2.0, 1.0, 1.0, 0.0], 2 * math.sqrt(2), 1.0),
    ):
        book.counts.copy_(torch.tensor(counts))
        usage = book.usage()
        assert usage["perplexity"].item() == pytest.approx(perplexity) and usage["dead codes"] == dead


def test_the_first_codes_are_the_clusters_of_the_first_batch() -> None:
    """Five clusters of 240 vectors: the mean distance is that of the noise, 1.4 sigma^2, not of the data."""
    book = Codebook(5, 2)
    book.prepare(grid(), Rng(0, ROWS))
    error = (grid() - book.decode(book.encode(grid()))).square().sum(1).mean()
    assert 0.8 < error < 1.2  # 2 sigma^2 = 0.98
    assert book.counts.sum() == 240 and (book.counts > 20).all()


def test_values_out_of_range_and_too_few_vectors_are_refused() -> None:
    with pytest.raises(ConfigError, match="codes=1"):
        Codebook(1, 2)
    with pytest.raises(ConfigError, match="decay=1"):
        Codebook(4, 2, decay=1.0)
    with pytest.raises(ConfigError, match=r"the first batch has 240 vectors only \(40 rows of 6\)"):
        prepared(codes=241)
    with pytest.raises(ConfigError, match=r"\(4, 2\), \(5, 2\)"):
        ResidualQuantizer((Codebook(4, 2), Codebook(5, 2)))


def residual(depth: int) -> ResidualQuantizer:
    quantizer = ResidualQuantizer(tuple(Codebook(8, 2, decay=0.5) for _ in range(depth)))
    quantizer.prepare(grid(), Rng(0, ROWS))
    return quantizer


def error(quantizer: Quantizer, z: Tensor) -> float:
    return (z - quantizer.decode(quantizer.encode(z))).square().sum(1).mean().item()


def test_each_residual_codebook_codes_what_the_earlier_ones_leave() -> None:
    z, quantizer = grid(), residual(12)
    ids = quantizer.encode(z)
    assert ids.shape == (ROWS, 12, *SIDES) and quantizer.latent_shape(SIDES) == (12, *SIDES)
    first, second = quantizer.codebooks[:2]
    assert torch.equal(ids[:, 0], first.encode(z))
    assert torch.equal(ids[:, 1], second.encode(z - first.decode(ids[:, 0])))
    errors = [error(residual(depth), z) for depth in (1, 2, 4)]
    assert errors[1] < errors[0] / 2 and errors[2] < errors[1] / 2


def test_each_residual_codebook_follows_its_own_residuals() -> None:
    z, quantizer = grid(seed=1), residual(12)
    books = [Codebook(8, 2, decay=0.5) for _ in range(12)]
    left = z
    for q, (book, own) in enumerate(zip(books, quantizer.codebooks, strict=True)):
        book.load_state_dict(own.state_dict())
        ids = book.encode(left)
        after = left - book.decode(ids)
        book.update(book.statistics(left, ids, Rng(0, ROWS).fork("codebook", q)))
        left = after
    before = error(quantizer, z)
    step(quantizer, z)
    for book, own in zip(books, quantizer.codebooks, strict=True):
        torch.testing.assert_close(own.vectors, book.vectors)
    assert error(quantizer, z) < before
    assert len(quantizer.usage()) == 24
