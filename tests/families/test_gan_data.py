"""Adversarial models on data that have little in them: a single class."""

import pytest
import torch

from morphogen import build_system, load_data, train
from morphogen.numerics.randomness import Rng


@pytest.mark.parametrize("system", ["dcgan", "conditional_gan", "wgan_gp", "stylegan2"])
def test_one_class_is_enough(system: str) -> None:
    """A data set with one class trains, and its samples have that class."""
    pictures = (Rng(0, 40).uniform(1, 8, 8) * 255).round().byte()
    data = load_data(pictures.numpy(), ["cat"] * 40)
    model = build_system(system, data.representation, data.conditions, "tiny")
    assert train(model, data.train, steps=4).finished
    samples = model.sample(3, condition="cat", seed=0)
    assert samples.condition["label"].tolist() == [0, 0, 0] and torch.isfinite(samples.tensor.float()).all()
