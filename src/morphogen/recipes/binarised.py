"""PixelCNN beside PixelRNN on black and white digits: as many passes over the same pictures, about as many numbers to learn.

Each grey value is made black or white by one keyed draw, white with the probability of its brightness (Salakhutdinov & Murray 2008, who
fixed such a draw for MNIST): the pictures are the same for everyone, and nats are of the size that the papers report.
"""

__all__ = ["binarise", "binarised"]

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from morphogen.catalogue import compose
from morphogen.component import build, describe
from morphogen.data import Dataset, load
from morphogen.data.dataset import Examples, Pictures
from morphogen.evaluation.intervals import mean
from morphogen.model import parameters
from morphogen.numerics.randomness import Rng
from morphogen.recipes.records import circumstances, specimen
from morphogen.representations.pixels import Pixels
from morphogen.training.loop import train


def binarised(
    name: str, epochs: int, systems: Sequence[str], size: str = "small", directory: Path | None = None, seed: int = 0
) -> dict[str, Any]:
    """Nats of a held-out picture after equal epochs, with no label.

    Arguments:
        name: of the grey data.
        epochs: passes over the training pictures.
        systems: names.
        size: of each.
        directory: keeps each training in a folder of its system's name, and goes on from what is there; None: keeps nothing.
        seed: of training.
    """
    data = binarise(load(name))
    figures, models = {}, {}
    for system in systems:
        torch.manual_seed(seed)  # weights start from torch's generator
        model = compose(system, data.representation, 0, size)
        steps = math.ceil(epochs * len(data.train) / model.plan.batch)
        trained = train(model, data.train, steps=steps, seed=seed, directory=None if directory is None else directory / system)
        nats = mean(-model.log_prob(data.test.first().medium).nats)
        known = {"parameters": parameters(model), "steps": steps, "seconds": round(trained.seconds)}
        figures[system] = {"nats_a_picture": nats} | known
        models[system] = specimen(system, size, data, model)
    known = {
        "data": data.name,
        "split": data.split,
        "binarised": "one keyed Bernoulli draw a pixel, seed 0",
        "seed": seed,
        "epochs": epochs,
    }
    return {"figures": figures, "models": models} | known | circumstances()


def binarise(data: Dataset) -> Dataset:
    """Black and white pictures without labels, each value drawn once for all."""
    parts: dict[str, Any] = {part: _drawn(getattr(data, part), part) for part in ("train", "valid", "test")}
    assert isinstance(data.representation, Pixels)
    pixels = build(describe(data.representation) | {"levels": 2})
    return replace(data, name=f"{data.name}, binarised", classes=(), representation=pixels, **parts)


def _drawn(examples: Examples, part: str) -> Pictures:
    assert isinstance(examples, Pictures)
    u = Rng(0, len(examples), ("binarise", part)).uniform(*examples.values.shape[1:])
    return Pictures((u * (examples.levels - 1) < examples.values).byte(), 2)
