r"""FFJORD: a continuous normalizing flow of the numbers of a table, given their categories."""

__all__ = ["ffjord", "free_form"]

from typing import Any

from morphogen.conditioning.specs import Classes
from morphogen.families.flow import (
    ActNorm,
    Bijection,
    Chain,
    Continuous,
    ExactTrace,
    Hutchinson,
    RungeKutta,
)
from morphogen.model import Model
from morphogen.networks.concat_squash import ConcatSquash
from morphogen.representations.tabular import Tabular
from morphogen.systems import Size
from morphogen.systems.table_flow import CODES, flow_of_rows

EXACT_UP_TO = 4  # numbers of a row whose trace is exact; of more, it is estimated
SIZES: dict[Size, dict[str, Any]] = {
    # its networks' width and hidden layers, number of flows, steps of the solver in training
    "tiny": {"width": 16, "layers": 1, "flows": 1, "steps": 2},
    "small": {"width": 64, "layers": 2, "flows": 1, "steps": 4},
    "paper": {"width": 60, "layers": 3, "flows": 5, "steps": 10},
}
TRAINING: dict[Size, dict[str, Any]] = {
    # noise: standard deviation of noise added to the scores of the training rows
    "tiny": {"noise": 0.1, "lr": 3e-3, "batch": 32, "ema": 0.9},
    "small": {"noise": 0.2, "lr": 3e-3, "batch": 128, "ema": 0.99},
    "paper": {"noise": 0.0, "lr": 1e-3, "batch": 10_000, "ema": 0.999},
}


def ffjord(table: Tabular, label: Classes | None = None, size: Size = "small") -> Model:
    r"""FFJORD of numbers given categories (Grathwohl et al. 2019), or given a class too.

        dx/dt = f(x, t; codes, c),   z = x(1),   log p(x) = log N(z; 0, I) + int_0^1 tr(df/dx) dt

    The networks and the batch of "paper" are those for the table POWER of six numbers; the solver has fixed
    steps in training here. Of rows with more than four numbers, the trace is estimated with random probes.
    Bits per cell: not measured.
    """

    def scores(dims: int, vector: int) -> Bijection:
        return free_form(dims, vector=vector, **SIZES[size])

    return flow_of_rows("ffjord", table, label, scores, CODES[size], **TRAINING[size])


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
