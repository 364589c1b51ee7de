"""`vqvae-train`: a VQ-VAE of images of 28 x 28 with 7 x 7 codes out of 256, epoch by epoch.

Both sides have the networks of the example of vector-quantize-pytorch, the same loss (a Gaussian around the
decoded image, and the commitment), codes that follow moving averages, and Adam at 3e-4 on batches of 256. The
codes are initialized once, before the timing.
"""

__all__ = ["vqvae_train"]

import torch
from torch import Tensor, nn

from benchmarks.figure import Comparison
from benchmarks.names import Name
from benchmarks.peers import vector_quantize as peer
from benchmarks.precisions import best_dtype, describe_precisions, ours_precision
from morphogen.component import Component
from morphogen.contract import Context
from morphogen.data import Pictures
from morphogen.families.vae import VQVAE, Codebook, Gaussian
from morphogen.model import Model, parameters
from morphogen.plan import Adam, Plan
from morphogen.representations.pixels import Pixels
from morphogen.training import train

CODES, WIDTH, SIDES, BATCH, PICTURES, EPOCHS = 256, 32, (7, 7), 256, 2560, 2


class GridEncoder(Component, nn.Module):
    """Encode an image as a grid of vectors, with two convolutions."""

    def __init__(self, width: int):
        super().__init__()
        self.width = width
        self.layers = nn.Sequential(
            nn.Conv2d(1, width // 2, 3, padding=1),
            nn.MaxPool2d(2),
            nn.GELU(),
            nn.Conv2d(width // 2, width, 3, padding=1),
            nn.MaxPool2d(2),
        )

    def forward(self, x: Tensor, context: Context | None) -> Tensor:
        return self.layers(x)


class GridDecoder(Component, nn.Module):
    """Decode a grid of vectors as the mean of an image, with two convolutions."""

    def __init__(self, width: int):
        super().__init__()
        self.width = width
        self.layers = nn.Sequential(
            nn.Upsample(scale_factor=2),
            nn.Conv2d(width, width // 2, 3, padding=1),
            nn.GELU(),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(width // 2, 1, 3, padding=1),
        )

    def forward(self, z: Tensor, context: Context | None) -> Tensor:
        return self.layers(z)


def vqvae_train(name: Name) -> list[Comparison]:
    """Images per second."""
    torch.manual_seed(0)
    encoder, decoder = GridEncoder(WIDTH), GridDecoder(WIDTH)
    codebook = Codebook(CODES, WIDTH, decay=peer.DECAY)
    objective = VQVAE(encoder, decoder, Gaussian(peer.SIGMA), codebook, SIDES, peer.COMMITMENT)
    model = Model(objective, Pixels(256, (1, 28, 28)), plan=Plan(Adam(peer.LR), batch=BATCH))
    values = torch.randint(256, (PICTURES, 1, 28, 28), dtype=torch.uint8)
    steps = EPOCHS * PICTURES // BATCH

    def ours(steps: int = steps, warm_start: bool = True) -> None:
        precision = ours_precision(name)
        train(model, Pictures(values), steps=steps, device="cpu", precision=precision, warm_start=warm_start)

    net = peer.VQAutoencoder(encoder, decoder, CODES, (WIDTH, *SIDES))  # each side is trained in its process
    theirs = peer.epochs(net, values / 127.5 - 1, BATCH, EPOCHS, best_dtype(name), name.best)
    config = {
        "parameters": {"ours": parameters(model), "peer": sum(p.numel() for p in net.parameters())},
        "codes": CODES, "width": WIDTH, "batch": BATCH, "pictures": PICTURES, "epochs": EPOCHS,
        "ours": "morphogen.train", "peer": "a loop around VectorQuantize" + ", Adam fused" * name.best,
    } | describe_precisions(name)  # fmt: skip
    work = EPOCHS * PICTURES, EPOCHS * PICTURES
    return [Comparison(ours, theirs, work, "pictures/s", config, setup=lambda: ours(1, warm_start=False))]
