"""Training and loading of the noisy classifier of a diffusion run, and errors for unsuitable data."""

from dataclasses import replace

import pytest
import torch

from morphogen.catalogue import build_system
from morphogen.data import load_data
from morphogen.families.diffusion import DDIM, ClassifierGuided
from morphogen.guidance_classifier import load_classifier, train_classifier
from morphogen.run import Run, RunError, train_run


@pytest.fixture(scope="module")
def digits():
    return load_data("digits")


@pytest.fixture(scope="module")
def unlabelled(digits, tmp_path_factory):
    """An unconditional run."""
    torch.manual_seed(0)
    run = Run.create(
        tmp_path_factory.mktemp("runs"), "v_diffusion", "digits", {"seed": 0, "steps": 3, "size": "tiny"}
    )
    train_run(run, build_system("v_diffusion", digits.representation, {}, "tiny"), digits.train)
    return run


def test_an_unconditional_run_is_guided(digits, unlabelled):
    with pytest.raises(RunError, match="train it with morphogen train-classifier"):
        load_classifier(unlabelled)
    assert train_classifier(unlabelled, digits, steps=150).finished
    classifier, batch = load_classifier(unlabelled), digits.test.first(200)
    t = torch.full((200,), 2)
    x_t = classifier.schedule.diffuse(batch.medium, torch.zeros_like(batch.medium), t)
    accuracy = (
        (classifier(x_t, classifier.schedule.time_input(t)).argmax(1) == batch.condition["label"])
        .float()
        .mean()
    )
    assert accuracy > 0.8  # of ten classes, after 150 steps
    model, time = unlabelled.model(), classifier.schedule.time_input(t[:8])
    log_p = torch.stack(
        [
            classifier(
                model.sample(8, sampler=ClassifierGuided(DDIM(4), classifier, 3.0, k), seed=1).tensor, time
            ).log_softmax(1)
            for k in (0, 1)
        ]
    )
    for k in (0, 1):  # more likely of the class by which they were guided than those of the other
        assert (log_p[k, :, k] > log_p[1 - k, :, k]).float().mean() > 0.8


def test_unsuitable_runs_and_data_are_rejected(digits, unlabelled, tmp_path):
    with pytest.raises(RunError, match="has no classes to guide by"):
        train_classifier(unlabelled, replace(digits, conditions={}), steps=1)
    vae = Run.create(tmp_path, "vae", "digits", {"seed": 0, "steps": 1, "size": "tiny"})
    train_run(vae, build_system("vae", digits.representation, {}, "tiny"), digits.train)
    with pytest.raises(RunError, match="requires a diffusion model, not vae"):
        train_classifier(vae, digits, steps=1)
