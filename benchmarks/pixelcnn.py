"""`pixelcnn-sample`: a Gated PixelCNN of 7 layers of 64 features draws 28 x 28 pixels of 256 values, one or sixteen pictures at once.

Ours keeps what it has computed (`PixelMemory`); its peer is the naive loop over the same network, of which a share of the passes is run.
"""

__all__ = ["pixelcnn_sample"]

import torch

from benchmarks.figure import Duel
from benchmarks.names import Name
from benchmarks.peers.naive_pixelcnn import passes
from morphogen.families.autoregressive import Autoregressive
from morphogen.model import Model, parameters
from morphogen.networks.gated_pixelcnn import GatedPixelCNN
from morphogen.representations.pixels import Pixels, Quantised

SIDE, LAYERS, WIDTH = 28, 7, 64
PASSES = {1: 98, 16: 14}  # an eighth, and a fifty-sixth, of the 784


def pixelcnn_sample(name: Name) -> list[Duel]:
    """Pictures a second."""
    n = name.rows or 1
    torch.manual_seed(0)
    network = GatedPixelCNN((1, SIDE, SIDE), 256, WIDTH, LAYERS)
    model, count = Model(Autoregressive(network), Quantised(Pixels(256, (1, SIDE, SIDE)))), PASSES[n]
    config = {
        "parameters": parameters(model), "pictures at once": n, "ours": "Model.sample", "precision": "fp32",
        "peer": f"a pass for every pixel; {count} of the {SIDE**2} passes, all of the same cost, were run", "peer precision": "fp32",
    }  # fmt: skip
    return [Duel(lambda: model.sample(n, seed=0), passes(network, n, count), (n, n * count / SIDE**2), "pictures/s", config)]
