"""`python -m benchmarks.glow_bounds [STEPS]`: normflows' Glow beside ours, in bits/dim of Fashion-MNIST.

Both have 2 scales of 8 steps with 128 channels, and are trained by the same loop: the same pictures and
dequantisation noise at every step, the same first batch for the actnorms, and the same Adam. A gain is the
mean over the same test pictures, with the same noise. Stored in results/glow-DATE-MACHINE.json.
"""

__all__ = ["OurGlow", "PeerGlow", "bits", "fit", "main"]

import math
import sys
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.peers import normflows_glow as peer
from benchmarks.record import record_path, write
from morphogen.data import Dataset, load_data
from morphogen.evaluation.intervals import mean
from morphogen.families.flow import FlowSteps
from morphogen.model import parameters
from morphogen.numerics.distributions import gaussian_log_prob
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import sum_except_batch

WIDTH, STEPS_PER_SCALE, SCALES = 128, 8, 2
BATCH, TEST, SEED = 32, 1000, 0


def main(steps: str = "1000") -> None:
    """Train and measure both sides, and store the figures."""
    data = load_data("fashion-mnist")
    figures: dict[str, Any] = {}
    of_rows: dict[str, Tensor] = {}
    for name, side in {"ours": OurGlow, "normflows": PeerGlow}.items():
        torch.manual_seed(SEED)
        net = side(data.representation.shape)
        fit(net, data, int(steps))
        of_rows[name] = bits(net, data, TEST)
        figures[name] = {"bits_per_dim": mean(of_rows[name]), "parameters": parameters(net)}
        print(name, figures[name], flush=True)
    figures["gain"] = mean(of_rows["normflows"] - of_rows["ours"])
    print("gain", figures["gain"])
    write(record_path(kind="glow-"), data=data.name, split=data.split, steps=int(steps), figures=figures)


class OurGlow(nn.Module):
    """log p(y) of y [N, C, H, W] in [0, 1], by ours."""

    def __init__(self, shape: tuple[int, int, int]):
        super().__init__()
        self.flow = FlowSteps(shape, WIDTH, STEPS_PER_SCALE, SCALES)

    def prepare(self, y: Tensor) -> None:
        """Initialize the actnorms."""
        with torch.no_grad():
            self.flow.prepare(y, None)

    def forward(self, y: Tensor) -> Tensor:
        z, log_det = self.flow(y, None)
        return sum_except_batch(gaussian_log_prob(z)) + log_det


class PeerGlow(nn.Module):
    """The same by normflows."""

    def __init__(self, shape: tuple[int, int, int]):
        super().__init__()
        self.net = peer.glow(shape, WIDTH, STEPS_PER_SCALE, SCALES)

    def prepare(self, y: Tensor) -> None:
        """Initialize the actnorms."""
        peer.prepare(self.net, y)

    def forward(self, y: Tensor) -> Tensor:
        return self.net.log_prob(y, None)


def fit(net: Any, data: Dataset, steps: int) -> None:
    """Maximum likelihood by Adam; the batch of a step depends on its number only."""
    optimizer = torch.optim.Adam(net.parameters(), lr=peer.LR)
    for step in range(steps):
        rng = Rng(SEED, BATCH, ("step", step))
        rows = rng.fork("rows").integers(len(data.train), 1)[:, 0]
        y = _dequantised(data, data.train[rows].medium, rng)
        if step == 0:
            net.prepare(y)
        optimizer.zero_grad()
        (-net(y).mean() / y[0].numel()).backward()
        optimizer.step()


def bits(net: nn.Module, data: Dataset, n: int) -> Tensor:
    """Bits/dim of n test pictures: an upper bound, as the noise is uniform over each bin."""
    pixels: Any = data.representation
    y = _dequantised(data, data.test.first(n).medium, Rng(SEED, n, ("test",)))
    with torch.no_grad():
        nats = torch.cat([net(part) for part in y.split(100)]).double()
    return math.log2(pixels.levels) - nats / (math.log(2) * y[0].numel())


def _dequantised(data: Dataset, medium: Tensor, rng: Rng) -> Tensor:
    """Pictures in [0, 1)."""
    pixels: Any = data.representation
    return (pixels.to_index(medium) + rng.fork("noise").uniform(*pixels.shape)) / pixels.levels


if __name__ == "__main__":
    main(*sys.argv[1:])
