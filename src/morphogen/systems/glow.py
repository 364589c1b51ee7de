"""Glow: a normalizing flow of images with invertible 1 x 1 convolutions (Kingma & Dhariwal 2018)."""

__all__ = ["glow"]

from typing import Any

from morphogen.conditioning.label import Label
from morphogen.conditioning.specs import Classes
from morphogen.contract import Representation
from morphogen.families.flow import Flow, FlowSteps
from morphogen.model import Model
from morphogen.networks.convnet import halvings
from morphogen.plan import Adam, Constant, Cosine, Plan, Schedule
from morphogen.representations.pixels import Dequantised, Logit, Pixels
from morphogen.systems import Size

LARGE = "small, above 16 pixels"  # "small" for images with a side above 16 pixels
SIZES: dict[str, dict[str, Any]] = {
    # scales: at most; an image of 28 x 28 can be squeezed twice
    "tiny": {"width": 16, "steps_per_scale": 2, "scales": 2},
    "small": {"width": 64, "steps_per_scale": 8, "scales": 2},
    LARGE: {"width": 160, "steps_per_scale": 16, "scales": 3},
    "paper": {"width": 512, "steps_per_scale": 32, "scales": 3},
}
TRAINING: dict[str, dict[str, Any]] = {
    "tiny": {"lr": 3e-3, "batch": 32, "ema": 0.9, "schedule": Cosine(warmup=20)},
    "small": {"lr": 3e-3, "batch": 32, "ema": 0.99, "schedule": Cosine(warmup=20)},
    LARGE: {"lr": 3e-3, "batch": 32, "ema": 0.99, "schedule": Cosine(warmup=50)},
    # 64 pictures on each of 8 workers; warmup of 10 epochs of 50,000 pictures
    "paper": {"lr": 1e-3, "batch": 512, "ema": 0.0, "schedule": Constant(warmup=977)},
}


def glow(
    pixels: Pixels, label: Classes | None = None, size: Size = "small",
    dequantised: Representation | None = None,
) -> Model:  # fmt: skip
    r"""Glow (Kingma & Dhariwal 2018) with affine couplings, class-conditional if there are classes.

        log P(x) >= E_u[log N(f(y); 0, I) + log|det df/dx|],   y = logit(alpha + (1 - 2 alpha) (x + u))

    "paper" has the numbers of CIFAR-10 in the authors' code (openai/glow, README.md and train.py: K = 32, L =
    3, 512 channels), with Adam as in the paper, where the code has Adamax. The logit of RealNVP replaces the
    paper's pixels in [-1/2, 1/2], which a Gaussian exceeds; `dequantised` replaces the uniform u, as in
    VariationallyDequantised(pixels, NoiseFlow(pixels.shape)).
    Measured, small, on Fashion-MNIST without labels, 12 min on one core: 3.20 bits/dim (a bound).
    """
    key, vector = LARGE if size == "small" and max(pixels.shape) > 16 else size, 32 if label else 0
    sizes, training = SIZES[key], TRAINING[key]
    scales = max(1, min(sizes["scales"], halvings(pixels.shape, 1)))
    schedule: Schedule = training["schedule"]
    plan = Plan(
        Adam(training["lr"]), batch=training["batch"], schedule=schedule, ema=training["ema"], clip=50.0
    )
    flow = FlowSteps(pixels.shape, sizes["width"], sizes["steps_per_scale"], scales, vector)
    continuous = dequantised if dequantised is not None else Dequantised(pixels)
    conditioner = Label(len(label), vector) if label else None
    return Model(Flow(flow), Logit(continuous, alpha=0.05), conditioner, plan)
