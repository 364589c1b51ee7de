"""Training curves of our GPT and of a nanoGPT-like loop agree, from the same weights and batches."""

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
from morphogen.networks.positions import LearnedPositions
from morphogen.networks.transformer import Transformer
from morphogen.plan import AdamW, Plan
from morphogen.representations.text import Bytes
from morphogen.training import train

VOCABULARY, LENGTH, BATCH = 65, 64, 12


class RecordedWindows:
    """Windows of 65 tokens with the first as the prompt; records the batches that were requested."""

    def __init__(self, text: torch.Tensor):
        self.windows, self.batches = text.unfold(0, LENGTH + 1, 7), []

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, rows) -> Batch:
        self.batches.append(self.windows[rows])
        return Batch(self.windows[rows], {"prompt": self.windows[rows, :1]})


def same_weights(ours: Transformer, theirs: NanoGPT) -> None:
    pairs = [
        (ours.token_embedding.weight, theirs.token_embedding.weight),
        (ours.positions.weight, theirs.position_embedding.weight),
    ]
    pairs += [(ours.norm.weight, theirs.norm.weight)]
    for a, b in zip(ours.blocks, theirs.blocks, strict=True):
        pairs += [(a.norms[0].weight, b.norm1.weight), (a.norms[1].weight, b.norm2.weight)]
        pairs += [
            (a.attention.queries_keys_values.weight, b.queries_keys_values.weight),
            (a.attention.out.weight, b.attention_out.weight),
        ]
        pairs += [
            (a.feed_forward.inner.weight, b.mlp_in.weight),
            (a.feed_forward.out.weight, b.mlp_out.weight),
        ]
    for own, other in pairs:
        own.data.copy_(other.data)
    assert (
        sum(own.numel() for own, _ in pairs)
        == parameters(ours)
        == sum(p.numel() for p in theirs.parameters())
    )


def curves(steps: int, folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Nats per token at every step: ours by `morphogen.train`, theirs by a loop like nanoGPT's."""
    torch.manual_seed(0)
    text = torch.randint(VOCABULARY, (3000,)).cumsum(0) % 11  # learnable: each token constrains the next
    template = gpt2(VOCABULARY, LENGTH, 128, 4, 4, bias=False, exact=True)
    assert isinstance(template.block, Block)
    network = Transformer(
        VOCABULARY, LENGTH + 1, template.block, 4, LearnedPositions(LENGTH, 128), template.head, None
    )
    peer = NanoGPT(VOCABULARY, LENGTH, 128, 4, 4)
    same_weights(network, peer)
    model = Model(
        Autoregressive(network),
        Bytes(LENGTH + 1),
        Prefix(),
        Plan(AdamW(LR, BETAS, weight_decay=DECAY), BATCH, clip=CLIP),
    )
    data = RecordedWindows(text)
    train(model, data, steps=steps, directory=folder, device="cpu", precision="fp32", log_every=1)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    ours = torch.tensor([line["loss"] for line in lines])
    decayed = [p for p in peer.parameters() if p.ndim >= 2]
    others = [p for p in peer.parameters() if p.ndim < 2]
    groups = [{"params": decayed, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
    optimizer, theirs = torch.optim.AdamW(groups, lr=LR, betas=BETAS), []
    for windows in data.batches[-steps:]:
        loss = peer(windows[:, :-1], windows[:, 1:])
        loss.backward()
        nn.utils.clip_grad_norm_(peer.parameters(), CLIP)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        theirs.append(loss.item())
    return ours, torch.tensor(theirs)


@pytest.mark.parametrize("steps", [10, pytest.param(300, marks=pytest.mark.slow)])
def test_the_curves_agree(steps: int, tmp_path: Path) -> None:
    ours, theirs = curves(steps, tmp_path)
    assert len(ours) == steps and theirs[-1] < theirs[0]
    assert (ours - theirs).abs().max().item() < 1e-3
