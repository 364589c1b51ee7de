r"""Consistency models, distilled from a diffusion model: samples in one or two network calls.

    f(x_t, t) = f(x_s, s) = x_0 for all points of a trajectory of the probability-flow ODE that ends in x_0

Paper: Consistency models, Song, Dhariwal, Chen & Sutskever, 2023. The teacher is a `v_diffusion` model,
trained as the first stage or taken from a run: `morphogen train consistency_model --teacher RUN`. If the
teacher was itself distilled to n steps, the trajectory is divided into these n steps. Here the teacher
integrates every trajectory to its end (see `ConsistencyDistillation`).
"paper": 18 intervals, the paper's number for CIFAR-10, where its teacher is EDM.
Measured, on Fashion-MNIST: recipes/results/fashion-distilled.json.
"""

__all__ = ["consistency_model"]

from typing import Any

from morphogen.conditioning.specs import Classes
from morphogen.families.diffusion import (
    ConsistencyDistillation,
    MultistepConsistency,
    ProgressiveDistillation,
)
from morphogen.model import Model
from morphogen.plan import Adam, Constant, Cosine, Plan
from morphogen.representations.pixels import Pixels
from morphogen.staged import Staged
from morphogen.systems import Size
from morphogen.systems.v_diffusion import build_student, v_diffusion

SIZES: dict[Size, dict[str, Any]] = {
    # intervals of the teacher's trajectory; network calls per sample
    "tiny": {"intervals": 4, "calls": 2},
    "small": {"intervals": 8, "calls": 2},
    "paper": {"intervals": 18, "calls": 1},
}
PLANS: dict[Size, Plan] = {
    "tiny": Plan(Adam(1e-3), batch=32, ema=0.99),
    "small": Plan(Adam(5e-4), batch=64, schedule=Cosine(warmup=20), ema=0.99, clip=1.0),
    "paper": Plan(Adam(4e-4), batch=512, schedule=Constant(), ema=0.9999),
}


def consistency_model(
    pixels: Pixels, label: Classes | None = None, size: Size = "small", teacher: Model | None = None
) -> Staged:
    """Consistency model of images, sampled in 1 or 2 calls; given a `teacher`, only the student's stage."""
    intervals, calls = SIZES[size]["intervals"], SIZES[size]["calls"]
    model = teacher if teacher is not None else v_diffusion(pixels, label, size)
    distillation = getattr(model.objective, "distillation", None)
    if isinstance(distillation, ProgressiveDistillation):
        intervals = distillation.steps
    loss = ConsistencyDistillation(model, intervals)
    student = build_student(loss, pixels, label, MultistepConsistency(calls), PLANS[size])
    return Staged(student=student) if teacher is not None else Staged(teacher=model, student=student)
