"""PixelCNN and PixelRNN on binarised digits: equal epochs and about equal parameter counts.

Each pixel is binarised by one keyed draw, white with the probability of its brightness (Salakhutdinov &
Murray 2008, who fixed such a draw for MNIST). The images are therefore the same in every run, and nats per
image compare with those of the papers.
"""

__all__ = ["BINARISED", "binarise", "binarised"]

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from morphogen.catalogue import build_system
from morphogen.component import from_config, to_config
from morphogen.data import Dataset, load_data
from morphogen.data.dataset import Examples, Pictures
from morphogen.evaluation.intervals import mean
from morphogen.model import parameters
from morphogen.numerics.randomness import Rng
from morphogen.recipes.records import environment, model_record
from morphogen.representations.pixels import Pixels
from morphogen.training.loop import train

BINARISED = "one keyed Bernoulli draw a pixel, seed 0"


def binarised(
    name: str,
    epochs: int,
    systems: Sequence[str],
    size: str = "small",
    directory: Path | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Nats per held-out image of unconditional models, after equal epochs.

    Arguments:
        name: of the grey-level data.
        epochs: passes over the training images.
        systems: their names.
        size: of each system.
        directory: its subdirectories keep each system's training, which is resumed; None: nothing is saved.
        seed: of training.
    """
    data = binarise(load_data(name))
    figures, models = {}, {}
    for system in systems:
        torch.manual_seed(seed)  # of the initial weights
        model = build_system(system, data.representation, size=size)
        steps = math.ceil(epochs * len(data.train) / model.plan.batch)
        folder = None if directory is None else directory / system
        result = train(model, data.train, steps=steps, seed=seed, directory=folder)
        nats = mean(-model.log_prob(data.test.first().medium).nats)
        cost = {"parameters": parameters(model), "steps": steps, "seconds": round(result.seconds)}
        figures[system] = {"nats_per_image": nats} | cost
        models[system] = model_record(system, size, data, model)
    settings = {
        "data": data.name,
        "split": data.split,
        "binarised": BINARISED,
        "seed": seed,
        "epochs": epochs,
    }
    return {"figures": figures, "models": models} | settings | environment()


def binarise(data: Dataset) -> Dataset:
    """The images binarised and without labels; every pixel is drawn once, with a fixed key."""
    parts: dict[str, Any] = {part: _binary(getattr(data, part), part) for part in ("train", "valid", "test")}
    assert isinstance(data.representation, Pixels)
    pixels = from_config(to_config(data.representation) | {"levels": 2})
    return replace(data, name=f"{data.name}, binarised", conditions={}, representation=pixels, **parts)


def _binary(examples: Examples, part: str) -> Pictures:
    assert isinstance(examples, Pictures)
    u = Rng(0, len(examples), ("binarise", part)).uniform(*examples.values.shape[1:])
    return Pictures((u * (examples.levels - 1) < examples.values).byte(), 2)
