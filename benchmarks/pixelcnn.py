"""`pixelcnn-sample`: images of 28 x 28 pixels with 256 levels from a Gated PixelCNN, 1 or 16 at once.

The network has 7 layers of 64 features. Ours computes each activation once (native/gated_pixelcnn.cpp). The
peer is the naive loop over the same network, of which only a fraction of the passes is run.
"""

__all__ = ["pixelcnn_sample"]

import torch

from benchmarks.figure import Comparison
from benchmarks.names import Name
from benchmarks.peers.naive_pixelcnn import passes
from morphogen.families.autoregressive import Autoregressive
from morphogen.model import Model, parameters
from morphogen.networks.gated_pixelcnn import GatedPixelCNN
from morphogen.representations.pixels import Pixels, Quantised

SIDE, LAYERS, WIDTH = 28, 7, 64
PASSES = {1: 98, 16: 14}  # by batch size: an eighth, and a fifty-sixth, of the 784
BATCHES = {1: 50, 16: 5}  # of ours per repetition


def pixelcnn_sample(name: Name) -> list[Comparison]:
    """Images per second."""
    n = name.rows or 1
    torch.manual_seed(0)
    network = GatedPixelCNN((1, SIDE, SIDE), 256, WIDTH, LAYERS)
    batches = BATCHES[n]
    model, count = Model(Autoregressive(network), Quantised(Pixels(256, (1, SIDE, SIDE)))), PASSES[n]
    peer = f"a pass for every pixel; {count} of the {SIDE**2} passes, all of the same cost, were run"
    config = {
        "parameters": parameters(model), "pictures at once": n, "ours": "Model.sample", "precision": "fp32",
        "peer": peer, "peer precision": "fp32",
    }  # fmt: skip

    def ours() -> None:
        for seed in range(batches):
            model.sample(n, seed=seed)

    work = (n * batches, n * count / SIDE**2)
    return [Comparison(ours, passes(network, n, count), work, "pictures/s", config)]
