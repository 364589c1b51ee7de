"""A sketch as the condition: do the edges of what is drawn lie where they were asked for?

Held-out pictures give the sketches. Agreement is the correlation of a drawing's edges with its sketch; the same drawings beside other
sketches say what agreement is worth that comes of all clothes being alike.
"""

__all__ = ["sketched"]

from pathlib import Path
from typing import Any

from morphogen.conditioning.sketch import agreement
from morphogen.data import load
from morphogen.evaluation.features import features_for
from morphogen.evaluation.frechet import frechet_interval
from morphogen.evaluation.intervals import mean
from morphogen.evaluation.sheet import sheet
from morphogen.recipes.records import circumstances, specimen, spent, terms
from morphogen.recipes.trained import SIZE, trained
from morphogen.recipes.ways_down import REFERENCE
from morphogen.run import Run

SYSTEM = "sketch_to_picture"


def sketched(
    name: str = "fashion-mnist", budget: float = 240.0, directory: Path | None = None, seed: int = 0, n: int = 500
) -> dict[str, Any]:
    """Agreement of drawings with their sketches, and with those of others; a picture is left in the run.

    Arguments:
        name: of the data, pictures.
        budget: seconds of training.
        directory: a run that this recipe has left; None: train, into runs/.
        seed: of training and sampling.
        n: held-out sketches.
    """
    data = load(name, condition="sketch")
    run = trained(SYSTEM, data, budget, seed) if directory is None else Run.open(directory)
    model, features, held = run.model(), features_for(data), data.test.first(n)
    assert held.condition is not None
    drawn = model.sample(n, held.condition, seed=seed, batch=250).tensor
    real, others = features(data.train.first(REFERENCE).medium), held.condition.roll(1, 0)
    figures = {
        "real data": {
            "frechet": frechet_interval(real, features(held.medium), seed=seed),
            "with another": mean(agreement(held.medium, others)),
        },
        SYSTEM: {
            "agreement": mean(agreement(drawn, held.condition)),
            "with another": mean(agreement(drawn, others)),
            "frechet": frechet_interval(real, features(drawn), seed=seed),
        },
    }
    rows = {"sketch": 2 * held.condition[:20] - 1, "drawn": drawn[:20], "its picture": held.medium[:20]}
    sheet(rows).quantize(64).save(run.directory / "sketches.png", optimize=True)
    return (
        {"figures": figures, "models": {SYSTEM: specimen(SYSTEM, SIZE, data, model)}}
        | terms(data, features, n, seed)
        | spent(run, budget)
        | circumstances()
    )
