"""`glow-sample` and `glow-train`: a Glow of 32 x 32 in colour, with 3 scales of 8 steps and 128 channels.

Both sides have the same couplings, actnorms and 1 x 1 convolutions; ours computes the mean and the scale of
the channels that leave from those that stay, where the peer learns one per entry. Samples are drawn in one
batch, after both sides were initialized with the same one. The convolutions take most of the time, which
innermost channels halve; the inverse of a 1 x 1 convolution solves two triangular systems, in double
precision, where the peer inverts two matrices.
"""

__all__ = ["glow_sample", "glow_train"]

from typing import Any

import torch

from benchmarks.figure import Comparison
from benchmarks.names import Name
from benchmarks.peers import normflows_glow as peer
from benchmarks.precisions import best_dtype, describe_precisions, ours_precision
from morphogen.contract import Batch
from morphogen.data import Pictures
from morphogen.families.flow import Flow, FlowSteps
from morphogen.model import Model, parameters
from morphogen.numerics.randomness import Rng
from morphogen.plan import Adam, Plan
from morphogen.representations.pixels import Dequantised, Pixels
from morphogen.training import train

SHAPE, WIDTH, STEPS, SCALES = (3, 32, 32), 128, 8, 3
SAMPLES, BATCH, BATCHES = 64, 32, 3


def glow_sample(name: Name) -> list[Comparison]:
    """Pictures per second."""
    model, net, _ = _sides(SAMPLES)
    precision = ours_precision(name)

    def ours() -> None:
        model.sample(SAMPLES, seed=0, batch=SAMPLES, precision=precision)

    theirs = peer.samples(net, SAMPLES, best_dtype(name), name.best)
    config = _config(name, model, net) | {"pictures at once": SAMPLES, "ours": "Model.sample"}
    return [Comparison(ours, theirs, (SAMPLES, SAMPLES), "pictures/s", config)]


def glow_train(name: Name) -> list[Comparison]:
    """Pictures per second."""
    pictures = BATCHES * BATCH
    model, net, values = _sides(pictures)
    precision = ours_precision(name)

    def ours() -> None:
        train(model, Pictures(values), steps=BATCHES, device="cpu", precision=precision, warm_start=True)

    theirs = peer.epochs(net, values / 256, BATCH, 1, best_dtype(name), name.best)
    config = _config(name, model, net) | {"batch": BATCH, "pictures": pictures, "ours": "morphogen.train"}
    return [Comparison(ours, theirs, (pictures, pictures), "pictures/s", config)]


def _sides(pictures: int) -> tuple[Model, Any, torch.Tensor]:
    """Both flows, initialized with a batch, and pictures."""
    torch.manual_seed(0)
    plan = Plan(Adam(peer.LR), batch=BATCH)
    model = Model(Flow(FlowSteps(SHAPE, WIDTH, STEPS, SCALES)), Dequantised(Pixels(256, SHAPE)), plan=plan)
    net = peer.glow(SHAPE, WIDTH, STEPS, SCALES)
    values = torch.randint(256, (pictures, *SHAPE), dtype=torch.uint8)
    first = values[:BATCH]
    model.prepare(Batch(first / 127.5 - 1), Rng(0, BATCH))
    peer.prepare(net, (first + torch.rand(first.shape)) / 256)
    return model, net, values


def _config(name: Name, model: Model, net: Any) -> dict[str, Any]:
    sizes = {"ours": parameters(model), "peer": sum(p.numel() for p in net.parameters())}
    shape = {"width": WIDTH, "steps per scale": STEPS, "scales": SCALES}
    return {"parameters": sizes, "peer": "normflows.MultiscaleFlow" + ", channels last" * name.best} | (
        shape | describe_precisions(name)
    )
