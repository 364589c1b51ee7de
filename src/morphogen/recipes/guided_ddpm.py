"""DDPM steered by its label: does it draw what it is asked, and does it still draw many of each?"""

__all__ = ["guided_ddpm"]

from pathlib import Path
from typing import Any

import torch

from morphogen.catalogue import compose
from morphogen.conditioning.guidance import Guided
from morphogen.data import Dataset, load
from morphogen.evaluation.features import features_for
from morphogen.evaluation.steering import read_as_asked, steering
from morphogen.families.diffusion.samplers import DDIM
from morphogen.recipes.records import circumstances, specimen, terms
from morphogen.run import Run
from morphogen.training.loop import train

STEPS = 50  # of DDIM
SCALES = (1.0, 3.0)


def guided_ddpm(name: str, budget: float, directory: Path | None = None, seed: int = 0, n: int = 500) -> dict[str, Any]:
    """Read n samples at guidance 1 and 3 with a classifier that no training of the model has seen.

    Arguments:
        name: of the data.
        budget: seconds of training.
        directory: a run that `morphogen train` or `compare` has left; None: train.
        seed: of training and sampling.
        n: samples at each guidance.
    """
    data = load(name)
    model, spent = _trained(data, budget, seed) if directory is None else _found(directory)
    features, asked, real = features_for(data), torch.arange(n) % len(data.classes), data.test.first()
    assert real.condition is not None
    figures: dict[str, Any] = {"classifier_on_real_test_digits": read_as_asked(real.medium, real.condition, features)}
    for scale in SCALES:
        drawn = model.sample(n, asked, Guided(DDIM(steps=STEPS), scale), seed=seed, batch=250).tensor
        found = steering(drawn, asked, data, features)
        figures[f"read_as_asked_at_guidance_{scale:g}"] = found["read_as_asked"]
        figures[f"within_class_variance_over_real_at_guidance_{scale:g}"] = found["variance_over_real"]
    models, how = {"ddpm": specimen("ddpm", "small", data, model)}, {"budget": budget, "sampler_steps": STEPS}
    return {"figures": figures, "models": models} | terms(data, features, n, seed) | how | spent | circumstances()


def _trained(data: Dataset, budget: float, seed: int) -> tuple[Any, dict[str, Any]]:
    torch.manual_seed(seed)  # weights start from torch's generator
    model = compose("ddpm", data.representation, len(data.classes), "small")
    trained = train(model, data.train, time=budget, seed=seed)
    return model, {"steps": trained.steps, "seconds": round(trained.seconds)}


def _found(directory: Path) -> tuple[Any, dict[str, Any]]:
    run = Run.open(directory)
    return run.model(), {"steps": run.record["steps"], "seconds": round(run.record["seconds"])}
