"""`vae-train`: the VAE 784-512-16 on 28 x 28 pictures, epoch by epoch.

The same law in both: a Gaussian around the decoder's picture, of sigma 1 where pictures lie in [0, 1] (pythae), which is 2 where
they lie in [-1, 1] (ours); the same layers; Adam at 1e-4 on batches of 64. The networks are what a user of ours would write.
"""

__all__ = ["vae_train"]

import torch
from torch import Tensor, nn

from benchmarks.figure import Duel
from benchmarks.names import Name
from benchmarks.peers.pythae_vae import epochs
from benchmarks.precisions import ours_precision, told
from morphogen.component import Component
from morphogen.contract import Context
from morphogen.data import Pictures
from morphogen.families.vae import VAE, Gaussian
from morphogen.model import Model, parameters
from morphogen.plan import Adam, Plan
from morphogen.representations.pixels import Pixels
from morphogen.training import train

HIDDEN, LATENT, BATCH, PICTURES, EPOCHS = 512, 16, 64, 6400, 2


class FlatEncoder(Component, nn.Module):
    """A picture to (mu, log sigma), through one hidden layer."""

    def __init__(self, hidden: int, latent: int):
        super().__init__()
        self.hidden, self.latent = hidden, latent
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(784, hidden), nn.ReLU(), nn.Linear(hidden, 2 * latent))

    def forward(self, x: Tensor, context: Context | None) -> Tensor:
        return self.layers(x)


class FlatDecoder(Component, nn.Module):
    """z to the mean of a picture in (-1, 1), through one hidden layer."""

    def __init__(self, hidden: int, latent: int):
        super().__init__()
        self.hidden, self.latent = hidden, latent
        self.layers = nn.Sequential(nn.Linear(latent, hidden), nn.ReLU(), nn.Linear(hidden, 784), nn.Tanh(), nn.Unflatten(1, (1, 28, 28)))

    def forward(self, z: Tensor, context: Context | None) -> Tensor:
        return self.layers(z)


def vae_train(name: Name) -> list[Duel]:
    """Pictures a second."""
    pixels = Pixels(256, (1, 28, 28))
    objective = VAE(FlatEncoder(HIDDEN, LATENT), FlatDecoder(HIDDEN, LATENT), Gaussian(sigma=2.0), latent_shape=(LATENT,))
    model = Model(objective, pixels, plan=Plan(Adam(1e-4), batch=BATCH))
    values = torch.randint(256, (PICTURES, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    steps = EPOCHS * PICTURES // BATCH

    def ours() -> None:
        train(model, Pictures(values), steps=steps, device="cpu", precision=ours_precision(name))

    peer, of_peer = epochs(values / 255, LATENT, BATCH, EPOCHS, name.best)
    config = {
        "parameters": {"ours": parameters(model), "peer": of_peer}, "batch": BATCH, "pictures": PICTURES, "epochs": EPOCHS,
        "ours": "morphogen.train", "peer": "pythae BaseTrainer.train_step" + ", Adam fused" * name.best,
    } | told(name) | {"peer precision": "fp32"}  # fmt: skip
    return [Duel(ours, peer, (steps * BATCH, EPOCHS * PICTURES), "pictures/s", config)]
