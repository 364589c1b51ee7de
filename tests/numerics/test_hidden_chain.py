"""Filtering, smoothing and the best path of hidden chains equal sums over all paths."""

import itertools

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from morphogen.numerics.hidden_chain import (
    expected_transitions,
    filter_states,
    log_step,
    smooth_states,
    viterbi,
)
from morphogen.numerics.randomness import Rng

ROWS, LENGTH, CHAINS, STATES = 5, 4, 2, 3


def problem(seed: int = 0, spread: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    """log initial, transition and log emission, of which some are extreme if `spread` is large."""
    rng = Rng(seed, 1)
    initial = (spread * rng.normal(ROWS, CHAINS * STATES)[0].double()).log_softmax(1)
    transition = rng.normal(CHAINS, STATES, STATES)[0].double().softmax(2)
    log_emission = spread * rng.normal(ROWS, LENGTH, CHAINS, STATES)[0].double()
    return initial.unflatten(1, (CHAINS, STATES)), transition, log_emission


def every_path(log_initial: Tensor, transition: Tensor, log_emission: Tensor) -> tuple[Tensor, Tensor]:
    """All paths [P, T] as indices in the C K states, and log p(s, x) of each [B, P]."""
    paths, log_p = [], []
    for c in range(CHAINS):
        for path in itertools.product(range(STATES), repeat=LENGTH):
            total = log_initial[:, c, path[0]] + log_emission[:, 0, c, path[0]]
            for t in range(1, LENGTH):
                step = transition[c, path[t - 1], path[t]].log()
                total = total + step + log_emission[:, t, c, path[t]]
            paths.append([c * STATES + state for state in path])
            log_p.append(total)
    return torch.tensor(paths), torch.stack(log_p, 1)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**20), st.sampled_from([1.0, 30.0, 1000.0]))
def test_all_equals_a_sum_over_paths(seed: int, spread: float) -> None:
    """Also where emissions differ by a factor of exp(1000)."""
    log_initial, transition, log_b = problem(seed, spread)
    paths, log_p = every_path(log_initial, transition, log_b)
    passed = filter_states(log_initial, transition, log_b)
    smoothed = smooth_states(passed, transition, log_b)
    torch.testing.assert_close(passed.log_evidence.sum(1), log_p.logsumexp(1), rtol=1e-12, atol=1e-9)
    posterior = log_p.softmax(1)
    states = torch.nn.functional.one_hot(paths, CHAINS * STATES).double()
    expected = torch.einsum("bp,pts->bts", posterior, states)
    torch.testing.assert_close(smoothed.flatten(2).exp(), expected, rtol=0, atol=1e-9)
    pairs = torch.einsum("bp,pti,ptj->ij", posterior, states[:, :-1], states[:, 1:])
    counted = torch.ones(ROWS, LENGTH, dtype=torch.bool)
    moved = expected_transitions(passed, smoothed, transition, counted)
    torch.testing.assert_close(torch.block_diag(*moved), pairs, rtol=0, atol=1e-8)
    ended = torch.zeros(ROWS, LENGTH, dtype=torch.bool)
    path, best = viterbi(log_initial, transition.log(), log_b, ended)
    torch.testing.assert_close(best, log_p.max(1).values, rtol=1e-12, atol=1e-9)
    assert torch.equal(path, paths[log_p.argmax(1)])


def test_a_step_keeps_what_is_beyond_the_range_of_numbers() -> None:
    """States that are exp(-2000) and exp(-900) of the likeliest, and a chain that is impossible."""
    log_v = torch.tensor([[[0.0, -2000.0], [-900.0, -2900.0], [-torch.inf, -torch.inf]]]).double()
    matrix = torch.tensor([[[0.75, 0.25], [0.5, 0.5]]]).double().expand(3, 2, 2)
    stepped = log_step(log_v, matrix)
    expected = torch.tensor([0.75, 0.25]).double().log()
    torch.testing.assert_close(stepped[0, :2], torch.stack([expected, expected - 900]))
    assert (stepped[0, 2] == -torch.inf).all()


def test_padding_does_not_change_the_path_before_it() -> None:
    """A path into a state that is hard to leave would be preferred if padding counted."""
    transition = torch.tensor([[[0.5, 0.5], [0.01, 0.99]]]).double()
    log_b = torch.zeros(1, 20, 1, 2).double()
    log_b[0, 0, 0] = torch.tensor([0.0, -0.5])
    ended = (torch.arange(20) > 0)[None]
    path, log_p = viterbi(torch.zeros(1, 1, 2).double(), transition.log(), log_b, ended)
    assert path.tolist() == [[0] * 20] and log_p.tolist() == [0.0]
