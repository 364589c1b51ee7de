"""Translation without pairs: drawings to pictures and back, measured on pairs that are held out.

A drawing has the edges of a picture, white on black, which for digits are outlines. One half of the training
pictures is kept, of the other half there are the drawings alone, so that no training picture has a partner.
The distance of a translation from the true partner is the mean absolute difference, of values from -1 to 1.
It is compared with that of two baselines: the original unchanged, in grey, and the mean of the training part.
"""

__all__ = ["drawings", "unpaired"]

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.conditioning.sketch import edges
from morphogen.data import Dataset, Examples, Pictures, load_data
from morphogen.evaluation.features import features_for
from morphogen.evaluation.frechet import frechet_interval
from morphogen.evaluation.sheet import sheet
from morphogen.recipes.records import environment, evaluation_settings, model_record, training_cost
from morphogen.recipes.sampler_sweep import REFERENCE
from morphogen.recipes.sketches import distance
from morphogen.recipes.train_system import SIZE, train_system
from morphogen.representations.pixels import Pixels
from morphogen.run import Run

SYSTEM = "cyclegan"


def unpaired(
    name: str = "mnist-5k", budget: float = 300.0, directory: Path | None = None, seed: int = 0, n: int = 500
) -> dict[str, Any]:
    """Distances of translations from their true partners; unpaired.png is written to the run.

    Arguments:
        name: of the data, images.
        budget: seconds of training.
        directory: a run of this recipe; None: train one in runs/.
        seed: of training and sampling.
        n: number of held-out pairs.
    """
    data = drawings(load_data(name))
    run = train_system(SYSTEM, data, budget, seed) if directory is None else Run.open(directory)
    model, features, train = run.model(), features_for(data), data.train.first(REFERENCE)
    held_out = data.test.first(n)
    picture, drawing = held_out.medium, held_out.condition["source"]
    filled = model.sample(len(picture), drawing, seed=seed, batch=250).tensor
    drawn = torch.cat([model.objective.to_source(rows) for rows in picture.split(250)])
    figures = {
        "unchanged": {
            "picture": distance(drawing.expand_as(picture), picture),
            "drawing": distance(picture.mean(1, keepdim=True), drawing),
        },
        "mean": {
            "picture": distance(train.medium.mean(0, keepdim=True), picture),
            "drawing": distance(train.condition["source"].mean(0, keepdim=True), drawing),
        },
        SYSTEM: {
            "picture": distance(filled, picture),
            "drawing": distance(drawn, drawing),
            "frechet": frechet_interval(features(train.medium), features(filled), seed=seed),
        },
    }
    rows = {"drawing": drawing, "filled": filled, "its picture": picture, "drawn": drawn}
    sheet({label: row[:20] for label, row in rows.items()}).quantize(64).save(
        run.directory / "unpaired.png", optimize=True
    )
    record = {"figures": figures, "models": {SYSTEM: model_record(SYSTEM, SIZE, data, model)}}
    return record | evaluation_settings(data, features, n, seed) | training_cost(run, budget) | environment()


def drawings(data: Dataset) -> Dataset:
    """The data with drawings as sources: of the other half of the training part, else of the same rows."""
    half = len(data.train) // 2
    first, second = torch.arange(half), torch.arange(half, len(data.train))
    pictures = replace(data, train=_Part(data.train, first))
    drawn = {"train": _drawn(data.train[second].medium)}
    drawn |= {name: _drawn(getattr(data, name).first().medium) for name in ("valid", "test")}
    gray = Pixels(256, (1, *data.representation.shape[1:]))
    drawings = {"name": f"drawings of {data.name}", "conditions": {}, "representation": gray}
    others = replace(data, **drawn, **drawings)  # type: ignore[arg-type]
    return load_data(pictures, source=others)


class _Part(Examples):
    """Some of the rows of a data set."""

    def __init__(self, rows: Examples, indices: Tensor):
        self.rows, self.indices = rows, indices
        self.labels = None if rows.labels is None else rows.labels[indices]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, indices: Tensor) -> Any:
        return self.rows[self.indices[indices]]


def _drawn(pictures: Float[Tensor, "n c h w"]) -> Pictures:
    """The edges of pictures, white on black."""
    return Pictures((255 * edges(pictures)).round().byte())
