"""Pictures of a kind that no label tells apart: what a diffusion draws when it is asked for nothing."""

__all__ = ["unconditional"]

from dataclasses import replace
from pathlib import Path
from typing import Any

from morphogen.data import Dataset, Pictures, load
from morphogen.evaluation.features import features_for
from morphogen.evaluation.frechet import frechet_interval
from morphogen.evaluation.likelihood import bits_per_dim
from morphogen.evaluation.memorisation import memorisation
from morphogen.evaluation.sheet import sheet
from morphogen.recipes.records import circumstances, specimen, spent, terms
from morphogen.recipes.trained import SIZE, trained
from morphogen.run import Run

MEASURED = 256  # held-out pictures whose log p is found


def unconditional(name: str, system: str, budget: float, directory: Path | None = None, seed: int = 0, n: int = 300) -> dict[str, Any]:
    """Frechet distance, bound and copies of a model without labels; a picture is left in the run.

    Arguments:
        name: of the data, pictures.
        system: that draws them.
        budget: seconds of training.
        directory: a run that this recipe has left; None: train, into runs/.
        seed: of training and sampling.
        n: samples.
    """
    data = _unlabelled(load(name))
    run = trained(system, data, budget, seed) if directory is None else Run.open(directory)
    model, features, train = run.model(), features_for(data), data.train.first()
    real, held = features(train.medium), data.test.first(n).medium
    drawn = model.sample(n, seed=seed, batch=100).tensor
    figures = {
        "real data": {"frechet": frechet_interval(real, features(held), seed=seed)},
        system: {
            "frechet": frechet_interval(real, features(drawn), seed=seed),
            "likelihood": bits_per_dim(model, data.test, MEASURED, seed=seed),
            "memorised": memorisation(drawn, data.train, data.valid.first().medium),
        },
    }
    sheet({"real": held[:40], system: drawn[:100]}).save(run.directory / "drawn.png", optimize=True)
    return (
        {"figures": figures, "models": {system: specimen(system, SIZE, data, model)}}
        | terms(data, features, n, seed)
        | spent(run, budget)
        | circumstances()
    )


def _unlabelled(data: Dataset) -> Dataset:
    """The same pictures, with nothing said of them."""
    parts = (data.train, data.valid, data.test)
    assert all(isinstance(part, Pictures) for part in parts)
    train, valid, test = (Pictures(part.values, part.levels) for part in parts)  # type: ignore[attr-defined]
    return replace(data, train=train, valid=valid, test=test, classes=())
