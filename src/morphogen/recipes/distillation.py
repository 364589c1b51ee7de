"""Few-step sampling: DDIM in few steps, progressive distillation and a consistency model.

All models sample the same n labels from the same noise. The teacher is measured with as few calls as its
students.
"""

__all__ = ["distilled"]

from pathlib import Path
from typing import Any

import torch

from morphogen.catalogue import build_system
from morphogen.contract import Sampler
from morphogen.data import Dataset, load_data
from morphogen.evaluation.conditional_fidelity import condition_accuracy
from morphogen.evaluation.features import features_for
from morphogen.evaluation.frechet import frechet_interval
from morphogen.evaluation.sheet import sheet
from morphogen.families.diffusion import DDIM, MultistepConsistency
from morphogen.model import Model
from morphogen.recipes.records import environment, evaluation_settings, model_record, training_cost
from morphogen.recipes.sampler_sweep import REFERENCE, SYSTEM
from morphogen.recipes.train_system import SIZE, train_system
from morphogen.run import Run
from morphogen.training.loop import train

# seconds of training, split evenly over the stages
STUDENTS = {"progressive_distillation": 360.0, "consistency_model": 240.0}
ROW_TITLES = {SYSTEM: "teacher", "progressive_distillation": "halved", "consistency_model": "consistency"}


def distilled(
    name: str = "fashion-mnist",
    budget: float = 1200.0,
    directory: Path | None = None,
    seed: int = 0,
    n: int = 500,
) -> dict[str, Any]:
    """Frechet distance and condition accuracy of the teacher and its students, by network calls per sample.

    An image of samples, few-steps.png, is written to the teacher's run.

    Arguments:
        name: of the data, images with classes.
        budget: seconds of the teacher's training.
        directory: a run of `morphogen train v_diffusion`, the teacher; None: train it in runs/.
        seed: of training and sampling.
        n: samples per model and number of calls.
    """
    data = load_data(name)
    run = train_system(SYSTEM, data, budget, seed) if directory is None else Run.open(directory)
    teacher, features, labels = run.model(), features_for(data), torch.arange(n) % len(data.classes)
    real = features(data.train.first(REFERENCE).medium)
    students, costs = _train_students(data, teacher, seed)
    figures: dict[str, Any] = {
        "real data": {"frechet": frechet_interval(real, features(data.test.first(n).medium), seed=seed)},
        SYSTEM: {},
    } | costs
    rows = {"real": data.test.first(20).medium}
    for system, samplers in _samplers(teacher, students).items():
        for calls, (model, sampler) in samplers.items():
            samples = model.sample(n, labels, sampler, seed=seed, batch=250).tensor
            figures[system][calls] = {
                "frechet": frechet_interval(real, features(samples), seed=seed),
                "condition_accuracy": condition_accuracy(samples, labels, features),
            }
            rows[f"{ROW_TITLES[system]}, {calls}"] = samples[:20]
    sheet(rows).quantize(64).save(run.directory / "few-steps.png", optimize=True)
    settings = evaluation_settings(data, features, n, seed) | training_cost(run, budget)
    models = _model_records(data, teacher, students)
    return {"figures": figures, "models": models} | settings | environment()


def _train_students(
    data: Dataset, teacher: Model, seed: int
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Every student, trained, and its steps and seconds."""
    students, costs = {}, {}
    for system, seconds in STUDENTS.items():
        torch.manual_seed(seed)
        student = build_system(system, data.representation, data.conditions, SIZE, teacher=teacher)
        steps = train(student, data.train, time=seconds, seed=seed).steps
        students[system], costs[system] = student, {"steps": steps, "seconds": seconds}
    return students, costs


def _model_records(data: Dataset, teacher: Model, students: dict[str, Any]) -> dict[str, Any]:
    records = {SYSTEM: model_record(SYSTEM, SIZE, data, teacher)}
    for system, student in students.items():
        records[system] = model_record(system, SIZE, data, student, teacher=teacher)
    return records


def _samplers(teacher: Any, students: dict[str, Any]) -> dict[str, dict[str, tuple[Any, Sampler]]]:
    """Model and sampler of each system by calls per sample."""
    by_calls: dict[str, tuple[Any, Sampler]] = {
        f"{calls} calls": (teacher, DDIM(calls)) for calls in (16, 8, 4, 2, 1)
    }
    return {SYSTEM: by_calls} | {system: _student_samplers(student) for system, student in students.items()}


def _student_samplers(student: Any) -> dict[str, tuple[Any, Sampler]]:
    """Model and sampler by the numbers of calls that the student was trained for."""
    if "student" in student.models:
        return {f"{calls} calls": (student.last, MultistepConsistency(calls)) for calls in (2, 1)}
    return {
        f"{stage.removeprefix('in_')} calls": (model, model.objective.default_sampler())
        for stage, model in student.models.items()
    }
