"""A model of its own for each class: equal to models of the rows of each class, also of padded rows."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import morphogen as mg
from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded
from morphogen.families.classical import ByClass, ProbabilisticPCA, StateSpace
from morphogen.numerics.randomness import Rng

N, T, D = 40, 6, 2
LABELS = torch.arange(N) % 4 // 3  # three rows of class 0 to one of class 1


def sequences() -> Encoded:
    """Slow waves of class 0, fast ones of class 1; row i has 3 to 6 positions."""
    phase = torch.arange(T) * torch.where(LABELS == 0, 0.3, 2.5)[:, None] + Rng(0, N).uniform(1)
    x = torch.stack([phase.sin(), phase.cos()], 2) + 0.2 * Rng(1, N).normal(T, D)
    mask = torch.arange(T) < (3 + torch.arange(N) % 3)[:, None]
    return Encoded(x, torch.zeros(N), torch.ones(N), mask=mask)


def of(labels: Tensor, classes: int = 2) -> Context:
    return Context(vector=F.one_hot(labels, classes).float())


def fitted() -> ByClass:
    model, x = ByClass((StateSpace(D, 2), StateSpace(D, 2))), sequences()
    model.prepare(x, of(LABELS), Rng(0, N))
    for step in range(5):
        losses = model.losses(x, of(LABELS), Rng(0, N), "model")
        model.update_from_statistics(losses.statistics, step)
    return model


def test_each_class_has_the_model_of_its_rows() -> None:
    model, x = fitted(), sequences()
    for c in (0, 1):
        rows = LABELS.eq(c).nonzero()[:, 0]
        assert x.mask is not None
        own = Encoded(x.x[rows], x.log_weight[rows], x.dims[rows], mask=x.mask[rows])
        alone = StateSpace(D, 2)
        alone.prepare(own, None, Rng(0, N)[rows])
        for step in range(5):
            losses = alone.losses(own, None, Rng(0, N)[rows], "model")
            alone.update_from_statistics(losses.statistics, step)
        expected = alone.log_prob(own, None, Rng(0, N)).nats
        torch.testing.assert_close(model.log_prob(x, of(LABELS), Rng(0, N)).nats[rows], expected)
    torch.testing.assert_close(model.weights, torch.tensor([0.75, 0.25]).double())


def test_without_a_class_it_is_the_mixture_of_all() -> None:
    model, x = fitted(), sequences()
    each = [model.log_prob(x, of(torch.full((N,), c)), Rng(0, N)).nats for c in (0, 1)]
    expected = torch.logaddexp(each[0] + math.log(0.75), each[1] + math.log(0.25))
    torch.testing.assert_close(model.log_prob(x, None, Rng(0, N)).nats, expected)
    own = torch.where(LABELS == 0, each[0] - each[1], each[1] - each[0])
    assert (own > 0).double().mean() > 0.9


def test_samples_are_of_their_class_and_independent_of_the_batch() -> None:
    """The steps of class 1 are large: its samples differ more from one position to the next."""
    model, sampler = fitted(), fitted().default_sampler()
    x = sampler(model, (T, D), of(LABELS), Rng(3, N))
    change = x.diff(dim=1).square().mean((1, 2))
    assert change[LABELS == 1].mean() > 2 * change[LABELS == 0].mean()
    rows = torch.tensor([7, 0, 3])
    torch.testing.assert_close(sampler(model, (T, D), of(LABELS[rows]), Rng(3, N)[rows]), x[rows])
    assert sampler(model, (T, D), None, Rng(3, N)).shape == (N, T, D)


def test_it_is_saved_and_loaded(tmp_path: Path) -> None:
    pca = ByClass((ProbabilisticPCA((D,), 1), ProbabilisticPCA((D,), 1)))
    model = mg.Model(pca, mg.representations.Points(D))
    mg.save(model, tmp_path / "model")
    loaded = mg.load(tmp_path / "model")
    assert len(loaded.objective.models) == 2 and loaded.objective.arguments.keys() == {"models"}


def test_wrong_calls_are_refused_in_one_line() -> None:
    model, x = fitted(), sequences()
    with pytest.raises(ConfigError, match="trained on rows with a class: give labels"):
        model.losses(x, None, Rng(0, N), "model")
    with pytest.raises(ConfigError, match="of 2 models received a context vector of width 3"):
        model.log_prob(x, of(LABELS, 3), Rng(0, N))
    with pytest.raises(ConfigError, match="needs one model or more"):
        ByClass(())
