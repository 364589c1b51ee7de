"""DDPM steered by its label: does it draw what it is asked, and does it still draw many of each?

python -m morphogen.recipes.guided_ddpm digits               trains 280 seconds and records
python -m morphogen.recipes.guided_ddpm mnist-5k RUN         records of a run that `morphogen compare` or `train` left
"""

__all__ = ["guided_ddpm"]

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from morphogen.catalogue import compose
from morphogen.conditioning.guidance import Guided
from morphogen.data import load
from morphogen.evaluation.features import features_for
from morphogen.evaluation.steering import read_as_asked, steering
from morphogen.families.diffusion.samplers import DDIM
from morphogen.recipes import record
from morphogen.run import Run
from morphogen.training.loop import train

STEPS = 50  # of DDIM


def guided_ddpm(name: str, run: Path | None = None, seconds: float = 280.0, seed: int = 0, n: int = 500) -> dict[str, Any]:
    """Read n samples at guidance 1 and 3 with a classifier that no training of the model has seen; results/NAME-ddpm.json."""
    data = load(name)
    if run is None:
        torch.manual_seed(seed)
        model = compose("ddpm", data.representation, len(data.classes), "small")
        trained = train(model, data.train, time=seconds, seed=seed)
        budget = {"steps": trained.steps, "seconds": round(trained.seconds)}
    else:
        trained_run = Run.open(run)
        model, facts = trained_run.model(), trained_run.record
        budget = {"steps": facts["steps"], "seconds": round(facts["seconds"])}
    features, asked, real = features_for(data), torch.arange(n) % len(data.classes), data.test.first()
    assert real.condition is not None
    measured: dict[str, Any] = {"classifier_on_real_test_digits": read_as_asked(real.medium, real.condition, features)}
    for scale in (1.0, 3.0):
        drawn = model.sample(n, asked, Guided(DDIM(steps=STEPS), scale), seed=seed, batch=250).tensor
        found = steering(drawn, asked, data, features)
        measured[f"read_as_asked_at_guidance_{scale:g}"] = found["read_as_asked"]
        measured[f"within_class_variance_over_real_at_guidance_{scale:g}"] = found["variance_over_real"]
    figures = {name: interval["value"] for name, interval in measured.items()}
    told: dict[str, Any] = {"intervals": {name: [interval["low"], interval["high"]] for name, interval in measured.items()}}
    named = {"name": features.name, "sha256": features.sha256}
    told |= {"data": name, "split": data.split, "features": named, "seed": seed, "n": n, "sampler_steps": STEPS} | budget
    return record(f"{name}-ddpm", model, figures, **told)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=("digits", "mnist-5k"))
    parser.add_argument("run", nargs="?", type=Path)
    given = parser.parse_args()
    print(json.dumps(guided_ddpm(given.name, given.run), indent=2))
