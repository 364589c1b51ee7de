r"""Progressive distillation: students that sample in half the steps of their teacher, in several stages.

    one DDIM step of the student = two DDIM steps of its teacher;    the student teaches the next stage

Paper: Progressive distillation for fast sampling of diffusion models, Salimans & Ho, 2022.
"paper": from 1024 steps down to 4; the paper starts at 8192. The first teacher is a `v_diffusion` model,
trained as the first stage or taken from a run: `morphogen train progressive_distillation --teacher RUN`.
"small" distills 16 steps of the teacher into 8, then into 4.
Measured, on Fashion-MNIST: recipes/results/fashion-distilled.json.
"""

__all__ = ["progressive_distillation"]

from typing import Any

from morphogen.conditioning.specs import Classes
from morphogen.families.diffusion import DDIM, ProgressiveDistillation
from morphogen.model import Model
from morphogen.plan import Adam, Cosine, Plan
from morphogen.representations.pixels import Pixels
from morphogen.staged import Staged
from morphogen.systems import Size
from morphogen.systems.v_diffusion import build_student, v_diffusion

STUDENT_STEPS: dict[Size, tuple[int, ...]] = {  # sampling steps of each student in turn
    "tiny": (4, 2),
    "small": (8, 4),
    "paper": (512, 256, 128, 64, 32, 16, 8, 4),
}
PLANS: dict[Size, Plan] = {
    "tiny": Plan(Adam(1e-3), batch=32, ema=0.99),
    "small": Plan(Adam(5e-4), batch=64, schedule=Cosine(warmup=20), ema=0.99, clip=1.0),
    "paper": Plan(Adam(1e-4), batch=128, schedule=Cosine(), clip=1.0),
}


def progressive_distillation(
    pixels: Pixels, label: Classes | None = None, size: Size = "small", teacher: Model | None = None
) -> Staged:
    """Diffusion model of images distilled to few steps; given a `teacher`, only the students' stages."""
    model = teacher if teacher is not None else v_diffusion(pixels, label, size)
    stages: dict[str, Any] = {} if teacher is not None else {"teacher": model}
    for steps in STUDENT_STEPS[size]:
        loss = ProgressiveDistillation(model, steps)
        model = build_student(loss, pixels, label, DDIM(steps), PLANS[size])
        stages[f"in_{steps}"] = model
    return Staged(**stages)
