"""Samples of given classes: are they read as asked, and how much do they vary within a class?"""

__all__ = ["GUIDED", "conditional"]

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from morphogen.conditioning.guidance import Guided
from morphogen.contract import Sampler
from morphogen.data import load_data
from morphogen.evaluation.conditional_fidelity import condition_accuracy, conditional_fidelity
from morphogen.evaluation.features import features_for
from morphogen.evaluation.sheet import sheet
from morphogen.families.diffusion.samplers import DDIM
from morphogen.recipes.records import environment, evaluation_settings, model_record, training_cost
from morphogen.recipes.train_system import SIZE, train_system
from morphogen.run import Run

GUIDED = {f"_at_guidance_{scale:g}": Guided(DDIM(steps=50), scale) for scale in (1.0, 3.0)}


def conditional(
    name: str, system: str, budget: float, samplers: Mapping[str, Sampler | None] | None = None,
    directory: Path | None = None, seed: int = 0, n: int = 500,
) -> dict[str, Any]:  # fmt: skip
    """Conditional fidelity of samples, by an independently trained classifier; drawn.png is in the run.

    Arguments:
        name: of the data.
        system: name of the model.
        budget: seconds of training.
        samplers: by the suffix of their figures, as `GUIDED`; None: the default one.
        directory: a run of `morphogen train` or `morphogen compare`; None: train.
        seed: of training and sampling.
        n: samples per sampler, as many of each class.
    """
    data = load_data(name)
    run = train_system(system, data, budget, seed) if directory is None else Run.open(directory)
    model, features, real = run.model(), features_for(data), data.test.first()
    labels = torch.arange(n) % len(data.classes)
    figures: dict[str, Any] = {
        "classifier_on_real_test_digits": condition_accuracy(real.medium, real.condition["label"], features)
    }
    drawn = {}
    for suffix, sampler in (samplers or {"": None}).items():
        samples = model.sample(n, labels, sampler, seed=seed, batch=250).tensor
        fidelity = conditional_fidelity(samples, labels, data, features)
        figures |= {f"{measure}{suffix}": value for measure, value in fidelity.items()}
        drawn[f"{system}{suffix}".replace("_", " ")] = samples[:100]
    sheet(drawn).save(run.directory / "drawn.png", optimize=True)
    models = {system: model_record(system, SIZE, data, model)}
    settings = evaluation_settings(data, features, n, seed) | training_cost(run, budget)
    return {"figures": figures, "models": models} | settings | environment()
