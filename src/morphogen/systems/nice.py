"""NICE: a normalizing flow of additive couplings and one diagonal scaling (Dinh, Krueger & Bengio 2015)."""

__all__ = ["nice"]

import math
from typing import Any

from morphogen.conditioning.label import Label
from morphogen.conditioning.specs import Classes
from morphogen.families.flow import ActNorm, Additive, Bijection, Chain, Flatten, Flow, SplitCoupling
from morphogen.model import Model
from morphogen.networks.perceptron import Perceptron
from morphogen.plan import Adam, Constant, Cosine, Plan, Schedule
from morphogen.representations.pixels import Dequantised, Pixels
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {
    "tiny": {"width": 64, "layers": 2, "couplings": 4},
    "small": {"width": 256, "layers": 3, "couplings": 4},
    "paper": {"width": 1000, "layers": 5, "couplings": 4},
}
TRAINING: dict[Size, dict[str, Any]] = {
    "tiny": {"lr": 3e-3, "batch": 32, "ema": 0.9, "schedule": Cosine(warmup=20)},
    "small": {"lr": 1e-3, "batch": 64, "ema": 0.99, "schedule": Cosine(warmup=20)},
    "paper": {"lr": 1e-3, "batch": 200, "ema": 0.0, "schedule": Constant()},
}


def nice(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Model:
    r"""NICE (Dinh, Krueger & Bengio 2015), class-conditional if there are classes.

        z = S (f_4 o f_3 o f_2 o f_1)(y),   log P(x) >= E_u[log N(z; 0, I) + sum_i log S_ii]

    Each coupling adds a perceptron of every second pixel to the others. "paper" has the numbers of MNIST
    (section 5.1). Differences: the prior is Gaussian, as that of their faces, not logistic, and the diagonal
    scaling S shifts too, so that the first batch determines both (`ActNorm`).
    Bits per dim: not measured.
    """
    sizes, training, vector = SIZES[size], TRAINING[size], 32 if label else 0
    dims, widths = math.prod(pixels.shape), (sizes["width"],) * sizes["layers"]
    halves, couplings = (dims - dims // 2, dims // 2), list[Bijection]()
    for i in range(sizes["couplings"]):
        copied, changed = halves[i % 2], halves[1 - i % 2]
        network = Perceptron((copied,), (changed,), widths, vector, activation="relu")
        couplings.append(SplitCoupling(network, "alternate", i % 2, Additive()))
    schedule: Schedule = training["schedule"]
    plan = Plan(
        Adam(training["lr"], betas=(0.9, 0.99)),
        batch=training["batch"],
        schedule=schedule,
        ema=training["ema"],
        clip=100.0,
    )
    flow = Flow(Flatten(Chain((*couplings, ActNorm(dims)))))
    return Model(flow, Dequantised(pixels), Label(len(label), vector) if label else None, plan)
