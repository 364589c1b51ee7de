"""Class-conditional DDPM with classifier-free guidance: condition accuracy and within-class variance."""

__all__ = ["guided_ddpm"]

from pathlib import Path
from typing import Any

import torch

from morphogen.catalogue import build_system
from morphogen.conditioning.guidance import Guided
from morphogen.data import Dataset, load_data
from morphogen.evaluation.conditional_fidelity import condition_accuracy, conditional_fidelity
from morphogen.evaluation.features import features_for
from morphogen.families.diffusion.samplers import DDIM
from morphogen.recipes.records import environment, evaluation_settings, model_record
from morphogen.run import Run
from morphogen.training.loop import train

STEPS = 50  # of DDIM
SCALES = (1.0, 3.0)


def guided_ddpm(
    name: str, budget: float, directory: Path | None = None, seed: int = 0, n: int = 500
) -> dict[str, Any]:
    """Conditional fidelity of n samples at guidance scales 1 and 3, by an independently trained classifier.

    Arguments:
        name: of the data.
        budget: seconds of training.
        directory: a run of `morphogen train` or `morphogen compare`; None: train.
        seed: of training and sampling.
        n: samples per guidance scale.
    """
    data = load_data(name)
    model, cost = _train(data, budget, seed) if directory is None else _load_run(directory)
    features, labels, real = features_for(data), torch.arange(n) % len(data.classes), data.test.first()
    figures: dict[str, Any] = {
        "classifier_on_real_test_digits": condition_accuracy(real.medium, real.condition["label"], features)
    }
    for scale in SCALES:
        samples = model.sample(n, labels, Guided(DDIM(steps=STEPS), scale), seed=seed, batch=250).tensor
        fidelity = conditional_fidelity(samples, labels, data, features)
        figures[f"condition_accuracy_at_guidance_{scale:g}"] = fidelity["condition_accuracy"]
        figures[f"variance_ratio_at_guidance_{scale:g}"] = fidelity["variance_ratio"]
    models = {"ddpm": model_record("ddpm", "small", data, model)}
    settings = evaluation_settings(data, features, n, seed) | {"budget": budget, "sampler_steps": STEPS}
    return {"figures": figures, "models": models} | settings | cost | environment()


def _train(data: Dataset, budget: float, seed: int) -> tuple[Any, dict[str, Any]]:
    torch.manual_seed(seed)  # of the initial weights
    model = build_system("ddpm", data.representation, data.conditions, "small")
    result = train(model, data.train, time=budget, seed=seed)
    return model, {"steps": result.steps, "seconds": round(result.seconds)}


def _load_run(directory: Path) -> tuple[Any, dict[str, Any]]:
    run = Run.open(directory)
    return run.model(), {"steps": run.record["steps"], "seconds": round(run.record["seconds"])}
