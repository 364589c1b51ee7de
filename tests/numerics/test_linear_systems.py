"""Conjugate gradients against a direct solution; each row is solved as if it were alone."""

import torch
from torch import Tensor

from morphogen.numerics.linear_systems import conjugate_gradients
from morphogen.numerics.randomness import Rng


def matrices(rows: int, m: int) -> Tensor:
    a = Rng(0, rows, ("matrix",)).normal(m, m).double()
    return a @ a.mT + 0.1 * torch.eye(m, dtype=torch.float64)


def product(of: Tensor) -> object:
    return lambda v: torch.einsum("bij,bj->bi", of, v)


def test_m_iterations_are_exact() -> None:
    of, b = matrices(5, 6), Rng(0, 5, ("b",)).normal(6).double()
    found = conjugate_gradients(product(of), b, 6)
    assert torch.allclose(found, torch.linalg.solve(of, b), atol=1e-8)
    assert torch.allclose(conjugate_gradients(product(of), b, 60), found, atol=1e-8)
    assert not torch.allclose(conjugate_gradients(product(of), b, 2), found, atol=1e-3)


def test_a_row_does_not_depend_on_the_others() -> None:
    of, b = matrices(4, 6).float(), Rng(0, 4, ("b",)).normal(6)
    of[0], b[1] = torch.eye(6), 0  # solved in one iteration, and in none
    together = conjugate_gradients(product(of), b, 6)
    for i in range(4):
        alone = conjugate_gradients(product(of[i : i + 1]), b[i : i + 1], 6)
        assert torch.allclose(together[i], alone[0], atol=1e-6)
    assert torch.equal(together[0], b[0]) and not together[1].any()


def test_a_matrix_that_is_not_positive_stops_its_row() -> None:
    of = torch.stack(
        [torch.diag(torch.tensor([1.0, -1.0])), torch.zeros(2, 2), torch.diag(torch.tensor([1.0, 2.0]))]
    )
    b = torch.tensor([[1.0, 2.0], [1.0, 1.0], [1.0, 1.0]])
    found = conjugate_gradients(product(of), b, 5)
    assert not found[:2].any() and torch.allclose(found[2], torch.tensor([1.0, 0.5]))
