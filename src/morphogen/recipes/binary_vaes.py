r"""VAEs of binarised digits, trained on k importance weights, and a hierarchy of latents beside them.

    log P(x) >= E log (1/K) sum_i P(x, z_i) / q(z_i | x),   z_i ~ q(z | x),   K draws for each test image

The networks of Burda, Grosse & Salakhutdinov 2016, 784-200-200-50, train for equal epochs with k = 1, a VAE,
and k = 5 and 50, and each keeps the weights of its best validation bound. A difference of two models is that
of the same images, so that its interval does not contain how much images differ.
"""

__all__ = ["MODELS", "NATS", "VALIDATE", "BinaryVAE", "binary_vaes", "bound", "held_out_nats"]

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor

from morphogen.catalogue import build_system
from morphogen.data import Dataset, load_data
from morphogen.evaluation.intervals import mean
from morphogen.files import write_tensors
from morphogen.model import parameters
from morphogen.recipes.binary_digits import BINARISED, binarise
from morphogen.recipes.records import environment, model_record
from morphogen.training.loop import train
from morphogen.training.outcome import Trained
from morphogen.training.validation import Validation

VALIDATE = 2  # epochs between two validations
ROWS = 496  # test images evaluated at a time
NATS = "test.safetensors"  # nats of each test image, for paired differences


@dataclass(frozen=True)
class BinaryVAE:
    """A system, the config values that it is trained with, and the draws K of its test bound."""

    system: str
    draws: int
    changes: Mapping[str, Any] = field(default_factory=dict)


# The hierarchy, of convolutions, is half as wide as at size small, and still costs most of the time.
MODELS = {
    "iwae_1": BinaryVAE("iwae", 5000, {"objective.bound.samples": 1}),
    "iwae_5": BinaryVAE("iwae", 5000),
    "iwae_50": BinaryVAE("iwae", 5000, {"objective.bound.samples": 50}),
    "hierarchical_vae": BinaryVAE("hierarchical_vae", 20, {"objective.network.width": 16}),
}


def binary_vaes(
    name: str,
    epochs: int,
    models: Mapping[str, BinaryVAE] = MODELS,
    size: str = "small",
    directory: Path | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Nats per test image of each model, and of the first less those of each, after equal epochs.

    Arguments:
        name: of the grey-level data.
        epochs: passes over the training images.
        models: by the name of their figures.
        size: of the systems.
        directory: its subdirectories keep each model's training, which is resumed, and its nats of each test
            image, which are not computed again; None: nothing is saved.
        seed: of training and evaluation.
    """
    data = binarise(load_data(name))
    figures: dict[str, Any] = {}
    records, nats = {}, {}
    for title, spec in models.items():
        torch.manual_seed(seed)  # of the initial weights
        model = build_system(spec.system, data.representation, size=size, changes=spec.changes)
        records[title] = model_record(spec.system, size, data, model, spec.changes)
        folder = None if directory is None else directory / title
        trained, cost = _train(model, data, epochs, seed, folder)
        known = None if folder is None or trained.resumed < trained.steps else _known(folder, spec.draws)
        nats[title] = held_out_nats(model, data, spec.draws, seed) if known is None else known
        if folder is not None:
            write_tensors(folder / NATS, {"nats": nats[title], "draws": torch.tensor(spec.draws)})
        gain = mean(nats[next(iter(models))] - nats[title])
        figures[title] = {"nats_per_image": bound(nats[title], spec.draws), "gain_over_first": gain} | cost
    settings = {"data": data.name, "split": data.split, "binarised": BINARISED, "seed": seed}
    return {"figures": figures, "models": records} | settings | {"epochs": epochs} | environment()


def held_out_nats(model: Any, data: Dataset, draws: int, seed: int = 0) -> Float[Tensor, " n"]:
    """The bound of -log P of each test image in nats, from so many draws for each."""
    model.objective.bound_samples = draws
    return -model.log_prob(data.test.first().medium, seed=seed, batch=ROWS).nats


def bound(nats: Float[Tensor, " n"], draws: int) -> dict[str, Any]:
    """The figure of the mean of bounds from so many draws."""
    return {**mean(nats), "kind": "lower_bound", "draws": draws}


def _known(folder: Path, draws: int) -> Float[Tensor, " n"] | None:
    """The nats of each test image that an earlier evaluation of this model left; None: there are none."""
    stored = load_file(folder / NATS) if (folder / NATS).exists() else {}
    return stored["nats"] if stored and stored["draws"] == draws else None


def _train(
    model: Any, data: Dataset, epochs: int, seed: int, directory: Path | None
) -> tuple[Trained, dict[str, Any]]:
    """Train a model to its best validation bound; returns also what that is and what it cost."""
    each = math.ceil(len(data.train) / model.plan.batch)  # steps of an epoch
    validation, draws = Validation(data.valid, every=VALIDATE * each), model.objective.bound_samples
    trained = train(
        model, data.train, steps=epochs * each, seed=seed, directory=directory,
        precision="fp32",  # the weights w_i are exponentials of sums of 784 logarithms
        validation=validation,
    )  # fmt: skip
    best = {"epoch": trained.best_step // each, "nats": -trained.validated[trained.best_step], "draws": draws}
    cost = {"parameters": parameters(model), "steps": trained.steps, "seconds": round(trained.seconds)}
    return trained, {"best_validation": best} | cost
