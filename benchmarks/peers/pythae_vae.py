"""pythae 0.1.2 (Chadebec, Vincent & Allassonniere 2022): its `VAE` and `BaseTrainer`.

Defaults of `BaseTrainerConfig` and `VAEConfig`: batches of 64 from a `DataLoader` in the main process, Adam
at 1e-4, squared error, multilayer perceptrons with one hidden layer of 512. Only `train_step` is timed, one
epoch, without what `train` does around it (copies of the best model, files), which favours pythae. Its mixed
precision requires CUDA, so vs-best adds only a fused Adam.
"""

__all__ = ["epochs"]

import logging
import tempfile
from collections.abc import Callable

import torch
from torch import Tensor


def epochs(x: Tensor, latent: int, batch: int, count: int, best: bool) -> tuple[Callable[[], None], int]:
    """A function that trains for `count` epochs on x [N, 1, H, W] in [0, 1], and the number of parameters."""
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    logging.disable(logging.INFO)  # each of its modules sets its own level
    model = VAE(VAEConfig(input_dim=tuple(x.shape[1:]), latent_dim=latent))
    fused = {"fused": True} if best else None
    with (
        tempfile.TemporaryDirectory() as folder
    ):  # pythae creates an output directory; an epoch writes nothing
        config = BaseTrainerConfig(
            folder, per_device_train_batch_size=batch, no_cuda=True, optimizer_params=fused
        )
        dataset = BaseDataset(x, torch.zeros(len(x)))
        trainer = BaseTrainer(model, train_dataset=dataset, training_config=config)
        trainer.prepare_training()
    callbacks = trainer.callback_handler.callbacks
    trainer.callback_handler.callbacks = [  # without the progress bar
        callback for callback in callbacks if type(callback).__name__ == "TrainingCallback"
    ]

    def run() -> None:
        for epoch in range(count):
            trainer.train_step(epoch + 1)

    return run, sum(p.numel() for p in model.parameters())
