"""transformers (Wolf et al. 2020): `CLIPModel`, and the loop of its documentation for its contrastive loss.

The towers and the loss are those of OpenAI's CLIP, as in open_clip, which is not compared because it is not
among the installed packages. The loop is that of the example "contrastive-image-text": texts are tokenized
once, ahead of the training; AdamW with a cosine schedule after a warm-up, gradients clipped to norm 1, the
loss read every step.
"""

__all__ = ["clip", "framed", "training"]

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

WARMUP, CLIP = 100, 1.0


def clip(folder: Path) -> Any:
    """Their model of a folder."""
    from transformers import CLIPModel

    return CLIPModel.from_pretrained(folder)


def framed(texts: list[list[int]], start: int, end: int) -> Tensor:
    """Token ids of texts between start and end, filled up with the end."""
    rows = [torch.tensor([start, *ids, end]) for ids in texts]
    return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=end)


def training(
    net: Any,
    pixels: Tensor,
    ids: Tensor,
    batch: int,
    steps: int,
    lr: float,
    precision: torch.dtype,
    best: bool,
) -> Callable[[], None]:
    """Return a function that trains for `steps` steps on pictures [N, C, H, W] and texts [N, T]."""
    from torch.utils.data import DataLoader, TensorDataset
    from transformers import get_cosine_schedule_with_warmup

    optimizer = torch.optim.AdamW(net.train().parameters(), lr=lr, weight_decay=0.1, fused=best or None)
    schedule = get_cosine_schedule_with_warmup(optimizer, WARMUP, 100 * WARMUP)
    loader: Any = DataLoader(TensorDataset(pixels, ids), batch_size=batch, shuffle=True, drop_last=True)

    def run() -> None:
        done = 0
        while done < steps:
            for pictures, texts in loader:
                with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision is torch.bfloat16):
                    loss = net(input_ids=texts, pixel_values=pictures, return_loss=True).loss
                loss.backward()
                nn.utils.clip_grad_norm_(net.parameters(), CLIP)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
                loss.detach().item()
                done += 1
                if done == steps:
                    break

    return run
