"""Sketch-conditioned diffusion: agreement of the samples' edges with the sketches.

Sketches are edge maps of held-out images. Agreement is the correlation of a sample's edges with its sketch.
Agreement with other images' sketches is the baseline, since all clothes have similar outlines.
"""

__all__ = ["sketched"]

from pathlib import Path
from typing import Any

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
    name: str = "fashion-mnist",
    budget: float = 240.0,
    directory: Path | None = None,
    seed: int = 0,
    n: int = 500,
) -> dict[str, Any]:
    """Agreement of samples with their sketches and with other sketches; sketches.png is written to the run.

    Arguments:
        name: of the data, images.
        budget: seconds of training.
        directory: a run of this recipe; None: train one in runs/.
        seed: of training and sampling.
        n: number of held-out sketches.
    """
    data = load_data(name, condition="sketch")
    run = train_system(SYSTEM, data, budget, seed) if directory is None else Run.open(directory)
    model, features, held_out = run.model(), features_for(data), data.test.first(n)
    sketch = held_out.condition["sketch"]
    samples = model.sample(n, sketch, seed=seed, batch=250).tensor
    real, others = features(data.train.first(REFERENCE).medium), sketch.roll(1, 0)
    figures = {
        "real data": {
            "frechet": frechet_interval(real, features(held_out.medium), seed=seed),
            "with another": mean(edge_correlation(held_out.medium, others)),
        },
        SYSTEM: {
            "agreement": mean(edge_correlation(samples, sketch)),
            "with another": mean(edge_correlation(samples, others)),
            "frechet": frechet_interval(real, features(samples), seed=seed),
        },
    }
    sketches = 2 * sketch[:20] - 1
    rows = {"sketch": sketches, "drawn": samples[:20], "its picture": held_out.medium[:20]}
    sheet(rows).quantize(64).save(run.directory / "sketches.png", optimize=True)
    models = {SYSTEM: model_record(SYSTEM, SIZE, data, model)}
    settings = evaluation_settings(data, features, n, seed) | training_cost(run, budget)
    return {"figures": figures, "models": models} | settings | environment()
