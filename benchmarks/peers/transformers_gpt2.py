"""transformers (Wolf et al. 2020): `GPT2LMHeadModel` in the loop of its documentation, "in native PyTorch".

AdamW at 5e-5 with a linear schedule, a shuffling `DataLoader` of `input_ids` and `labels`, and the model's
own loss. Dropout, 0.1 by default, is disabled, since the other peers have none; embeddings are tied, as by
default. With vs-best: bf16 where the hardware has it, and a fused AdamW.
"""

__all__ = ["gpt2", "training"]

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

LR = 5e-5


def gpt2(vocabulary: int, length: int, width: int, layers: int, heads: int) -> Any:
    """Hugging Face's GPT-2 of these sizes."""
    from transformers import GPT2Config, GPT2LMHeadModel

    last = vocabulary - 1
    config = GPT2Config(
        vocab_size=vocabulary, n_positions=length, n_embd=width, n_layer=layers, n_head=heads,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=last, eos_token_id=last,
    )  # fmt: skip
    return GPT2LMHeadModel(config).train()


def training(
    net: Any, ids: Tensor, batch: int, length: int, steps: int, precision: torch.dtype, best: bool
) -> Callable[[], None]:
    """Return a function that trains for `steps` steps on a text's ids, int64 [L]."""
    from torch.utils.data import DataLoader
    from transformers import get_scheduler

    windows = ids[: len(ids) // length * length].view(-1, length)
    examples: Any = [{"input_ids": row, "labels": row} for row in windows]
    loader: Any = DataLoader(examples, shuffle=True, batch_size=batch)
    optimizer = torch.optim.AdamW(net.parameters(), lr=LR, fused=best or None)
    scheduler = get_scheduler("linear", optimizer=optimizer, num_warmup_steps=0, num_training_steps=100_000)

    def run() -> None:
        for _, rows in zip(range(steps), _endless(loader), strict=False):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision is torch.bfloat16):
                loss = net(**rows).loss
            loss.backward()
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()

    return run


def _endless(loader: Any) -> Iterator[dict[str, Tensor]]:
    while True:
        yield from loader
