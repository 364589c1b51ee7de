"""Train a noisy classifier for a diffusion run, for classifier guidance of its samples.

    RUN/classifier/   model/  metrics.jsonl  timings.jsonl  checkpoints/

The run may be unconditional: Bayes' rule combines it with the classifier (Dhariwal & Nichol 2021, section 4).
"""

__all__ = ["load_classifier", "train_classifier"]

from shlex import quote
from typing import Any

import torch

from morphogen.component import ConfigError, from_config, to_config
from morphogen.conditioning.label import OneHot
from morphogen.data import Dataset
from morphogen.families.diffusion import NoisyClassifier
from morphogen.model import Model, load
from morphogen.networks.convnet import ConvEncoder, halvings
from morphogen.networks.time_conditioned import TimeConditioned
from morphogen.plan import AdamW, Cosine, Plan
from morphogen.run import Run, RunError
from morphogen.training.loop import train
from morphogen.training.outcome import Trained

FIRST_WIDTH, WIDTH = 32, 64  # channels at full resolution, and at the lower ones
TIME_WIDTH = 64  # of the time embedding


def train_classifier(run: Run, data: Dataset, seed: int = 0, **options: Any) -> Trained:
    """Train p(class | x_t) at the noise levels of `run`, and save it in RUN/classifier.

    Arguments:
        run: a run of an image diffusion model.
        data: images with classes, of the size of the run's samples.
        seed: seed of the weights and of training.
        options: passed to `training.train`: steps or time, device, precision, progress, resume.

    Errors: RunError for a run that isn't a diffusion model, and for data without classes or of another size.
    """
    model = run.model()
    if not hasattr(model.objective, "schedule"):
        raise RunError(
            f"{run.directory}: classifier guidance requires a diffusion model, not {run.record['system']}"
        )
    if not data.classes:
        raise RunError(f"{run.directory}: {data.name} has no classes to guide by: use data with classes")
    label = run.conditions.get("label")
    if label is not None and (names := label.names) != data.classes:  # type: ignore[attr-defined]
        raise RunError(
            f"{run.directory} has the classes {', '.join(names)}, {data.name} has {', '.join(data.classes)}: "
            "use data with the same classes"
        )
    shape = tuple(model.representation.shape)
    if tuple(data.representation.shape) != shape:
        raise RunError(
            f"{run.directory} samples images of shape {list(shape)}, "
            f"but those of {data.name} are {list(data.representation.shape)}: use data of the same shape"
        )
    torch.manual_seed(seed)  # torch's generator initializes the weights
    widths = (FIRST_WIDTH, *[WIDTH] * halvings(shape))
    encoder = ConvEncoder(shape, (len(data.classes),), widths, vector=TIME_WIDTH)
    network = TimeConditioned(encoder, TIME_WIDTH)
    plan = Plan(AdamW(1e-3), batch=64, schedule=Cosine(warmup=20), ema=0.99, clip=1.0)
    schedule = from_config(to_config(model.objective.schedule))
    objective = NoisyClassifier(network, schedule)
    classifier = Model(objective, model.representation, OneHot(len(data.classes)), plan)
    return train(classifier, data.train, directory=run.directory / "classifier", seed=seed, **options)


def load_classifier(run: Run, device: str = "cpu") -> NoisyClassifier:
    """Load the classifier saved by `train_classifier`.

    Errors: RunError if there is none, or if it can't be loaded.
    """
    folder = run.directory / "classifier" / "model"
    command = f"morphogen train-classifier {quote(str(run.directory))} --time 2m"
    if not folder.exists():
        raise RunError(f"{folder} does not exist: train it with {command}")
    try:
        return load(folder, device).eval().objective
    except ConfigError as error:
        raise RunError(f"{error}: train it again with {command}") from error
