"""The better of several samples by the inner product with the caption's embedding."""

from typing import Any

import pytest
import torch
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.conditioning.best_match import BestMatch
from morphogen.contract import Context, Sampler
from morphogen.numerics.randomness import Rng


class Normal(Sampler):
    """x ~ N(0, I), whatever the objective."""

    def __call__(self, objective: Any, shape: Any, context: Context | None, rng: Rng) -> Tensor:
        return rng.normal(*shape)


VECTOR = Rng(5, 4000).normal(3)


def test_the_best_of_k_normal_scores_has_their_expected_maximum() -> None:
    """n = 4000, seed 0: <x, v> / |v| ~ N(0, 1); the mean of the larger of two is 1 / sqrt(pi)."""
    context, rng = Context(VECTOR), Rng(0, 4000)
    for k, expected in ((1, 0.0), (2, torch.pi**-0.5)):
        x = BestMatch(Normal(), k)(None, (3,), context, rng)
        score = (x * VECTOR).sum(1) / VECTOR.norm(dim=1)
        assert abs(score.mean() - expected) < 4 / 4000**0.5


def test_a_sample_depends_on_its_row_only_and_is_one_of_the_candidates() -> None:
    context, rng = Context(VECTOR[:4]), Rng(0, 4)
    x = BestMatch(Normal(), 3)(None, (3,), context, rng)
    assert torch.equal(BestMatch(Normal(), 3)(None, (3,), context[2:3], rng[2:3]), x[2:3])
    candidates = torch.stack([rng.fork("candidate", i).normal(3) for i in range(3)])
    best = (candidates * VECTOR[:4]).sum(2).max(0).values
    torch.testing.assert_close((x * VECTOR[:4]).sum(1), best)
    assert torch.equal(BestMatch(Normal(), 3)(None, (3,), None, rng), candidates[0])


def test_errors() -> None:
    with pytest.raises(ConfigError, match="candidates=0: draw at least 1"):
        BestMatch(Normal(), 0)
    with pytest.raises(ConfigError, match=r"compares x \[2\] with context.vector \[3\]"):
        BestMatch(Normal())(None, (2,), Context(VECTOR[:1]), Rng(0, 1))
