"""The DCGAN example of PyTorch (Inkawhich 2018, after Radford et al. 2016), for 32 x 32.

Batches come from a `DataLoader` in the main process. Each iteration is that of the example: the discriminator
learns from a pass of data and one of detached samples, with binary cross-entropy, then the generator from the
same samples. With vs-best: bf16 where the hardware has it, a fused Adam, and a cross-entropy of logits, which
bf16 requires.
"""

__all__ = ["discriminator", "epochs", "generator"]

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

NZ, LR, BETAS = 100, 2e-4, (0.5, 0.999)


def generator(width: int) -> nn.Sequential:
    """z [N, 100, 1, 1] -> [N, 3, 32, 32]."""
    f = width
    return nn.Sequential(
        nn.ConvTranspose2d(NZ, f * 4, 4, 1, 0, bias=False), nn.BatchNorm2d(f * 4), nn.ReLU(True),
        nn.ConvTranspose2d(f * 4, f * 2, 4, 2, 1, bias=False), nn.BatchNorm2d(f * 2), nn.ReLU(True),
        nn.ConvTranspose2d(f * 2, f, 4, 2, 1, bias=False), nn.BatchNorm2d(f), nn.ReLU(True),
        nn.ConvTranspose2d(f, 3, 4, 2, 1, bias=False), nn.Tanh(),
    ).apply(_initialize)  # fmt: skip


def discriminator(width: int) -> nn.Sequential:
    """x [N, 3, 32, 32] -> logits [N, 1, 1, 1]; the example's last layer, a sigmoid, is part of the loss."""
    f = width
    return nn.Sequential(
        nn.Conv2d(3, f, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(f, f * 2, 4, 2, 1, bias=False), nn.BatchNorm2d(f * 2), nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(f * 2, f * 4, 4, 2, 1, bias=False), nn.BatchNorm2d(f * 4), nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(f * 4, 1, 4, 1, 0, bias=False),
    ).apply(_initialize)  # fmt: skip


def epochs(
    net_g: nn.Module, net_d: nn.Module, x: Tensor, batch: int, count: int, precision: torch.dtype, best: bool
) -> Callable[[], None]:
    """Return a function that trains both for `count` epochs on x [N, 3, 32, 32] in [-1, 1]."""
    loader = DataLoader(TensorDataset(x), batch, shuffle=True, drop_last=True)
    optimizer_d, optimizer_g = (
        torch.optim.Adam(net.parameters(), lr=LR, betas=BETAS, fused=best or None) for net in (net_d, net_g)
    )
    bce = nn.BCEWithLogitsLoss() if best else _sigmoid_bce

    def cast() -> torch.autocast:
        return torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision is torch.bfloat16)

    def iteration(real: Tensor) -> None:
        ones, zeros = torch.ones(len(real)), torch.zeros(len(real))
        net_d.zero_grad()
        with cast():
            loss = bce(net_d(real).view(-1).float(), ones)
        loss.backward()
        with cast():
            fake = net_g(torch.randn(len(real), NZ, 1, 1))
            loss = bce(net_d(fake.detach()).view(-1).float(), zeros)
        loss.backward()
        optimizer_d.step()
        net_g.zero_grad()
        with cast():
            loss = bce(net_d(fake).view(-1).float(), ones)
        loss.backward()
        optimizer_g.step()

    def run() -> None:
        for _ in range(count):
            for (real,) in loader:
                iteration(real)

    return run


def _sigmoid_bce(logits: Tensor, labels: Tensor) -> Tensor:
    """The example's sigmoid and loss."""
    return nn.functional.binary_cross_entropy(logits.sigmoid(), labels)


def _initialize(layer: nn.Module) -> None:
    """The example's `weights_init`."""
    name = type(layer).__name__
    if "Conv" in name:
        nn.init.normal_(layer.weight, 0.0, 0.02)  # type: ignore[arg-type]
    elif "BatchNorm" in name:
        nn.init.normal_(layer.weight, 1.0, 0.02)  # type: ignore[arg-type]
        nn.init.constant_(layer.bias, 0)  # type: ignore[arg-type]
