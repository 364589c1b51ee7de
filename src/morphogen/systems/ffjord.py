r"""FFJORD: a continuous normalizing flow of the numbers of a table, given their categories."""

__all__ = ["ffjord", "free_form"]

from typing import Any

from morphogen.component import ConfigError
from morphogen.conditioning.label import Label
from morphogen.conditioning.specs import Classes
from morphogen.families.autoregressive import AutoregressiveColumns
from morphogen.families.flow import (
    ActNorm,
    Bijection,
    Chain,
    Continuous,
    ExactTrace,
    Hutchinson,
    MixedFlow,
    RungeKutta,
)
from morphogen.model import Model
from morphogen.networks.attention import Attention
from morphogen.networks.blocks import Block
from morphogen.networks.code_embedding import CodeEmbedding
from morphogen.networks.column_transformer import ColumnTransformer
from morphogen.networks.concat_squash import ConcatSquash
from morphogen.networks.feed_forward import FeedForward
from morphogen.networks.normalization import LayerNorm
from morphogen.plan import AdamW, Cosine, Plan
from morphogen.representations.tabular import NormalScores, Tabular
from morphogen.systems import Size

EXACT_UP_TO = 4  # numbers of a row whose trace is exact; of more, it is estimated
SIZES: dict[Size, dict[str, Any]] = {
    # flow: its networks' width and hidden layers, number of flows, steps of the solver in training
    "tiny": {"flow": {"width": 16, "layers": 1, "flows": 1, "steps": 2}, "width": 16, "heads": 2},
    "small": {"flow": {"width": 64, "layers": 2, "flows": 1, "steps": 4}, "width": 32, "heads": 2},
    "paper": {"flow": {"width": 60, "layers": 3, "flows": 5, "steps": 10}, "width": 512, "heads": 8},
}
TRAINING: dict[Size, dict[str, Any]] = {
    # noise: standard deviation of noise added to the scores of the training rows
    "tiny": {"noise": 0.1, "dropout": 0.0, "lr": 3e-3, "batch": 32, "ema": 0.9},
    "small": {"noise": 0.2, "dropout": 0.2, "lr": 3e-3, "batch": 128, "ema": 0.99},
    "paper": {"noise": 0.0, "dropout": 0.1, "lr": 1e-3, "batch": 10_000, "ema": 0.999},
}


def ffjord(table: Tabular, label: Classes | None = None, size: Size = "small") -> Model:
    r"""FFJORD of numbers given categories (Grathwohl et al. 2019), or given a class too.

        dx/dt = f(x, t; codes, c),   z = x(1),   log p(x) = log N(z; 0, I) + int_0^1 tr(df/dx) dt

    The networks and the batch of "paper" are those for the table POWER of six numbers; the solver has fixed
    steps in training here. Of rows with more than four numbers, the trace is estimated with random probes.
    Bits per cell: not measured.
    """
    scores = NormalScores(table)
    if not scores.numbers:
        raise ConfigError(
            "ffjord requires a column of numbers, and the table has none: use table_transformer"
        )
    sizes, training, vector = SIZES[size], TRAINING[size], 32 if label else 0
    width, dropout = sizes["width"], training["dropout"]
    layer = Block(
        Attention(width, sizes["heads"]),
        FeedForward(width, 2 * width, "relu"),
        LayerNorm(width),
        dropout=dropout,
    )
    codes = AutoregressiveColumns(ColumnTransformer(scores, layer, 1, vector, dropout))
    flow = free_form(len(scores.numbers), vector=width, **sizes["flow"])
    embedding = CodeEmbedding(scores, width, vector)
    objective = MixedFlow(codes, flow, embedding, tuple(scores.numbers), training["noise"])
    plan = Plan(
        AdamW(training["lr"], weight_decay=0.01),
        batch=training["batch"],
        schedule=Cosine(warmup=20),
        ema=training["ema"],
        clip=5.0,
    )
    return Model(objective, scores, Label(len(label), vector, label.weights) if label else None, plan)


def free_form(
    dims: int, width: int = 64, layers: int = 3, flows: int = 1, steps: int = 8, vector: int = 0
) -> Bijection:
    """The bijection of FFJORD on vectors: continuous flows of gated networks, after an actnorm each.

    Arguments:
        dims: D of x [B, D].
        width, layers: of the hidden layers of the networks.
        flows: number of continuous flows.
        steps: of the solver in training, with four evaluations each.
        vector: width of `context.vector` (0: unconditional).
    """
    trace = ExactTrace() if dims <= EXACT_UP_TO else Hutchinson()
    parts: list[Bijection] = []
    for _ in range(flows):
        network = ConcatSquash(dims, width, layers, vector)
        parts += [ActNorm(dims), Continuous(network, trace, training_solver=RungeKutta(steps))]
    return Chain(tuple(parts))
