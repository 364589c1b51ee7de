"""Models conditioned on sketches: agreement of the samples' edges with the sketches.

Sketches are edge maps of held-out images. Agreement is the correlation of a sample's edges with its sketch.
Agreement with other images' sketches is the baseline, since all clothes have similar outlines. The distance
of a sample from the picture of its sketch is the mean absolute difference, of values from -1 to 1; that of
the mean training picture is the baseline.
"""

__all__ = ["distance", "sketched"]

from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from morphogen.conditioning.sketch import edge_correlation
from morphogen.data import load_data
from morphogen.evaluation.features import features_for
from morphogen.evaluation.frechet import frechet_interval
from morphogen.evaluation.intervals import mean
from morphogen.evaluation.sheet import sheet
from morphogen.recipes.records import environment, evaluation_settings, model_record, training_cost
from morphogen.recipes.sampler_sweep import REFERENCE
from morphogen.recipes.train_system import SIZE, train_system
from morphogen.run import Run

SYSTEM = "sketch_to_picture"


def sketched(
    name: str = "fashion-mnist", budget: float = 240.0, directory: Path | None = None, seed: int = 0,
    n: int = 500, system: str = SYSTEM, steps: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Agreement of samples with their sketches and with other sketches; sketches.png is written to the run.

    Arguments:
        name: of the data, images.
        budget: seconds of training, unless `steps` are given.
        directory: a run of this recipe; None: train one in runs/.
        seed: of training and sampling.
        n: number of held-out sketches.
        system: of pictures given sketches.
        steps: of training; None: as many as the budget allows.
    """
    data = load_data(name, condition="sketch")
    run = train_system(system, data, budget, seed, steps=steps) if directory is None else Run.open(directory)
    model, features, held_out = run.model(), features_for(data), data.test.first(n)
    sketch = held_out.condition["sketch"]
    samples = model.sample(n, sketch, seed=seed, batch=250).tensor
    reference, others = data.train.first(REFERENCE).medium, sketch.roll(1, 0)
    real = features(reference)
    figures = {
        "real data": {
            "frechet": frechet_interval(real, features(held_out.medium), seed=seed),
            "with another": mean(edge_correlation(held_out.medium, others)),
        },
        "mean picture": {"distance": distance(reference.mean(0, keepdim=True), held_out.medium)},
        system: {
            "agreement": mean(edge_correlation(samples, sketch)),
            "with another": mean(edge_correlation(samples, others)),
            "distance": distance(samples, held_out.medium),
            "frechet": frechet_interval(real, features(samples), seed=seed),
        },
    }
    rows = {"sketch": 2 * sketch[:20] - 1, "drawn": samples[:20], "its picture": held_out.medium[:20]}
    sheet(rows).quantize(64).save(run.directory / "sketches.png", optimize=True)
    settings = evaluation_settings(data, features, n, seed) | training_cost(run, None if steps else budget)
    models = {system: model_record(system, SIZE, data, model)}
    return {"figures": figures, "models": models} | settings | environment()


def distance(one: Float[Tensor, "#n c h w"], other: Float[Tensor, "n c h w"]) -> Any:
    """Mean absolute difference of pictures, with its interval over the rows."""
    return mean((one - other).abs().flatten(1).mean(1))
