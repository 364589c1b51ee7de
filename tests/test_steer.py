"""A classifier beside a run: trained on its levels of noise, kept with it, refused where it makes no sense."""

from dataclasses import replace

import pytest
import torch

from morphogen.catalogue import compose
from morphogen.data import load
from morphogen.families.diffusion import DDIM, ClassifierGuided
from morphogen.run import Run, RunError, train_run
from morphogen.steer import classifier_of, train_classifier


@pytest.fixture(scope="module")
def digits():
    return load("digits")


@pytest.fixture(scope="module")
def unlabelled(digits, tmp_path_factory):
    """A run that has never heard of labels."""
    torch.manual_seed(0)
    run = Run.create(tmp_path_factory.mktemp("runs"), "v_diffusion", "digits", {"seed": 0, "steps": 3, "size": "tiny"})
    train_run(run, compose("v_diffusion", digits.representation, 0, "tiny"), digits.train)
    return run


def test_a_run_without_labels_is_steered(digits, unlabelled):
    with pytest.raises(RunError, match="train it: morphogen steer"):
        classifier_of(unlabelled)
    assert train_classifier(unlabelled, digits, steps=150).finished
    classifier, batch = classifier_of(unlabelled), digits.test.first(200)
    t = torch.full((200,), 2)
    x_t = classifier.schedule.diffuse(batch.medium, torch.zeros_like(batch.medium), t)
    right = (classifier(x_t, classifier.schedule.told(t)).argmax(1) == batch.condition).float().mean()
    assert right > 0.8  # of ten classes, 150 steps
    drawn = [unlabelled.model().sample(2, sampler=ClassifierGuided(DDIM(4), classifier, 3.0, k), seed=1).tensor for k in (0, 1)]
    assert not torch.equal(*drawn)


def test_what_cannot_be_steered_is_refused(digits, unlabelled, tmp_path):
    with pytest.raises(RunError, match="no classes, and nothing to steer by"):
        train_classifier(unlabelled, replace(digits, classes=()), steps=1)
    vae = Run.create(tmp_path, "vae", "digits", {"seed": 0, "steps": 1, "size": "tiny"})
    train_run(vae, compose("vae", digits.representation, 0, "tiny"), digits.train)
    with pytest.raises(RunError, match="vae takes no noise away"):
        train_classifier(vae, digits, steps=1)
