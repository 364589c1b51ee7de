r"""Progressive distillation: a diffusion taught to take half the steps, and half of these, until few are left.

    one step of the student goes where two of its teacher's go;    then it is the teacher of the next

Paper: Progressive distillation for fast sampling of diffusion models, Salimans & Ho, 2022 ("paper": from 1024 steps down to 4; theirs begin
at 8192). The first teacher is `v_diffusion`, or a trained run of it: `morphogen train progressive_distillation --teacher RUN`. "small" is
taught 8 steps by the teacher's 16, then 4. On clothes: recipes/results/fashion-distilled.json.
"""

__all__ = ["progressive_distillation"]

from typing import Any

from morphogen.compose import Staged
from morphogen.families.diffusion import DDIM, Halved
from morphogen.model import Model
from morphogen.plan import Adam, Cosine, Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size
from morphogen.systems.v_diffusion import student, v_diffusion

STEPS: dict[Size, tuple[int, ...]] = {"tiny": (4, 2), "small": (8, 4), "paper": (512, 256, 128, 64, 32, 16, 8, 4)}
PLANS: dict[Size, Plan] = {
    "tiny": Plan(Adam(1e-3), batch=32, ema=0.99),
    "small": Plan(Adam(5e-4), batch=64, schedule=Cosine(warmup=20), ema=0.99, clip=1.0),
    "paper": Plan(Adam(1e-4), batch=128, schedule=Cosine(), clip=1.0),
}


def progressive_distillation(pixels: Pixels, classes: int = 0, size: Size = "small", teacher: Model | None = None) -> Staged:
    """Pictures in as few calls as the last student was taught; of a `teacher`, the stages that follow it."""
    model = teacher if teacher is not None else v_diffusion(pixels, classes, size)
    stages: dict[str, Any] = {} if teacher is not None else {"teacher": model}
    for steps in STEPS[size]:
        model = stages[f"in_{steps}"] = student(Halved(model, steps), pixels, classes, DDIM(steps), PLANS[size])
    return Staged(**stages)
