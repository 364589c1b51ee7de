r"""Diffusion that says v: the noise and the picture at once, in the proportion that is never lost; what is distilled into few steps.

    x_t = alpha_t x_0 + sigma_t eps,     loss = |v - v_theta(x_t, t)|^2,     v = alpha_t eps - sigma_t x_0

Paper: Progressive distillation for fast sampling of diffusion models, Salimans & Ho, 2022, section 4: cosine levels and a loss whose
weight of x_0 is snr + 1 ("paper": their network for CIFAR-10, drawn by DDIM). eps cannot be told from pure noise, v can, so that one call
may cross the whole way: `progressive_distillation` and `consistency_model` take a trained run of this page. "small" has 32 channels at its
finest level and reads patches of 2. On clothes by every sampler: recipes/results/fashion-diffusion.json.
"""

__all__ = ["student", "v_diffusion"]

from typing import Any

from morphogen.component import ConfigError, build, describe
from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.conditioning.taught import Taught
from morphogen.contract import Sampler
from morphogen.families.diffusion import DDIM, CosineAlphas, Diffusion, DiscretizedGaussian, Lesson
from morphogen.model import Model
from morphogen.networks.unet import UNet
from morphogen.plan import Adam, Constant, Cosine, Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size
from morphogen.systems.ddpm import numbers

CHAINS: dict[Size, tuple[int, int, int]] = {
    # steps; calls for a sample; calls that a bound may take
    "tiny": (64, 8, 65),
    "small": (1000, 50, 100),
    "paper": (1024, 1024, 1025),
}
NETWORKS: dict[str, dict[str, Any]] = {
    "tiny": {"channels": 8, "multipliers": (1, 2), "blocks": 1, "heads": 0},
    "small": {"channels": 32, "multipliers": (1, 2), "blocks": 1, "heads": 4},
    "small, above 16 a side": {"channels": 32, "multipliers": (1, 2, 4), "blocks": 1, "heads": 4, "patch": 2},
    "paper": {"channels": 256, "multipliers": (1, 1, 1), "blocks": 3, "attention": (16, 8), "dropout": 0.2},
}
PLANS: dict[Size, Plan] = {
    "tiny": Plan(Adam(2e-3), batch=32, ema=0.99),
    "small": Plan(Adam(2e-3), batch=64, schedule=Cosine(warmup=50), ema=0.999, clip=1.0),
    "paper": Plan(Adam(2e-4), batch=128, schedule=Constant(warmup=1000), ema=0.9999, clip=1.0),
}


def v_diffusion(pixels: Pixels, classes: int = 0, size: Size = "small") -> Model:
    """Pictures in any number of calls, from one to the whole chain; the label is dropped for one row in five."""
    (steps, calls, bound_steps), vector = CHAINS[size], 64 if classes else 0
    objective = Diffusion(
        UNet(pixels.shape, vector=vector, **NETWORKS[numbers(pixels, size)]),
        CosineAlphas(steps),
        DiscretizedGaussian(pixels.levels),
        "v",
        variance="posterior",
        bound_steps=bound_steps,
        drawn_by=DDIM(calls),
    )
    return Model(objective, pixels, ConditionDropout(Label(classes, vector), p=0.2) if classes else None, PLANS[size])


def student(lesson: Lesson, pixels: Pixels, classes: int, drawn_by: Sampler, plan: Plan) -> Model:
    """A model like the lesson's teacher, to be taught. Errors: ConfigError for a teacher of other pictures or classes."""
    teacher = lesson.teacher
    theirs = getattr(getattr(teacher.conditioner, "conditioner", None), "classes", 0)
    if tuple(teacher.representation.shape) != tuple(pixels.shape) or theirs != classes:
        known = f"pictures of {list(teacher.representation.shape)} in {theirs} classes"
        raise ConfigError(f"the teacher knows {known}, the data are {list(pixels.shape)} in {classes}; take a run on such data")
    of = teacher.objective
    objective = Diffusion(
        build(describe(of.network)), of.schedule, of.decoder, of.target, of.variance, of.bound_steps, drawn_by=drawn_by, taught_by=lesson
    )
    return Model(objective, pixels, Taught(teacher) if classes else None, plan)
