r"""Diffusion with velocity prediction: the network predicts v, a combination of the noise and the image.

    x_t = alpha_t x_0 + sigma_t eps,     loss = |v - v_theta(x_t, t)|^2,     v = alpha_t eps - sigma_t x_0

Paper: Progressive distillation for fast sampling of diffusion models, Salimans & Ho, 2022, section 4: a
cosine schedule and a loss with weight snr + 1 of x_0.
"paper": its CIFAR-10 network, sampled by DDIM. At pure noise, eps does not determine x_0, but v does, so that
a single network call can cross the whole time range: `progressive_distillation` and `consistency_model`
distill a trained run of this model. "small" has 32 channels at its finest level and patches of 2 x 2 pixels
on images above 16 pixels.
Measured, on Fashion-MNIST with every sampler: recipes/results/fashion-diffusion.json.
"""

__all__ = ["build_student", "v_diffusion"]

from typing import Any

from morphogen.component import ConfigError, from_config, to_config
from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.frozen import Frozen
from morphogen.conditioning.label import Label
from morphogen.conditioning.specs import Classes
from morphogen.contract import Sampler
from morphogen.families.diffusion import DDIM, CosineAlphas, Diffusion, DiscretizedGaussian, DistillationLoss
from morphogen.model import Model
from morphogen.networks.unet import UNet
from morphogen.plan import Adam, Constant, Cosine, Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size
from morphogen.systems.ddpm import size_key

SIZES: dict[Size, dict[str, Any]] = {
    # steps of the chain; network calls per sample, and per evaluation of the bound
    "tiny": {"steps": 64, "calls": 8, "bound_steps": 65},
    "small": {"steps": 1000, "calls": 50, "bound_steps": 100},
    "paper": {"steps": 1024, "calls": 1024, "bound_steps": 1025},
}
NETWORKS: dict[str, dict[str, Any]] = {
    "tiny": {"channels": 8, "multipliers": (1, 2), "blocks": 1, "heads": 0},
    "small": {"channels": 32, "multipliers": (1, 2), "blocks": 1, "heads": 4},
    "small, above 16 pixels": {"channels": 32, "multipliers": (1, 2, 4), "blocks": 1, "heads": 4, "patch": 2},
    "paper": {"channels": 256, "multipliers": (1, 1, 1), "blocks": 3, "attention": (16, 8), "dropout": 0.2},
}
PLANS: dict[Size, Plan] = {
    "tiny": Plan(Adam(2e-3), batch=32, ema=0.99),
    "small": Plan(Adam(2e-3), batch=64, schedule=Cosine(warmup=50), ema=0.999, clip=1.0),
    "paper": Plan(Adam(2e-4), batch=128, schedule=Constant(warmup=1000), ema=0.9999, clip=1.0),
}


def v_diffusion(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Model:
    """v-prediction diffusion of images, sampled in any number of steps; one label in five is dropped."""
    chain, vector = SIZES[size], 64 if label else 0
    objective = Diffusion(
        UNet(pixels.shape, vector=vector, **NETWORKS[size_key(pixels, size)]),
        CosineAlphas(chain["steps"]),
        DiscretizedGaussian(pixels.levels),
        "v",
        variance="posterior",
        bound_steps=chain["bound_steps"],
        sampler=DDIM(chain["calls"]),
    )
    conditioner = ConditionDropout(Label(len(label), vector), p=0.2) if label else None
    return Model(objective, pixels, conditioner, PLANS[size])


def build_student(
    loss: DistillationLoss, pixels: Pixels, label: Classes | None, sampler: Sampler, plan: Plan
) -> Model:
    """A model like the loss's teacher, trained by that loss.

    Errors: ConfigError if the teacher was trained on images of another shape or on other classes.
    """
    teacher = loss.teacher
    shape, teacher_shape = list(pixels.shape), list(teacher.representation.shape)
    classes, teacher_classes = len(label or ()), _classes(teacher.conditioner)
    if teacher_shape != shape or teacher_classes != classes:
        raise ConfigError(
            f"the teacher's images have shape {teacher_shape} and {teacher_classes} classes, the data's have "
            f"{shape} and {classes}: use a teacher trained on such data"
        )
    original = teacher.objective
    objective = Diffusion(
        from_config(to_config(original.network)),
        original.schedule,
        original.decoder,
        original.target,
        original.variance,
        original.bound_steps,
        sampler=sampler,
        distillation=loss,
    )
    return Model(objective, pixels, Frozen(teacher.conditioner) if label else None, plan)


def _classes(conditioner: Any) -> int:
    """The number of classes of a conditioner of labels, within its wrappers; 0 without one."""
    while hasattr(conditioner, "conditioner"):
        conditioner = conditioner.conditioner
    return getattr(conditioner, "classes", 0)
