r"""A transformer over the columns of a table: any columns given, the others drawn.

    log p(x | c) = sum_j log P(code_j | the codes of the columns before j, c) + log_weight

Every column has one softmax over its own codes: missing, and its categories or the intervals of its numbers.
Rows are autoregressive as in TabularARGN (Tiwald, Krchova, Sidorenko, Vargas-Vieyra, Scriminaci & Platzer
2025, "TabularARGN: a flexible and efficient auto-regressive framework for generating high-fidelity synthetic
data"), whose any-order training it takes too; the network is a causal transformer that knows which column it
predicts, as sigma-GPT's does (Pannatier, Courdier & Fleuret 2024).
"""

__all__ = ["table_transformer"]

from typing import Any

from morphogen.conditioning.conditions import Conditions
from morphogen.conditioning.given_cells import GivenCells
from morphogen.conditioning.label import Label
from morphogen.conditioning.specs import Classes
from morphogen.families.autoregressive import AutoregressiveColumns
from morphogen.model import Model
from morphogen.networks.attention import Attention
from morphogen.networks.blocks import Block
from morphogen.networks.column_transformer import ColumnTransformer
from morphogen.networks.feed_forward import FeedForward
from morphogen.networks.normalization import LayerNorm
from morphogen.plan import AdamW, Cosine, Plan
from morphogen.representations.tabular import Tabular
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {
    # dropout: of tables with few rows
    "tiny": {"width": 16, "layers": 1, "heads": 2, "dropout": 0.0},
    "small": {"width": 64, "layers": 2, "heads": 4, "dropout": 0.3},
    "paper": {"width": 256, "layers": 4, "heads": 8, "dropout": 0.3},
}
TRAINING: dict[Size, dict[str, Any]] = {
    "tiny": {"lr": 1e-2, "batch": 64, "ema": 0.9},
    "small": {"lr": 1e-2, "batch": 256, "ema": 0.99},
    "paper": {"lr": 1e-3, "batch": 512, "ema": 0.999},
}
FEW, PER_CODE = 10_000, 50  # rows, and rows per code of all columns, below which the network is regularized
EPOCHS = 40  # after which more training memorizes rows


def table_transformer(table: Tabular, label: Classes | None = None, size: Size = "small") -> Model:
    """Autoregressive transformer over columns (Tiwald et al. 2025), exact; any columns are a condition.

    In half of the training rows random columns come first, given; the others come in the order of the
    columns. "paper" is larger, for large tables: the paper publishes no single shape. Tables of few rows, in
    all and per code, are trained with dropout, weight decay and a lower rate, and any table for at most 40
    epochs. Bits per cell: not measured.
    """
    sizes, training = SIZES[size], TRAINING[size]
    few = table.rows < min(FEW, PER_CODE * sum(map(len, table.masses)))
    width, dropout = sizes["width"], sizes["dropout"] if few else 0.0
    vector = width if label else 0
    block = Block(
        Attention(width, sizes["heads"]),
        FeedForward(width, 4 * width, "relu"),
        LayerNorm(width),
    )
    network = ColumnTransformer(table, block, sizes["layers"], vector, dropout)
    cells = GivenCells(table)
    plan = Plan(
        AdamW(training["lr"] * (0.3 if few else 1), betas=(0.9, 0.98), weight_decay=3.0 if few else 0.01),
        batch=training["batch"],
        schedule=Cosine(warmup=20, floor=0.02),
        ema=training["ema"],
        clip=1.0,
        rounds=EPOCHS * max(1, table.rows // training["batch"]),
    )
    conditioner = Conditions(label=Label(len(label), vector, label.weights), cells=cells) if label else cells
    return Model(AutoregressiveColumns(network), table, conditioner, plan)
