"""normflows 1.7.3 (Stimper et al. 2023): the Glow of its example, `MultiscaleFlow` of `GlowBlock`s.

As in the example, training minimizes `forward_kld` and sampling calls `sample`; the base distribution is the
diagonal Gaussian of the library. Batches come from a `DataLoader` in the main process, with uniform noise
added to the pixels. With vs-best: bf16 where the hardware has it, channels-last weights, and a fused Adam.
"""

__all__ = ["epochs", "glow", "prepare", "samples"]

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

LR = 1e-3


def glow(shape: tuple[int, int, int], width: int, steps: int, scales: int) -> Any:
    """The flow of x [N, *shape], with `steps` blocks per scale."""
    import normflows as nf

    channels, height, sides = shape
    bases, flows, merges = [], [], []
    for i in range(scales):
        inner = channels * 2 ** (scales + 1 - i)
        flows.append([nf.flows.GlowBlock(inner, width) for _ in range(steps)] + [nf.flows.Squeeze()])
        if i > 0:
            merges.append(nf.flows.Merge())
        kept, size = (inner if i == 0 else inner // 2), 2 ** (scales - i)
        bases.append(nf.distributions.DiagGaussian((kept, height // size, sides // size)))
    return nf.MultiscaleFlow(bases, flows, merges, class_cond=False)


def prepare(net: Any, x: Tensor) -> None:
    """Initialize its actnorms with a batch x [N, C, H, W]."""
    with torch.no_grad():
        net.log_prob(x, None)


def samples(net: Any, n: int, precision: torch.dtype, best: bool) -> Callable[[], None]:
    """Return a function that draws n samples."""
    net = _laid_out(net.eval(), best)

    def run() -> None:
        with torch.no_grad(), _cast(precision):
            net.sample(n)

    return run


def epochs(
    net: Any, x: Tensor, batch: int, count: int, precision: torch.dtype, best: bool
) -> Callable[[], None]:
    """Return a function that trains for `count` epochs on x [N, C, H, W] of 256 values in [0, 1)."""
    net = _laid_out(net.train(), best)
    loader = DataLoader(TensorDataset(x), batch, shuffle=True, drop_last=True)
    optimizer = torch.optim.Adam(net.parameters(), lr=LR, fused=best or None)

    def run() -> None:
        for _ in range(count):
            for (rows,) in loader:
                with _cast(precision):
                    loss = net.forward_kld(rows + torch.rand_like(rows) / 256)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

    return run


def _cast(precision: torch.dtype) -> torch.autocast:
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision is torch.bfloat16)


def _laid_out(net: Any, best: bool) -> Any:
    return net.to(memory_format=torch.channels_last) if best else net
