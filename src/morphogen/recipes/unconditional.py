"""Models of unlabelled images: Frechet distance, likelihood or its bound, and memorisation."""

__all__ = ["unconditional", "without_labels"]

from dataclasses import replace
from pathlib import Path
from typing import Any

from morphogen.data import Dataset, Pictures, load_data
from morphogen.evaluation.features import features_for
from morphogen.evaluation.frechet import frechet_interval
from morphogen.evaluation.likelihood import bits_per_dim
from morphogen.evaluation.memorisation import memorisation
from morphogen.evaluation.sheet import sheet
from morphogen.recipes.records import environment, evaluation_settings, model_record, training_cost
from morphogen.recipes.train_system import SIZE, train_system
from morphogen.run import Run

LIKELIHOOD_IMAGES = 256  # held-out images whose log p is measured


def unconditional(
    name: str, system: str, budget: float, directory: Path | None = None, seed: int = 0, n: int = 300
) -> dict[str, Any]:
    """Frechet distance, likelihood and memorisation of a model; drawn.png is written to the run.

    Arguments:
        name: of the data, images.
        system: name of the model.
        budget: seconds of training.
        directory: a run of this recipe; None: train one in runs/.
        seed: of training and sampling.
        n: number of samples.
    """
    data = without_labels(load_data(name))
    run = train_system(system, data, budget, seed) if directory is None else Run.open(directory)
    model, features, train = run.model(), features_for(data), data.train.first()
    real, held_out = features(train.medium), data.test.first(n).medium
    samples = model.sample(n, seed=seed, batch=100).tensor
    figures: dict[str, Any] = {
        "real data": {"frechet": frechet_interval(real, features(held_out), seed=seed)},
        system: {
            "frechet": frechet_interval(real, features(samples), seed=seed),
            "memorised": memorisation(samples, data.train, data.valid.first().medium),
        },
    }
    if likelihood := bits_per_dim(model, data.test, LIKELIHOOD_IMAGES, seed=seed):
        figures[system]["likelihood"] = likelihood
    sheet({"real": held_out[:40], system: samples[:100]}).save(run.directory / "drawn.png", optimize=True)
    models = {system: model_record(system, SIZE, data, model)}
    settings = evaluation_settings(data, features, n, seed) | training_cost(run, budget)
    return {"figures": figures, "models": models} | settings | environment()


def without_labels(data: Dataset) -> Dataset:
    """The same images without labels."""
    parts = (data.train, data.valid, data.test)
    assert all(isinstance(part, Pictures) for part in parts)
    train, valid, test = (Pictures(part.values, part.levels) for part in parts)
    return replace(data, train=train, valid=valid, test=test, conditions={})
