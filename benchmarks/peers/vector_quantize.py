"""vector-quantize-pytorch 1.32.0 (Wang 2020): its `VectorQuantize` between an encoder and a decoder.

Batches come from a `DataLoader` in the main process, and the loop is that of its README's examples: forward,
backward, an optimizer step. The codes follow moving averages with a decay of 0.99, start at the centres of
k-means, and are replaced once they are unused, as ours. The straight-through gradient replaces its rotation
trick, and the sums of its losses are ours, so that both sides do the same work. With vs-best: bf16 where the
hardware has it, and a fused Adam.
"""

__all__ = ["VQAutoencoder", "epochs"]

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

LR, DECAY, COMMITMENT, SIGMA = 3e-4, 0.99, 0.25, 1.0


class VQAutoencoder(nn.Module):
    """The loss per image of x [N, C, H, W]: squared error / (2 sigma^2) + commitment.

    Arguments:
        encoder, decoder: called with (x, None) and (z, None).
        codes: number of codes.
        shape: of z, (D, h, w).
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, codes: int, shape: tuple[int, int, int]):
        from vector_quantize_pytorch import VectorQuantize

        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        # it returns the mean over the entries of z
        weight = COMMITMENT * shape[0] * shape[1] * shape[2]
        self.quantize = VectorQuantize(
            shape[0], codes, decay=DECAY, kmeans_init=True, threshold_ema_dead_code=2,
            accept_image_fmap=True, commitment_weight=weight, rotation_trick=False,
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        z, _, commitment = self.quantize(self.encoder(x, None))
        error = (self.decoder(z, None) - x).square().sum() / (2 * SIGMA**2 * len(x))
        return error + commitment.squeeze()


def epochs(
    net: VQAutoencoder, x: Tensor, batch: int, count: int, precision: torch.dtype, best: bool
) -> Callable[[], None]:
    """Return a function that trains for `count` epochs on x [N, C, H, W]."""
    loader = DataLoader(TensorDataset(x), batch, shuffle=True)
    optimizer = torch.optim.Adam(net.parameters(), lr=LR, fused=best or None)

    def run() -> None:
        for _ in range(count):
            for (rows,) in loader:
                with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision is torch.bfloat16):
                    loss = net(rows)
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()

    return run
