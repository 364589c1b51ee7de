"""pythae 0.1.2 (Chadebec, Vincent & Allassonniere 2022): its `VAE` and `IWAE`, of networks that are given.

Its trainer does the steps, its models have the losses: that of its VAE with the KL in closed form, that of
its IWAE by Burda's weights. The networks, their first weights, the optimizer, the batch and the rule for the
best validated epoch are the same as ours; a moving average of the weights is not among its features.
"""

__all__ = ["train"]

import copy
import logging
import tempfile
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def train(
    encoder: nn.Module, decoder: nn.Module, x: Tensor, samples: int, epochs: int, settings: dict[str, Any],
    validate: Callable[[], float], every: int,
) -> int:  # fmt: skip
    """Train two networks in place, return to the epoch of their best validation, and say which it is.

    Arguments:
        encoder: x -> mu and log sigma.
        decoder: z -> logits.
        x: [N, 1, H, W], black -1 and white 1.
        samples: k; 1: its VAE.
        epochs: passes over x.
        settings: further ones of its `BaseTrainerConfig`.
        validate: nats of held-out images with the present weights, smaller for better ones.
        every: epochs between two validations.
    """
    trainer = _trainer(encoder, decoder, x, samples, settings)
    best, best_epoch, weights = float("inf"), 0, {}
    for epoch in range(1, epochs + 1):
        trainer.train_step(epoch)
        if epoch % every == 0 and (nats := validate()) < best:
            best, best_epoch, weights = nats, epoch, copy.deepcopy(trainer.model.state_dict())
    trainer.model.load_state_dict(weights)
    return best_epoch


def _trainer(
    encoder: nn.Module, decoder: nn.Module, x: Tensor, samples: int, settings: dict[str, Any]
) -> Any:
    """Its trainer of a model with these networks, without the progress bar."""
    from pythae.data.datasets import BaseDataset
    from pythae.models import IWAE, VAE, IWAEConfig, VAEConfig
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    logging.disable(logging.INFO)  # each of its modules sets its own level
    with torch.no_grad():
        latent = encoder(x[:1]).shape[1] // 2
    sizes: dict[str, Any] = {"input_dim": tuple(x.shape[1:]), "latent_dim": latent}
    networks = _encoder(encoder), _decoder(decoder)
    if samples == 1:
        model = VAE(VAEConfig(**sizes, reconstruction_loss="bce"), *networks)
    else:
        config = IWAEConfig(**sizes, reconstruction_loss="bce", number_samples=samples)
        model = IWAE(config, *networks)
    with tempfile.TemporaryDirectory() as folder:  # pythae creates an output directory
        training = BaseTrainerConfig(folder, no_cuda=True, **settings)
        trainer = BaseTrainer(model, BaseDataset((x + 1) / 2, torch.zeros(len(x))), training_config=training)
        trainer.prepare_training()
    callbacks = trainer.callback_handler.callbacks
    trainer.callback_handler.callbacks = [
        callback for callback in callbacks if type(callback).__name__ == "TrainingCallback"
    ]
    return trainer


def _encoder(network: nn.Module) -> Any:
    """A network of x in -1, 1 that returns mu and log sigma, as pythae's encoder of x in 0, 1."""
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseEncoder

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: Tensor) -> Any:
            mean, log_sigma = self.network(2 * x - 1).chunk(2, 1)
            return ModelOutput(embedding=mean, log_covariance=2 * log_sigma)

    return Encoder()


def _decoder(network: nn.Module) -> Any:
    """A network of z that returns logits, as pythae's decoder to probabilities."""
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, z: Tensor) -> Any:
            return ModelOutput(reconstruction=self.network(z).sigmoid())

    return Decoder()
