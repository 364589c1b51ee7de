r"""Calibration of a discriminator: is the probability that it gives to "real" right?

    P(x) = sigmoid(D(x)),  for held-out rows and as many samples
    ECE  = sum_b (n_b / n) |mean of P in bin b - fraction of real rows in bin b|     10 bins

The optimal discriminator of the minimax game, log p_data(x) / p_G(x), is calibrated. One that is sure of
itself on its training rows and wrong on others has memorized them (`accuracy` on both parts shows it).

Reference: On calibration of modern neural networks, Guo, Pleiss, Sun & Weinberger, 2017 (the error); GANs:
Generative adversarial nets, Goodfellow et al., 2014, proposition 1 (the optimum).
"""

__all__ = ["critic_calibration"]

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.contract import Batch, Unsupported
from morphogen.evaluation.arguments import reads_arguments
from morphogen.model import Model, evaluating
from morphogen.numerics.randomness import Rng

BINS = 10


@reads_arguments
def critic_calibration(model: Model, batch: Batch, seed: int = 0) -> dict[str, float]:
    """Expected calibration error and accuracy of the critic, on rows and on samples of their conditions.

    Arguments:
        model: an adversarial model whose game has a logit for a score: `Minimax` or `NonSaturating`.
        batch: held-out rows, such as `data.test.first(1000)`; those of `data.train` show what it memorized.
        seed: of the samples.

    Errors: Unsupported for a model without a critic, and for a game whose scores are not logits.
    """
    objective: Any = model.objective
    game = getattr(objective, "game", None)
    if game is None or not game.logits:
        kind = type(objective if game is None else game).__name__
        raise Unsupported(
            f"{kind} has no discriminator with a probability: give a dcgan or another such model"
        )
    condition = dict(model.taken(batch.condition)) or None
    fake = model.sample(len(batch), condition, seed=seed).tensor
    real, fake_scores = (_scores(model, Batch(medium, batch.condition)) for medium in (batch.medium, fake))
    p = torch.cat([real, fake_scores]).double().sigmoid()
    is_real = torch.cat([torch.ones_like(real), torch.zeros_like(fake_scores)]).double()
    bins = (p * BINS).long().clamp_max(BINS - 1)
    gaps = torch.zeros(BINS, dtype=torch.float64).index_add(0, bins, p - is_real)
    return {
        "calibration_error": (gaps.abs().sum() / len(p)).item(),
        "accuracy": ((p > 0.5) == is_real.bool()).double().mean().item(),
    }


@torch.no_grad()
def _scores(model: Model, batch: Batch) -> Float[Tensor, " b"]:
    """The critic's mean score of each row."""
    objective: Any = model.objective
    with evaluating(model):
        on_device = batch.to(model.device)
        rng = Rng(0, len(batch), ("calibration",)).to(model.device)
        x = model.representation.encode(on_device.medium, rng, measure=False).x
        context = model.context(model.taken(on_device.condition), len(batch))
        return objective.critic(x, context).float().reshape(len(batch), -1).mean(1).cpu()
