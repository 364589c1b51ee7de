"""What bf16 costs in quality: the same system, seed and steps, trained in fp32 and in bf16, and both measured on held-out pictures.

    python -m benchmarks.precision_cost        one JSON line a system; stored in results/precision-DATE-MACHINE.json

Rounding is the same wherever bf16 is: where the hardware lacks it, torch emulates it, only slower. Weights, optimiser and losses' sums
stay fp32 in both (`morphogen/numerics/precision.py`), and both models are measured in fp32. The difference is that of the same pictures
one by one, so that its standard error is small beside that of either figure.
"""

__all__ = ["Cost", "cost"]

import json
import math
import time
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from benchmarks.record import place, write
from morphogen.catalogue import compose
from morphogen.data import load
from morphogen.numerics.precision import Precision
from morphogen.training import train

SYSTEMS = {"gated_pixelcnn": 240, "vae": 120}  # steps of each on digits: seconds in fp32, three minutes where bf16 is emulated


@dataclass(frozen=True)
class Cost:
    """Bits per dim on held-out pictures; `more` is what bf16 needs above fp32, with the standard error of that difference."""

    system: str
    data: str
    steps: int
    fp32: float
    bf16: float
    more: float
    stderr: float
    seconds: dict[str, float]


def cost(system: str, steps: int, data: str = "digits", seed: int = 0) -> Cost:
    """Train twice and measure on the test part."""
    seconds, bits = {}, {}
    for precision in ("fp32", "bf16"):
        begun = time.monotonic()
        bits[precision] = _trained(system, steps, data, seed, precision)
        seconds[precision] = round(time.monotonic() - begun, 1)
    difference = bits["bf16"] - bits["fp32"]
    figures = (bits["fp32"].mean(), bits["bf16"].mean(), difference.mean(), difference.std() / math.sqrt(len(difference)))
    fp32, bf16, more, stderr = (round(figure.item(), 5) for figure in figures)
    return Cost(system, data, steps, fp32, bf16, more, stderr, seconds)


def _trained(system: str, steps: int, data: str, seed: int, precision: Precision) -> Tensor:
    """Bits per dim of each picture of the test part: [N]."""
    dataset = load(data)
    torch.manual_seed(seed)  # weights start from torch's generator
    model = compose(system, dataset.representation, len(dataset.classes), "small")
    train(model, dataset.train, steps=steps, seed=seed, device="cpu", precision=precision)
    held_out = dataset.test.first()
    return model.log_prob(held_out.medium, held_out.condition, seed=seed).bits_per_dim


def main() -> None:
    """Every system, printed and stored."""
    costs = []
    for system, steps in SYSTEMS.items():
        costs.append(asdict(cost(system, steps)))
        print(json.dumps(costs[-1]), flush=True)
    write(place(kind="precision-"), costs=costs)


if __name__ == "__main__":
    main()
