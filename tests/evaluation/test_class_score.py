"""The class score on distributions whose score is known, and against scipy's relative entropy."""

import pytest
import torch
from scipy.stats import entropy
from torch.nn import functional as F

from morphogen.evaluation.class_score import class_score


@pytest.mark.parametrize("classes", [2, 5])
def test_confident_and_even_use_of_k_classes_scores_k(classes):
    p = F.one_hot(torch.arange(100) % classes, 10).double()
    assert class_score(p)["value"] == pytest.approx(classes)


@pytest.mark.parametrize("p", [torch.full((50, 4), 0.25), F.one_hot(torch.zeros(50, dtype=torch.long), 4)])
def test_doubt_and_a_single_class_score_one(p):
    figure = class_score(p.double())
    assert figure["value"] == pytest.approx(1) and figure["low"] >= 1


def test_a_single_sample_has_the_whole_range():
    figure = class_score(torch.eye(5)[:1].double())
    assert (figure["value"], figure["low"], figure["high"]) == (1, 1, 5)


def test_an_even_use_of_sure_classes_has_a_width():
    """No row differs from the others there, so the jackknife and any first-order term are 0."""
    figure = class_score(torch.eye(5).repeat(8, 1).double())
    assert figure["low"] < 4.9 and figure["high"] == figure["value"] == pytest.approx(5)


def test_equals_the_mean_relative_entropy():
    p = torch.randn(60, 7, generator=torch.Generator().manual_seed(0)).double().mul(2).softmax(1)
    relative = entropy(p.numpy(), p.mean(0).numpy()[None].repeat(60, 0), axis=1).mean()
    figure = class_score(p)
    assert figure["value"] == pytest.approx(torch.tensor(relative).exp().item(), rel=1e-9)
    assert figure["low"] < figure["value"] < figure["high"]
