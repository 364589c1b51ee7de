"""Samplers of one trained diffusion model: quality by network calls, effect of guidance, and likelihood.

Every sampler draws the same n labels from the same noise, so that figures differ by the sampler only.
References are held-out images, a Gaussian mixture, and ancestral sampling with all steps of the chain.
"""

__all__ = ["REFERENCE", "SYSTEM", "sampler_sweep"]

from collections.abc import Iterator
from copy import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from morphogen.catalogue import build_system
from morphogen.conditioning.guidance import Guided
from morphogen.contract import Sampler
from morphogen.data import Dataset, load_data
from morphogen.evaluation.conditional_fidelity import condition_accuracy, conditional_fidelity
from morphogen.evaluation.features import Features, features_for
from morphogen.evaluation.frechet import frechet_interval
from morphogen.evaluation.likelihood import bits_per_dim
from morphogen.evaluation.sheet import sheet
from morphogen.families.diffusion import DDIM, DDPM, DPMSolver, Heun, ProbabilityFlow
from morphogen.model import Model
from morphogen.recipes.records import environment, evaluation_settings, model_record, training_cost
from morphogen.recipes.train_system import SIZE, train_system
from morphogen.representations.pixels import Dequantised
from morphogen.run import Run
from morphogen.training.loop import train

SYSTEM = "v_diffusion"
SCALES, GUIDED_CALLS = (1.0, 2.0, 3.0, 5.0), 20  # guidance scales; network calls of guided sampling
SHEET_CALLS, SHEET_SCALES = (5, 10, 20, 50), (1.0, 2.0, 4.0)  # of the image of samples
REFERENCE = 10_000  # training images of the Frechet distance
LIKELIHOOD_IMAGES, FLOW_INTERVALS = 256, 60  # held-out images whose log p is measured; intervals of the ODE
MIXTURE_SECONDS = 120.0


def sampler_sweep(
    name: str = "fashion-mnist",
    budget: float = 1200.0,
    directory: Path | None = None,
    seed: int = 0,
    n: int = 500,
) -> dict[str, Any]:
    """Frechet distance by sampler and calls, conditional fidelity by guidance scale, and two likelihoods.

    An image of samples, calls-guidance.png, is written to the run.

    Arguments:
        name: of the data, images with classes.
        budget: seconds of training.
        directory: a run of `morphogen train v_diffusion`; None: train one in runs/.
        seed: of training and sampling.
        n: samples per sampler.
    """
    data = load_data(name)
    run = train_system(SYSTEM, data, budget, seed) if directory is None else Run.open(directory)
    model, features = run.model(), features_for(data)
    figures = _measure(model, data, features, seed, n)
    _sheet(model, data, seed).quantize(64).save(run.directory / "calls-guidance.png", optimize=True)
    models = {SYSTEM: model_record(SYSTEM, SIZE, data, model)}
    settings = evaluation_settings(data, features, n, seed) | training_cost(run, budget)
    return {"figures": figures, "models": models} | settings | environment()


def _measure(model: Model, data: Dataset, features: Features, seed: int, n: int) -> dict[str, Any]:
    """The figures of the model, of held-out images and of the mixture."""
    labels, held_out = torch.arange(n) % len(data.classes), data.test.first(n)
    real = features(data.train.first(REFERENCE).medium)

    def frechet(images: Tensor) -> Any:
        return frechet_interval(real, features(images), seed=seed)

    figures: dict[str, Any] = {
        "real data": {
            "frechet": frechet(held_out.medium),
            "condition_accuracy": condition_accuracy(held_out.medium, held_out.condition["label"], features),
        },
        "mixture": {"frechet": frechet(_mixture_samples(data, labels, seed))},
    }
    figures[SYSTEM] = {
        "frechet": {
            title: frechet(_sample(model, labels, sampler, seed)) for title, sampler in _samplers(model)
        },
        "guidance": {
            f"scale {scale:g}": _fidelity(model, scale, labels, data, features, seed) for scale in SCALES
        },
        "likelihood": _likelihood(model, data, seed),
    }
    return figures


def _samplers(model: Any) -> Iterator[tuple[str, Sampler]]:
    """Every sampler with its title; the last is ancestral sampling with all steps."""
    for calls in (5, 10, 20, 50):
        yield f"DDIM, {calls} calls", DDIM(calls)
        yield f"DPM-Solver++, {calls} calls", DPMSolver(calls)
    for calls in (10, 20):
        yield f"Heun, {calls} calls", Heun(calls)
    yield f"DDPM, {model.objective.schedule.t_max} calls", DDPM()


def _sample(model: Model, labels: Tensor, sampler: Sampler, seed: int) -> Tensor:
    return model.sample(len(labels), labels, sampler, seed=seed, batch=250).tensor


def _fidelity(
    model: Model, scale: float, labels: Tensor, data: Dataset, features: Features, seed: int
) -> dict[str, Any]:
    """Condition accuracy and within-class variance ratio at one guidance scale."""
    samples = _sample(model, labels, Guided(DPMSolver(GUIDED_CALLS), scale), seed)
    return dict(conditional_fidelity(samples, labels, data, features))


def _likelihood(model: Any, data: Dataset, seed: int) -> dict[str, Any]:
    """Bits/dim of held-out images, by the variational bound and by the probability-flow ODE."""
    objective = copy(model.objective)
    objective.likelihood = ProbabilityFlow(FLOW_INTERVALS)
    flow = Model(objective, Dequantised(data.representation), model.conditioner)  # type: ignore[arg-type]
    return {
        kind: bits_per_dim(measured, data.test, LIKELIHOOD_IMAGES, seed=seed)
        for kind, measured in (("bound", model), ("flow", flow))
    }


def _mixture_samples(data: Dataset, labels: Tensor, seed: int) -> Tensor:
    """Samples of the Gaussian mixture, the baseline."""
    torch.manual_seed(seed)
    model = build_system("mixture", data.representation, data.conditions, SIZE)
    train(model, data.train, time=MIXTURE_SECONDS, seed=seed)
    return model.sample(len(labels), labels, seed=seed, batch=250).tensor


def _sheet(model: Model, data: Dataset, seed: int) -> Any:
    """One sample per class from the same noise: a row per number of calls, a block per guidance scale."""
    classes, held_out = len(data.classes), data.test.first(REFERENCE)
    first_of_class = [held_out.medium[held_out.condition["label"] == label][0] for label in range(classes)]
    rows = {"real": torch.stack(first_of_class)}
    for scale in SHEET_SCALES:
        for calls in SHEET_CALLS:
            sampler = Guided(DPMSolver(calls), scale)
            rows[f"guidance {scale:g}, {calls} calls"] = _sample(model, torch.arange(classes), sampler, seed)
    return sheet(rows, columns=classes)
