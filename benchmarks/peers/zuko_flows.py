"""zuko 1.6 (Rozet et al. 2022): its `RealNVP`, `MAF` and `NSF`, as its documentation uses them.

A flow is a function that makes a distribution, `flow().log_prob(x)` and `flow().sample((n,))`. The training
loop is that of its tutorial: Adam on batches of a `DataLoader`. With vs-best, Adam is fused.
"""

__all__ = ["densities", "epochs", "maf", "nsf", "realnvp", "samples"]

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

LR = 1e-3


def realnvp(dims: int, couplings: int, width: int) -> Any:
    """Affine couplings whose networks have two hidden layers."""
    from zuko.flows import RealNVP

    return RealNVP(dims, transforms=couplings, hidden_features=(width, width))


def maf(dims: int, maps: int, width: int) -> Any:
    """Masked autoregressive affine maps, each with two hidden layers."""
    from zuko.flows import MAF

    return MAF(dims, transforms=maps, hidden_features=(width, width))


def nsf(dims: int, maps: int, width: int, bins: int) -> Any:
    """Masked autoregressive splines, each with two hidden layers."""
    from zuko.flows import NSF

    return NSF(dims, transforms=maps, bins=bins, hidden_features=(width, width))


def densities(flow: Any, x: Tensor, batch: int) -> Callable[[], None]:
    """A function that evaluates log p of the rows [N, D], in batches."""

    @torch.no_grad()
    def run() -> None:
        for rows in x.split(batch):
            flow().log_prob(rows)

    return run


def samples(flow: Any, rows: int, count: int) -> Callable[[], None]:
    """A function that draws `count` times a batch of samples."""

    @torch.no_grad()
    def run() -> None:
        for _ in range(count):
            flow().sample((rows,))

    return run


def epochs(flow: Any, x: Tensor, batch: int, count: int, best: bool) -> Callable[[], None]:
    """A function that trains for `count` epochs on x [N, D]."""
    loader = DataLoader(TensorDataset(x), batch, shuffle=True)
    optimizer = torch.optim.Adam(flow.parameters(), LR, fused=best or None)

    def run() -> None:
        for _ in range(count):
            for (rows,) in loader:
                loss = -flow().log_prob(rows).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

    return run
