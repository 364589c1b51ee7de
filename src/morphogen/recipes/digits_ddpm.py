"""DDPM on the 8 x 8 digits, steered by its label: does it draw what it is asked, and does it still draw many of each?

python -m morphogen.recipes.digits_ddpm
"""

__all__ = ["digits_ddpm"]

import json
from typing import Any

import torch

from morphogen.conditioning.guidance import Guided
from morphogen.contract import Batch
from morphogen.data import load
from morphogen.evaluation.features import DigitFeatures
from morphogen.families.diffusion.samplers import DDIM
from morphogen.recipes import record
from morphogen.systems.ddpm import ddpm
from morphogen.training.loop import train


def digits_ddpm(seconds: float = 280.0, seed: int = 0, n: int = 500) -> dict[str, Any]:
    """Train `small` for at most 5 minutes, then read 500 guided samples (scale 3) and 500 plain ones with a classifier."""
    torch.manual_seed(seed)
    data = load("digits")
    model: Any = ddpm(data.representation, len(data.classes), "small")  # type: ignore[arg-type]
    trained = train(model, data.train, time=seconds, seed=seed)
    asked, real = torch.arange(n) % len(data.classes), data.train.first()
    figures = {"classifier_on_real_test_digits": accuracy(data.test.first())}
    for scale in (1.0, 3.0):
        drawn = Batch(model.sample(n, asked, Guided(DDIM(steps=50), scale), seed=seed, batch=250).tensor, asked)
        figures[f"read_as_asked_at_guidance_{scale:g}"] = accuracy(drawn)
        figures[f"within_class_variance_over_real_at_guidance_{scale:g}"] = spread(drawn) / spread(real)
    budget = {"steps": trained.steps, "seconds": round(trained.seconds)}
    return record("digits-ddpm", model, figures, data=data.name, split=data.split, seed=seed, n=n, **budget)


def accuracy(batch: Batch) -> float:
    """Share of pictures that the digits' classifier reads as their label; it never took part in training the model."""
    assert batch.condition is not None
    return (DigitFeatures().classify(batch.medium).argmax(1) == batch.condition).float().mean().item()


def spread(batch: Batch) -> float:
    """Variance of the features within a class, summed over features, averaged over classes."""
    assert batch.condition is not None
    features = DigitFeatures()(batch.medium)
    return torch.stack([features[batch.condition == c].var(0).sum() for c in batch.condition.unique()]).mean().item()


if __name__ == "__main__":
    print(json.dumps(digits_ddpm(), indent=2))
