r"""A flow of table rows: the categories are autoregressive, and the numbers a RealNVP given them.

    log p(x | c) = log P(codes | c) + log N(f(z_o; codes, c); 0, I) + log|det df/dz_o|

The codes are the categories and which numbers are missing; z_o are the normal scores of those that exist.
"""

__all__ = ["CODES", "flow_of_rows", "table_flow"]

from collections.abc import Callable, Mapping
from typing import Any

from morphogen.component import ConfigError
from morphogen.conditioning.label import Label
from morphogen.conditioning.specs import Classes
from morphogen.families.autoregressive import AutoregressiveColumns
from morphogen.families.flow import Bijection, MixedFlow, SingleScale, Whitening
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

CODES: dict[Size, dict[str, Any]] = {
    # the transformer of the categories
    "tiny": {"width": 16, "layers": 1, "dropout": 0.0, "heads": 2},
    "small": {"width": 32, "layers": 1, "dropout": 0.2, "heads": 2},
    "paper": {"width": 512, "layers": 2, "dropout": 0.1, "heads": 8},
}
SIZES: dict[Size, dict[str, Any]] = {
    "tiny": {"width": 16, "layers": 1, "couplings": 4, "dropout": 0.0},
    "small": {"width": 32, "layers": 1, "couplings": 6, "dropout": 0.2},
    "paper": {"width": 512, "layers": 2, "couplings": 10, "dropout": 0.1},
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

    def scores(dims: int, vector: int) -> Bijection:
        return SingleScale(dims, vector=vector, **SIZES[size])

    return flow_of_rows("table_flow", table, label, scores, CODES[size], **TRAINING[size])


def flow_of_rows(
    system: str, table: Tabular, label: Classes | None, scores: Callable[[int, int], Bijection],
    codes: Mapping[str, Any], noise: float, lr: float, batch: int, ema: float,
) -> Model:  # fmt: skip
    """A flow of the numbers of a row given its categories, for the pages of flows of tables.

    Arguments:
        system: its name, for errors.
        table, label: of the data.
        scores: makes the bijection of `dims` whitened numbers given a vector of this width.
        codes: width, layers, heads and dropout of the transformer of the categories.
        noise, lr, batch, ema: of the training.

    Errors: ConfigError for a table without a column of numbers.
    """
    rows, vector = NormalScores(table), 32 if label else 0
    if not rows.numbers:
        raise ConfigError(
            f"{system} requires a column of numbers, and the table has none: use table_transformer"
        )
    width, dropout = codes["width"], codes["dropout"]
    layer = Block(
        Attention(width, codes["heads"]),
        FeedForward(width, 2 * width, "relu"),
        LayerNorm(width),
        dropout=dropout,
    )
    transformer = ColumnTransformer(rows, layer, codes["layers"], vector, dropout)
    objective = MixedFlow(
        AutoregressiveColumns(transformer),
        Whitening(len(rows.numbers)),
        scores(len(rows.numbers), width),
        CodeEmbedding(rows, width, vector),
        tuple(rows.numbers),
        noise,
    )
    plan = Plan(AdamW(lr, weight_decay=0.01), batch=batch, schedule=Cosine(warmup=20), ema=ema, clip=5.0)
    return Model(objective, rows, Label(len(label), vector, label.weights) if label else None, plan)
