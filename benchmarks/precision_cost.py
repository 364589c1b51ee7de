"""Cost of bf16 training in quality: the same system, seed and steps in fp32 and in bf16, on held-out images.

    python -m benchmarks.precision_cost     one JSON line per system, in results/precision-DATE-MACHINE.json

bf16 rounds equally on all hardware; where it is not native, torch emulates it, more slowly. Weights,
optimizer state and loss sums are fp32 in both (`morphogen/numerics/precision.py`), and both models are
evaluated in fp32. The difference is paired by image, so its standard error is small compared with that of
either value.
"""

__all__ = ["Cost", "cost"]

import json
import math
import time
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from benchmarks.record import record_path, write
from morphogen.catalogue import build_system
from morphogen.data import load_data
from morphogen.numerics.precision import Precision
from morphogen.training import train

# training steps on digits: seconds in fp32, three minutes where bf16 is emulated
SYSTEMS = {"gated_pixelcnn": 240, "vae": 120}


@dataclass(frozen=True)
class Cost:
    """Bits/dim on held-out images in both precisions; `more` is bf16 - fp32 and `stderr` its error."""

    system: str
    data: str
    steps: int
    fp32: float
    bf16: float
    more: float
    stderr: float
    seconds: dict[str, float]


def cost(system: str, steps: int, data: str = "digits", seed: int = 0) -> Cost:
    """Train in both precisions and evaluate on the test split."""
    seconds, bits = {}, {}
    for precision in ("fp32", "bf16"):
        start = time.monotonic()
        bits[precision] = _train(system, steps, data, seed, precision)
        seconds[precision] = round(time.monotonic() - start, 1)
    difference = bits["bf16"] - bits["fp32"]
    error = difference.std() / math.sqrt(len(difference))
    values = (bits["fp32"].mean(), bits["bf16"].mean(), difference.mean(), error)
    fp32, bf16, more, stderr = (round(value.item(), 5) for value in values)
    return Cost(system, data, steps, fp32, bf16, more, stderr, seconds)


def _train(system: str, steps: int, data: str, seed: int, precision: Precision) -> Tensor:
    """Bits/dim of each image of the test split, [N], after training."""
    dataset = load_data(data)
    torch.manual_seed(seed)  # weights are initialized by torch's generator
    model = build_system(system, dataset.representation, dataset.conditions, "small")
    train(model, dataset.train, steps=steps, seed=seed, device="cpu", precision=precision)
    test = dataset.test.first()
    return model.log_prob(test.medium, test.condition, seed=seed).bits_per_dim


def main() -> None:
    """Measure every system; print and store the costs."""
    costs = []
    for system, steps in SYSTEMS.items():
        costs.append(asdict(cost(system, steps)))
        print(json.dumps(costs[-1]), flush=True)
    write(record_path(kind="precision-"), costs=costs)


if __name__ == "__main__":
    main()
