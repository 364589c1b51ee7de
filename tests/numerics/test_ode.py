"""Runge-Kutta methods: order, tolerance, independent rows, meshes."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from morphogen.numerics.ode import (
    DORMAND_PRINCE,
    RUNGE_KUTTA_4,
    Tableau,
    Unsolved,
    adaptive,
    on_mesh,
    uniform,
)


def circle(t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
    """Rotation about 0 with a speed that depends on time: the angle of y(t) is t^2."""
    return 2 * t[:, None] * torch.stack([-y[:, 1], y[:, 0]], 1)


def at_angle(angle: Tensor) -> Tensor:
    return torch.stack([angle.cos(), angle.sin()], 1).double()


@pytest.mark.parametrize("end", [1.0, 2.0])
def test_the_solution_is_within_the_tolerance_in_both_directions(end: float) -> None:
    start = torch.linspace(0, 3, 7).double()
    y = at_angle(start)
    for tolerance in (1e-4, 1e-7, 1e-10):
        solved, _ = adaptive(circle, y, 0.0, end, tolerance, tolerance, 1000)
        assert (solved - at_angle(start + end**2)).abs().max() <= 20 * tolerance
        back, _ = adaptive(circle, solved, end, 0.0, tolerance, tolerance, 1000)
        assert (back - y).abs().max() <= 40 * tolerance


@pytest.mark.parametrize(("tableau", "order"), [(RUNGE_KUTTA_4, 4), (DORMAND_PRINCE, 5)])
def test_the_order_of_a_method(tableau: Tableau, order: int) -> None:
    y, truth = at_angle(torch.zeros(1)), at_angle(torch.tensor([4.0]))
    errors = [
        (on_mesh(circle, y, uniform(y, 0.0, 2.0, steps), tableau) - truth).norm().item() for steps in (20, 40)
    ]
    assert 0.8 * 2**order <= errors[0] / errors[1] <= 1.5 * 2**order


def test_every_row_has_its_own_steps_and_ends_by_itself() -> None:
    rates = torch.tensor([0.0, 1.0, 30.0, 300.0], dtype=torch.float64)
    calls: list[int] = []

    def decay(t: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        calls.append(len(rows))
        return -rates[rows][:, None] * (y - t.cos()[:, None])

    y = torch.full((4, 1), 2.0, dtype=torch.float64)
    together, mesh = adaptive(decay, y, 0.0, 1.0, 1e-6, 1e-6, 1000)
    steps = [len(set(times)) - 1 for times in mesh.tolist()]
    assert max(steps[:2]) < 10 < steps[2] < steps[3] / 2
    assert calls[0] == 4 and calls[-1] == 1
    for i in range(4):
        alone, own = adaptive(
            lambda t, y, rows, i=i: decay(t, y, torch.tensor([i])), y[i : i + 1], 0.0, 1.0, 1e-6, 1e-6, 1000
        )
        assert torch.equal(alone[0], together[i]) and torch.equal(own[0, :-1], mesh[i, : own.shape[1] - 1])


def test_a_mesh_repeats_the_accepted_steps() -> None:
    y = at_angle(torch.tensor([0.3, 1.0, 2.0]))
    y[1] *= 40  # needs other steps
    for start, end in ((0.0, 2.0), (2.0, 0.0)):
        solved, mesh = adaptive(circle, y, start, end, 1e-7, 1e-7, 1000)
        assert (mesh[:, 0] == start).all() and (mesh[:, -1] == end).all()
        for times in mesh.tolist():
            assert all((b - a) * (end - start) >= 0 for a, b in pairwise(times))
        assert (on_mesh(circle, y, mesh, DORMAND_PRINCE) - solved).abs().max() <= 1e-13 * 40


def test_a_solution_at_rest_takes_few_steps() -> None:
    still, mesh = adaptive(lambda t, y, rows: 0 * y, torch.zeros(3, 2), 0.0, 1.0, 1e-6, 1e-6, 20)
    assert not still.any() and mesh.shape[1] <= 12


@pytest.mark.parametrize("rate", [1e4, math.nan, math.inf])
def test_too_few_steps_raise(rate: float) -> None:
    with pytest.raises(Unsolved, match=r"1 of 2 rows reach t = \S+ of 1 after 50"):
        rates = torch.tensor([0.0, rate])
        adaptive(lambda t, y, rows: -rates[rows][:, None] * y, torch.ones(2, 1), 0.0, 1.0, 1e-6, 1e-6, 50)
