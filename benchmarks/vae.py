"""`vae-train`: a VAE with layers 784-512-16 on images of 28 x 28, epoch by epoch.

Both sides have the same likelihood: a Gaussian around the decoded image, with sigma 1 for values in [0, 1]
(pythae), which is sigma 2 for values in [-1, 1] (ours). They have the same layers, and Adam at 1e-4 on
batches of 64. The networks are written as a user of our library would write them.
"""

__all__ = ["vae_train"]

import torch
from torch import Tensor, nn

from benchmarks.figure import Comparison
from benchmarks.names import Name
from benchmarks.peers.pythae_vae import epochs
from benchmarks.precisions import describe_precisions, ours_precision
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
    """Encode an image as (mu, log sigma), with one hidden layer."""

    def __init__(self, hidden: int, latent: int):
        super().__init__()
        self.hidden, self.latent = hidden, latent
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(784, hidden), nn.ReLU(), nn.Linear(hidden, 2 * latent)
        )

    def forward(self, x: Tensor, context: Context | None) -> Tensor:
        return self.layers(x)


class FlatDecoder(Component, nn.Module):
    """Decode z as the mean of an image, in (-1, 1), with one hidden layer."""

    def __init__(self, hidden: int, latent: int):
        super().__init__()
        self.hidden, self.latent = hidden, latent
        self.layers = nn.Sequential(
            nn.Linear(latent, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 784),
            nn.Tanh(),
            nn.Unflatten(1, (1, 28, 28)),
        )

    def forward(self, z: Tensor, context: Context | None) -> Tensor:
        return self.layers(z)


def vae_train(name: Name) -> list[Comparison]:
    """Images per second."""
    encoder, decoder = FlatEncoder(HIDDEN, LATENT), FlatDecoder(HIDDEN, LATENT)
    objective = VAE(encoder, decoder, Gaussian(sigma=2.0), latent_shape=(LATENT,))
    model = Model(objective, Pixels(256, (1, 28, 28)), plan=Plan(Adam(1e-4), batch=BATCH))
    generator = torch.Generator().manual_seed(0)
    values = torch.randint(256, (PICTURES, 1, 28, 28), dtype=torch.uint8, generator=generator)
    steps = EPOCHS * PICTURES // BATCH

    def ours() -> None:
        train(model, Pictures(values), steps=steps, device="cpu", precision=ours_precision(name))

    peer, peer_parameters = epochs(values / 255, LATENT, BATCH, EPOCHS, name.best)
    config = {
        "parameters": {"ours": parameters(model), "peer": peer_parameters},
        "batch": BATCH, "pictures": PICTURES, "epochs": EPOCHS,
        "ours": "morphogen.train", "peer": "pythae BaseTrainer.train_step" + ", Adam fused" * name.best,
    } | describe_precisions(name) | {"peer precision": "fp32"}  # fmt: skip
    return [Comparison(ours, peer, (steps * BATCH, EPOCHS * PICTURES), "pictures/s", config)]
