r"""RealNVP of table rows: coupling layers that transform one half of the columns given the other half."""

__all__ = ["table_flow"]

from typing import Any

from morphogen.component import ConfigError
from morphogen.conditioning.label import Label
from morphogen.conditioning.specs import Classes
from morphogen.families.flow import Flow, SingleScale
from morphogen.model import Model
from morphogen.plan import AdamW, Cosine, Plan
from morphogen.representations.tabular import ContinuousCodes, Tabular
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {
    "tiny": {"width": 16, "layers": 1, "couplings": 4, "dropout": 0.0},
    "small": {"width": 32, "layers": 1, "couplings": 6, "dropout": 0.2},
    "paper": {"width": 512, "layers": 2, "couplings": 10, "dropout": 0.1},
}
TRAINING: dict[Size, dict[str, Any]] = {
    "tiny": {"lr": 3e-3, "batch": 32, "ema": 0.9},
    "small": {"lr": 1e-3, "batch": 64, "ema": 0.99},
    "paper": {"lr": 1e-4, "batch": 100, "ema": 0.999},
}


def table_flow(table: Tabular, label: Classes | None = None, size: Size = "small") -> Model:
    r"""RealNVP of table rows (Dinh, Sohl-Dickstein & Bengio 2017), class-conditional if there are classes.

        log p(x) = log N(f(x); 0, I) + log|det df/dx|

    Couplings, learning rate and batch of "paper" are those of the RealNVP on UCI tables in Masked
    autoregressive flow (Papamakarios, Pavlakou & Murray 2017); the networks are residual here. Bits per cell
    of this system: not measured.
    """
    if len(table.columns) < 2:
        raise ConfigError(
            "table_flow requires at least two columns, and the table has one: use table_mixture"
        )
    sizes, training, vector = SIZES[size], TRAINING[size], 32 if label else 0
    flow = SingleScale(
        len(table.columns), sizes["width"], sizes["layers"], sizes["couplings"], vector, sizes["dropout"]
    )
    plan = Plan(
        AdamW(training["lr"], weight_decay=0.01),
        batch=training["batch"],
        schedule=Cosine(warmup=20),
        ema=training["ema"],
        clip=5.0,
    )
    return Model(
        Flow(flow), ContinuousCodes(table), Label(len(label), vector, label.weights) if label else None, plan
    )
