r"""A flow of table rows: the categories are autoregressive, and the numbers a RealNVP given them.

    log p(x | c) = log P(codes | c) + log N(f(z_o; codes, c); 0, I) + log|det df/dz_o|

The codes are the categories and which numbers are missing; z_o are the normal scores of those that exist.
"""

__all__ = ["table_flow"]

from typing import Any

from morphogen.component import ConfigError
from morphogen.conditioning.label import Label
from morphogen.conditioning.specs import Classes
from morphogen.families.autoregressive import AutoregressiveColumns
from morphogen.families.flow import MixedFlow, SingleScale
from morphogen.model import Model
from morphogen.networks.attention import Attention
from morphogen.networks.blocks import Block
from morphogen.networks.code_embedding import CodeEmbedding
from morphogen.networks.column_transformer import ColumnTransformer
from morphogen.networks.feed_forward import FeedForward
from morphogen.networks.normalization import LayerNorm
from morphogen.plan import AdamW, Cosine, Plan
from morphogen.representations.tabular import NormalScores, Tabular
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {
    "tiny": {"width": 16, "layers": 1, "couplings": 4, "dropout": 0.0, "heads": 2},
    "small": {"width": 32, "layers": 1, "couplings": 6, "dropout": 0.2, "heads": 2},
    "paper": {"width": 512, "layers": 2, "couplings": 10, "dropout": 0.1, "heads": 8},
}
TRAINING: dict[Size, dict[str, Any]] = {
    # noise: standard deviation of noise added to the scores of the training rows
    "tiny": {"noise": 0.1, "lr": 3e-3, "batch": 32, "ema": 0.9},
    "small": {"noise": 0.2, "lr": 1e-3, "batch": 64, "ema": 0.99},
    "paper": {"noise": 0.0, "lr": 1e-4, "batch": 100, "ema": 0.999},
}


def table_flow(table: Tabular, label: Classes | None = None, size: Size = "small") -> Model:
    r"""RealNVP of numbers given categories (Dinh, Sohl-Dickstein & Bengio 2017), or given a class too.

    Couplings, learning rate and batch of "paper" are those of the RealNVP on UCI tables in Masked
    autoregressive flow (Papamakarios, Pavlakou & Murray 2017); the networks are residual here. "small" adds a
    noise of a fifth of a standard deviation to the scores. Bits per cell: not measured.
    """
    scores = NormalScores(table)
    if not scores.numbers:
        raise ConfigError(
            "table_flow requires a column of numbers, and the table has none: use table_transformer"
        )
    sizes, training, vector = SIZES[size], TRAINING[size], 32 if label else 0
    width, dropout = sizes["width"], sizes["dropout"]
    layer = Block(
        Attention(width, sizes["heads"]),
        FeedForward(width, 2 * width, "relu"),
        LayerNorm(width),
        dropout=dropout,
    )
    codes = ColumnTransformer(scores, layer, sizes["layers"], vector, dropout)
    flow = SingleScale(
        len(scores.numbers), width, sizes["layers"], sizes["couplings"], vector=width, dropout=dropout
    )
    embedding = CodeEmbedding(scores, width, vector)
    objective = MixedFlow(
        AutoregressiveColumns(codes), flow, embedding, tuple(scores.numbers), training["noise"]
    )
    plan = Plan(
        AdamW(training["lr"], weight_decay=0.01),
        batch=training["batch"],
        schedule=Cosine(warmup=20),
        ema=training["ema"],
        clip=5.0,
    )
    return Model(objective, scores, Label(len(label), vector, label.weights) if label else None, plan)
