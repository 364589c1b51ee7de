"""A VAE of table rows: TVAE with normal scores in place of a mixture per column (Xu et al. 2019)."""

__all__ = ["table_vae"]

from typing import Any

from morphogen.conditioning.conditions import Conditions
from morphogen.conditioning.given_cells import GivenCells
from morphogen.conditioning.label import Label
from morphogen.conditioning.specs import Classes
from morphogen.families.vae import VAE, LearnedGaussian, MixedColumns
from morphogen.model import Model
from morphogen.networks.code_embedding import CodeEmbedding
from morphogen.networks.perceptron import Perceptron
from morphogen.networks.table_rows import RowDecoder, RowEncoder
from morphogen.plan import Adam, Cosine, Plan
from morphogen.representations.tabular import NormalScores, Tabular
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {
    # bound_samples: k of the evaluation
    "tiny": {"latent": 4, "widths": (16,), "bound_samples": 1},
    "small": {"latent": 16, "widths": (128, 128), "bound_samples": 16},
    "paper": {"latent": 128, "widths": (128, 128), "bound_samples": 64},
}
TRAINING: dict[Size, dict[str, Any]] = {
    "tiny": {"lr": 1e-2, "batch": 64, "ema": 0.9},
    "small": {"lr": 3e-3, "batch": 128, "ema": 0.99},
    "paper": {"lr": 1e-3, "batch": 500, "ema": 0.999},
}
EPOCHS = 1000  # after which more training memorizes rows


def table_vae(table: Tabular, label: Classes | None = None, size: Size = "small") -> Model:
    r"""VAE of mixed columns (TVAE, Xu et al. 2019), conditional on a class; any columns are a condition.

        log p(x | c) >= log (1/k) sum_i p(x | z_i, c) p(z_i) / q(z_i | x, c),   z_i ~ q

    A category, and whether a number is missing, is a softmax; a number is a Gaussian of its normal score,
    with a mean and a scale that depend on z. Latent, widths, learning rate and batch of "paper" are those of
    the paper's code. Any table is trained for at most 1000 epochs. Bits per cell: not measured.
    """
    sizes, training, vector = SIZES[size], TRAINING[size], 32 if label else 0
    scores, latent, widths = NormalScores(table), sizes["latent"], sizes["widths"]
    likelihood = MixedColumns(tuple(map(len, scores.masses)), tuple(scores.numbers), LearnedGaussian())
    count, width = len(scores.numbers), widths[0]
    objective = VAE(
        RowEncoder(CodeEmbedding(scores, width, vector), Perceptron((width + count,), (2 * latent,), widths)),
        RowDecoder(scores, Perceptron((latent,), (width,), widths, vector), likelihood.scores.outputs(count)),
        likelihood,
        latent_shape=(latent,),
        bound_samples=sizes["bound_samples"],
    )
    plan = Plan(
        Adam(training["lr"]),
        batch=training["batch"],
        schedule=Cosine(warmup=20),
        ema=training["ema"],
        clip=5.0,
        rounds=EPOCHS * max(1, table.rows // training["batch"]),
    )
    cells = GivenCells(scores)
    conditioner = Conditions(label=Label(len(label), vector, label.weights), cells=cells) if label else cells
    return Model(objective, scores, conditioner, plan)
