r"""Consistency model: one call from any point of the way to its end, learned from a diffusion's own curves.

    f(x_t, t) = f(x_s, s) = x for all points of one curve that ends in x

Paper: Consistency models, Song, Dhariwal, Chen & Sutskever, 2023. The teacher is `v_diffusion`, or a trained run of it: `morphogen train
consistency_model --teacher RUN`; one that was itself taught few steps is followed in just these. Here the teacher walks each curve to its
end (see `Consistency`). "paper": 18 intervals as theirs on CIFAR-10, whose teacher is EDM. On clothes:
recipes/results/fashion-distilled.json.
"""

__all__ = ["consistency_model"]

from morphogen.compose import Staged
from morphogen.families.diffusion import Consistency, Halved, MultistepConsistency
from morphogen.model import Model
from morphogen.plan import Adam, Constant, Cosine, Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size
from morphogen.systems.v_diffusion import student, v_diffusion

NUMBERS: dict[Size, tuple[int, int, Plan]] = {
    # intervals of the curve; calls for a sample
    "tiny": (4, 2, Plan(Adam(1e-3), batch=32, ema=0.99)),
    "small": (8, 2, Plan(Adam(5e-4), batch=64, schedule=Cosine(warmup=20), ema=0.99, clip=1.0)),
    "paper": (18, 1, Plan(Adam(4e-4), batch=512, schedule=Constant(), ema=0.9999)),
}


def consistency_model(pixels: Pixels, classes: int = 0, size: Size = "small", teacher: Model | None = None) -> Staged:
    """Pictures in one call or two; of a `teacher`, the stage that follows it."""
    intervals, calls, plan = NUMBERS[size]
    model = teacher if teacher is not None else v_diffusion(pixels, classes, size)
    if isinstance(lesson := getattr(model.objective, "taught_by", None), Halved):
        intervals = lesson.steps
    taught = student(Consistency(model, intervals), pixels, classes, MultistepConsistency(calls), plan)
    return Staged(student=taught) if teacher is not None else Staged(teacher=model, student=taught)
