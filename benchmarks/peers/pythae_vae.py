"""pythae 0.1.2 (Chadebec, Vincent & Allassonniere 2022): its `VAE` and its `BaseTrainer`.

Defaults, from `BaseTrainerConfig` and `VAEConfig`: batches of 64 by a `DataLoader` in the main process, Adam at 1e-4, squared error,
multilayer perceptrons of one hidden layer of 512. Timed is `train_step`, one epoch, without what `train` does around it (copies
of the best model, files), which is to pythae's advantage. Its mixed precision is for CUDA only, so that its best is a fused Adam.
"""

__all__ = ["epochs"]

import logging
import tempfile
from collections.abc import Callable

import torch
from torch import Tensor


def epochs(x: Tensor, latent: int, batch: int, count: int, best: bool) -> tuple[Callable[[], None], int]:
    """`count` epochs over x [N, 1, H, W] in [0, 1], and the number of parameters."""
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    logging.disable(logging.INFO)  # each of its modules sets a level of its own
    model = VAE(VAEConfig(input_dim=tuple(x.shape[1:]), latent_dim=latent))
    fused = {"fused": True} if best else None
    with tempfile.TemporaryDirectory() as folder:  # it makes one to write into; an epoch writes nothing
        config = BaseTrainerConfig(folder, per_device_train_batch_size=batch, no_cuda=True, optimizer_params=fused)
        trainer = BaseTrainer(model, train_dataset=BaseDataset(x, torch.zeros(len(x))), training_config=config)
        trainer.prepare_training()
    quiet = [callback for callback in trainer.callback_handler.callbacks if type(callback).__name__ == "TrainingCallback"]
    trainer.callback_handler.callbacks = quiet  # no progress bar

    def run() -> None:
        for epoch in range(count):
            trainer.train_step(epoch + 1)

    return run, sum(p.numel() for p in model.parameters())
