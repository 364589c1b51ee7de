"""A network and a training loop like nanoGPT's (Karpathy 2022), rewritten with its settings for a laptop CPU.

From its README ("I only have a macbook") and config/train_shakespeare_char.py: characters, no biases, exact
GELU, tied embeddings, AdamW(1e-3, betas 0.9 and 0.99, weight decay 0.1 on matrices), clipping at 1, rows
picked one by one from a memory-mapped uint16 file, the loss read every step, fp32 without compilation on a
CPU; its optimizer is fused on CUDA only. With vs-best: bf16 where the hardware has it, and a fused AdamW.
"""

__all__ = ["NanoGPT", "training"]

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

LR, BETAS, DECAY, CLIP = 1e-3, (0.9, 0.99), 0.1, 1.0


class NanoGPT(nn.Module):
    """Mean cross-entropy in nats of ids [B, T] and their targets, the ids shifted by one."""

    def __init__(self, vocabulary: int, length: int, width: int, layers: int, heads: int):
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary, width)
        self.position_embedding = nn.Embedding(length, width)
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(width, bias=False), nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.token_embedding.weight
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, ids: Tensor, targets: Tensor) -> Tensor:
        x = self.token_embedding(ids) + self.position_embedding(torch.arange(ids.shape[1]))
        for block in self.blocks:
            x = block(x)
        return F.cross_entropy(self.head(self.norm(x)).flatten(0, 1), targets.flatten())


class _Block(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width, bias=False), nn.LayerNorm(width, bias=False)
        self.queries_keys_values = nn.Linear(width, 3 * width, bias=False)
        self.attention_out = nn.Linear(width, width, bias=False)
        self.mlp_in = nn.Linear(width, 4 * width, bias=False)
        self.mlp_out = nn.Linear(4 * width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        b, t, d = x.shape
        q, k, v = (
            part.view(b, t, self.heads, d // self.heads).transpose(1, 2)
            for part in self.queries_keys_values(self.norm1(x)).split(d, dim=2)
        )
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.attention_out(attended.transpose(1, 2).contiguous().view(b, t, d))
        return x + self.mlp_out(F.gelu(self.mlp_in(self.norm2(x))))


def training(
    net: NanoGPT, ids: np.ndarray, batch: int, length: int, steps: int, precision: torch.dtype, best: bool
) -> Callable[[], None]:
    """Return a function that trains for `steps` steps on a text's ids (uint16)."""
    matrices = [p for p in net.parameters() if p.ndim >= 2]
    others = [p for p in net.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LR, betas=BETAS, fused=best or None)

    def run() -> None:
        for _ in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = LR
            starts = torch.randint(len(ids) - length, (batch,)).tolist()
            x = torch.stack([torch.from_numpy(ids[i : i + length].astype(np.int64)) for i in starts])
            y = torch.stack([torch.from_numpy(ids[i + 1 : i + 1 + length].astype(np.int64)) for i in starts])
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision is torch.bfloat16):
                loss = net(x, y)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), CLIP)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            loss.item()

    return run
