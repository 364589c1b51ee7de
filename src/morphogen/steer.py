"""A classifier for a trained run of diffusion, which then draws what the classifier takes for a class.

    RUN/classifier/   model/  metrics.jsonl  timings.jsonl  checkpoints/

The run may know no labels at all: Bayes' rule puts the two together (Dhariwal & Nichol 2021, section 4).
"""

__all__ = ["classifier_of", "train_classifier"]

from typing import Any

import torch

from morphogen.component import ConfigError, build, describe
from morphogen.conditioning.label import OneHot
from morphogen.data import Dataset
from morphogen.families.diffusion import NoisyClassifier
from morphogen.model import Model, load
from morphogen.networks.convnet import ConvEncoder, halvings
from morphogen.networks.timed import Timed
from morphogen.plan import AdamW, Cosine, Plan
from morphogen.run import Run, RunError
from morphogen.training.loop import Trained, train

FINEST, COARSER, VECTOR = 32, 64, 64  # channels of the first scale and of the others; width of the time


def train_classifier(run: Run, data: Dataset, seed: int = 0, **options: Any) -> Trained:
    """Train p(class | x_t) into RUN/classifier, on the levels of noise of that run.

    Arguments:
        run: of diffusion, over pictures.
        data: pictures with classes, of the size that the run draws.
        seed: of its weights and training.
        options: of `training.train`: steps or time, device, precision, progress, resume.

    Errors: RunError for a run of another kind, or data without classes or of another size.
    """
    model = run.model()
    if not hasattr(model.objective, "denoise"):
        raise RunError(f"{run.directory}: {run.record['system']} takes no noise away, and cannot be steered so; take a run of diffusion")
    if not data.classes:
        raise RunError(f"{run.directory}: {data.name} has no classes, and nothing to steer by; give data that have")
    shape = tuple(model.representation.shape)
    if tuple(data.representation.shape) != shape:
        raise RunError(f"{run.directory} draws {list(shape)}, {data.name} is {list(data.representation.shape)}; give pictures of its size")
    torch.manual_seed(seed)  # weights start from torch's generator
    widths = (FINEST, *[COARSER] * halvings(shape))
    network = Timed(ConvEncoder(shape, (len(data.classes),), widths, vector=VECTOR), VECTOR)
    plan = Plan(AdamW(1e-3), batch=64, schedule=Cosine(warmup=20), ema=0.99, clip=1.0)
    schedule = build(describe(model.objective.schedule))
    classifier = Model(NoisyClassifier(network, schedule), model.representation, OneHot(len(data.classes)), plan)
    return train(classifier, data.train, directory=run.directory / "classifier", seed=seed, **options)


def classifier_of(run: Run, device: str = "cpu") -> NoisyClassifier:
    """What `train_classifier` left. Errors: RunError where it has not been."""
    folder = run.directory / "classifier" / "model"
    if not folder.exists():
        raise RunError(f"{folder} is not there; train it: morphogen steer {run.directory} --time 2m")
    try:
        return load(folder, device).eval().objective
    except ConfigError as error:
        raise RunError(f"{error}; train it again: morphogen steer {run.directory} --time 2m") from error
