"""A GAN of table rows: CTGAN (Xu et al. 2019)."""

__all__ = ["table_gan"]

from typing import Any

from morphogen.conditioning.label import OneHot
from morphogen.conditioning.specs import Classes
from morphogen.families.gan import Adversarial, ConditionalRows, GradientPenalty, Wasserstein
from morphogen.model import Model
from morphogen.networks.table_gan import RowCritic, RowGenerator
from morphogen.plan import Adam, AdamW, Cosine, Plan
from morphogen.representations.tabular import ModeSpecific, Tabular
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {
    # dimension of z; units of the hidden layers of both networks; dropout of the critic; lambda
    "tiny": {"latent": 8, "widths": (32,), "dropout": 0.0, "penalty": 1.0},
    "small": {"latent": 64, "widths": (128, 128), "dropout": 0.0, "penalty": 3.0},
    "paper": {"latent": 128, "widths": (256, 256), "dropout": 0.5, "penalty": 10.0},
}
BETAS = 0.5, 0.9
PLANS: dict[Size, dict[str, Any]] = {
    "tiny": {
        "optimizer": {"generator": Adam(1e-3, BETAS), "critic": Adam(4e-3, BETAS)},
        "batch": 128, "schedule": Cosine(warmup=20), "ema": 0.99,
    },
    "small": {
        "optimizer": {"generator": Adam(5e-4, BETAS), "critic": Adam(2e-3, BETAS)},
        "batch": 128, "schedule": Cosine(warmup=20), "ema": 0.99,
    },
    "paper": {
        "optimizer": {"generator": AdamW(2e-4, BETAS, weight_decay=1e-6), "critic": Adam(2e-4, BETAS)},
        "batch": 500,
    },
}  # fmt: skip


def table_gan(table: Tabular, label: Classes | None = None, size: Size = "small") -> Model:
    r"""CTGAN (Xu et al. 2019), conditional on a class if there is one.

        critic: D(G(z, c), c) - D(x, c) + lambda (||grad D|| - 1)^2;   generator: -D(G(z, c), c) - log P_c

    A category, and whether a number is missing, is a Gumbel-softmax; a number is a mode of its column and a
    position in it. c is a category of one column, rare ones more often than in the data, and P_c the mass of
    it in the row. Networks, learning rate and batch of "paper" are those of the paper's code, whose critic
    judges ten rows at once (PacGAN): this one judges single rows, as the penalty of each row requires.
    Measured, small, on penguins, 1,981 steps in 60 s on one core: SDMetrics 0.96 for shapes and 0.85 for
    trends (the package ctgan: 0.89 and 0.82); largest total variation of categories 0.04 (0.15). One seed.
    """
    sizes, rows = SIZES[size], ModeSpecific(table)
    words = sum(rows.sizes[j] for j in rows.words)
    vector = len(label or ()) + words
    network = RowGenerator(rows, sizes["latent"], sizes["widths"], vector)
    critic = RowCritic(rows.shape[0], sizes["widths"], vector, sizes["dropout"])
    game, penalty = Wasserstein(), GradientPenalty(sizes["penalty"])
    if words:
        objective: Adversarial = ConditionalRows(network, critic, network.shapes, game, rows, penalty)
    else:
        objective = Adversarial(network, critic, network.shapes, game, penalty)
    conditioner = OneHot(len(label), label.weights) if label else None
    return Model(objective, rows, conditioner, Plan(**PLANS[size]))
