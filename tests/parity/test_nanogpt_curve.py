"""GPT in nanoGPT's shape for a CPU and the nanoGPT-like loop, from the same weights and batches: one curve."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks.peers.nanogpt import BETAS, CLIP, DECAY, LR, NanoGPT
from morphogen.conditioning.prefix import Prefix
from morphogen.contract import Batch
from morphogen.families.autoregressive import Autoregressive
from morphogen.model import Model, parameters
from morphogen.networks.blocks import Block
from morphogen.networks.decoders import gpt2
from morphogen.networks.positions import Learned
from morphogen.networks.transformer import Transformer
from morphogen.plan import AdamW, Plan
from morphogen.representations.text import Bytes
from morphogen.training import train

VOCABULARY, LENGTH, BATCH = 65, 64, 12


class Told:
    """Windows of 65 symbols, the first of which is given; it keeps what it handed out."""

    def __init__(self, text: torch.Tensor):
        self.windows, self.handed = text.unfold(0, LENGTH + 1, 7), []

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, rows) -> Batch:
        self.handed.append(self.windows[rows])
        return Batch(self.windows[rows], self.windows[rows, :1])


def same_weights(ours: Transformer, theirs: NanoGPT) -> None:
    pairs = [(ours.symbols.weight, theirs.tokens.weight), (ours.positions.weight, theirs.places.weight)]
    pairs += [(ours.norm.weight, theirs.norm.weight)]
    for a, b in zip(ours.blocks, theirs.blocks, strict=True):
        pairs += [(a.norms[0].weight, b.norm1.weight), (a.norms[1].weight, b.norm2.weight)]
        pairs += [(a.attention.queries_keys_values.weight, b.attend.weight), (a.attention.out.weight, b.project.weight)]
        pairs += [(a.feed_forward.inner.weight, b.widen.weight), (a.feed_forward.out.weight, b.narrow.weight)]
    for own, other in pairs:
        own.data.copy_(other.data)
    assert sum(own.numel() for own, _ in pairs) == parameters(ours) == sum(p.numel() for p in theirs.parameters())


def curves(steps: int, folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Nats a symbol of every step, ours by `morphogen.train`, theirs by the loop of `benchmarks.peers.nanogpt`."""
    torch.manual_seed(0)
    text = torch.randint(VOCABULARY, (3000,)).cumsum(0) % 11  # learnable: a letter says where the next can be
    shape = gpt2(VOCABULARY, LENGTH, 128, 4, 4, bias=False, exact=True)
    assert isinstance(shape.block, Block)
    network = Transformer(VOCABULARY, LENGTH + 1, shape.block, 4, Learned(LENGTH, 128), shape.head, None)
    peer = NanoGPT(VOCABULARY, LENGTH, 128, 4, 4)
    same_weights(network, peer)
    model = Model(Autoregressive(network), Bytes(LENGTH + 1), Prefix(), Plan(AdamW(LR, BETAS, weight_decay=DECAY), BATCH, clip=CLIP))
    told = Told(text)
    train(model, told, steps=steps, directory=folder, device="cpu", precision="fp32", log_every=1)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    ours = torch.tensor([line["loss"] for line in lines])
    decayed, others = [p for p in peer.parameters() if p.ndim >= 2], [p for p in peer.parameters() if p.ndim < 2]
    groups = [{"params": decayed, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
    optimizer, theirs = torch.optim.AdamW(groups, lr=LR, betas=BETAS), []
    for windows in told.handed[-steps:]:
        loss = peer(windows[:, :-1], windows[:, 1:])
        loss.backward()
        nn.utils.clip_grad_norm_(peer.parameters(), CLIP)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        theirs.append(loss.item())
    return ours, torch.tensor(theirs)


@pytest.mark.parametrize("steps", [10, pytest.param(300, marks=pytest.mark.slow)])
def test_the_curves_are_one(steps: int, tmp_path: Path) -> None:
    ours, theirs = curves(steps, tmp_path)
    assert len(ours) == steps and theirs[-1] < theirs[0]
    assert (ours - theirs).abs().max().item() < 1e-3
