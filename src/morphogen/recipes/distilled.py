"""Few steps, three ways: a trained diffusion asked for too little, its students taught 8 and 4 steps, and one of one or two.

Each draws the same n labels from the same noise; the teacher in as few calls stands beside its students, since that is what they spare.
"""

__all__ = ["distilled"]

from pathlib import Path
from typing import Any

import torch

from morphogen.catalogue import compose
from morphogen.contract import Sampler
from morphogen.data import load
from morphogen.evaluation.features import features_for
from morphogen.evaluation.frechet import frechet_interval
from morphogen.evaluation.sheet import sheet
from morphogen.evaluation.steering import read_as_asked
from morphogen.families.diffusion import DDIM, MultistepConsistency
from morphogen.recipes.records import circumstances, specimen, spent, terms
from morphogen.recipes.trained import SIZE, trained
from morphogen.recipes.ways_down import REFERENCE, SYSTEM
from morphogen.run import Run
from morphogen.training.loop import train

STUDENTS = {"progressive_distillation": 360.0, "consistency_model": 240.0}  # seconds of training, shared evenly by the stages


def distilled(
    name: str = "fashion-mnist", budget: float = 1200.0, directory: Path | None = None, seed: int = 0, n: int = 500
) -> dict[str, Any]:
    """Frechet distances and labels read as asked, of the teacher and its students by calls; a picture is left in the run.

    Arguments:
        name: of the data, pictures with classes.
        budget: seconds of the teacher's training.
        directory: a run that `morphogen train v_diffusion` has left, the teacher; None: train it, into runs/.
        seed: of training and sampling.
        n: samples of each.
    """
    data = load(name)
    run = trained(SYSTEM, data, budget, seed) if directory is None else Run.open(directory)
    teacher, features, asked = run.model(), features_for(data), torch.arange(n) % len(data.classes)
    real = features(data.train.first(REFERENCE).medium)
    ways: dict[str, dict[str, tuple[Any, Sampler]]] = {SYSTEM: {f"{calls} calls": (teacher, DDIM(calls)) for calls in (16, 8, 4, 2, 1)}}
    models, taught = {SYSTEM: specimen(SYSTEM, SIZE, data, teacher)}, {}
    for system, seconds in STUDENTS.items():
        torch.manual_seed(seed)
        student = compose(system, data.representation, len(data.classes), SIZE, teacher=teacher)
        taught[system] = {"steps": train(student, data.train, time=seconds, seed=seed).steps, "seconds": seconds}
        models[system] = specimen(system, SIZE, data, student, teacher=teacher)
        ways[system] = _asked(student)
    figures: dict[str, Any] = {"real data": {"frechet": frechet_interval(real, features(data.test.first(n).medium), seed=seed)}}
    rows = {"real": data.test.first(20).medium}
    for system, by_calls in ways.items():
        figures[system] = taught.get(system, {}).copy()
        for label, (model, way) in by_calls.items():
            drawn = model.sample(n, asked, way, seed=seed, batch=250).tensor
            found = {"frechet": frechet_interval(real, features(drawn), seed=seed), "read_as_asked": read_as_asked(drawn, asked, features)}
            figures[system][label], rows[f"{_SHORT[system]}, {label}"] = found, drawn[:20]
    sheet(rows).quantize(64).save(run.directory / "few-steps.png", optimize=True)
    return {"figures": figures, "models": models} | terms(data, features, n, seed) | spent(run, budget) | circumstances()


_SHORT = {SYSTEM: "teacher", "progressive_distillation": "halved", "consistency_model": "consistency"}


def _asked(student: Any) -> dict[str, tuple[Any, Sampler]]:
    """The ways that a student was taught."""
    if "student" in student.models:
        return {"2 calls": (student.last, MultistepConsistency(2)), "1 calls": (student.last, MultistepConsistency(1))}
    return {f"{stage.removeprefix('in_')} calls": (model, model.objective.sampler()) for stage, model in student.models.items()}
