"""WGAN-GP in PyTorch, the loop of the public port of the authors' code (Gulrajani et al. 2017, Algorithm 1).

Each iteration has five updates of the critic, on data, on samples that are made without a gradient, and on
points between both, then one of the generator, while the critic's parameters are frozen. With vs-best: bf16
where the hardware has it, except in the penalty, which is in fp32 as ours is, and a fused Adam.
"""

__all__ = ["critic", "epochs", "gradient_penalty"]

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.peers.dcgan import NZ

LR, BETAS, PENALTY, CRITIC_STEPS = 1e-4, (0.5, 0.9), 10.0, 5


def critic(width: int) -> nn.Sequential:
    """x [N, 3, 32, 32] -> scores [N, 1], without normalization."""
    f = width
    return nn.Sequential(
        nn.Conv2d(3, f, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(f, f * 2, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(f * 2, f * 4, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True),
        nn.Flatten(), nn.Linear(f * 4 * 16, 1, bias=False),
    )  # fmt: skip


def gradient_penalty(net_d: nn.Module, real: Tensor, fake: Tensor, alpha: Tensor) -> Tensor:
    """lambda mean (||grad D(alpha x + (1 - alpha) G(z))|| - 1)^2, alpha [N]."""
    alpha = alpha.view(-1, 1, 1, 1)
    between = (alpha * real + (1 - alpha) * fake).requires_grad_(True)
    scores = net_d(between)
    (gradient,) = torch.autograd.grad(scores, between, torch.ones_like(scores), create_graph=True)
    return PENALTY * ((gradient.reshape(len(real), -1).norm(2, dim=1) - 1) ** 2).mean()


def epochs(
    net_g: nn.Module, net_d: nn.Module, x: Tensor, batch: int, count: int, precision: torch.dtype, best: bool
) -> Callable[[], None]:
    """Return a function that trains both for `count` epochs of the critic on x [N, 3, 32, 32] in [-1, 1]."""
    loader = DataLoader(TensorDataset(x), batch, shuffle=True, drop_last=True)
    optimizer_d, optimizer_g = (
        torch.optim.Adam(net.parameters(), lr=LR, betas=BETAS, fused=best or None) for net in (net_d, net_g)
    )

    def cast() -> torch.autocast:
        return torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision is torch.bfloat16)

    def criticize(real: Tensor) -> None:
        net_d.zero_grad()
        with cast():
            with torch.no_grad():
                fake = net_g(torch.randn(len(real), NZ, 1, 1))
            losses = -net_d(real).mean(), net_d(fake).mean()
        for loss in losses:
            loss.backward()
        gradient_penalty(net_d, real, fake.float(), torch.rand(len(real))).backward()
        optimizer_d.step()

    def generate() -> None:
        net_d.requires_grad_(False)
        net_g.zero_grad()
        with cast():
            loss = -net_d(net_g(torch.randn(batch, NZ, 1, 1))).mean()
        loss.backward()
        optimizer_g.step()
        net_d.requires_grad_(True)

    def run() -> None:
        for _ in range(count):
            for i, (real,) in enumerate(loader):
                criticize(real)
                if (i + 1) % CRITIC_STEPS == 0:
                    generate()

    return run
