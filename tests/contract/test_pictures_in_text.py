"""Text with two pictures in it: a `[B, Q, T]` mask, as in Flamingo (Alayrac et al. 2022, section 2.3).

    start w w <picture 1> w w w w <picture 2> w w w w         the pictures are tokens to attend to

A position attends to the last picture before it, and to none before the first. Self-attention carries what
earlier positions have seen, so that with several layers picture 1 reaches the positions after picture 2
through them, which is what lets a text speak of a picture that lies behind it. What the mask rules out is the
direct path. It is therefore tested where there is no other: in one layer, whose self-attention precedes its
cross-attention, position q depends on the pictures only through its own cross-attention. There, a changed
picture 1 changes no logits before it or after picture 2, and all those between. With two layers it changes
none before it, and, once self-attention sees its own position alone, none after picture 2 either.
"""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from morphogen.contract import Batch, Conditioner, Context
from morphogen.families.autoregressive.objective import Autoregressive
from morphogen.model import Model
from morphogen.networks.attention import Attention, CrossAttention, SourceKeyValues
from morphogen.networks.blocks import Block, ParallelBlock, PostBlock
from morphogen.networks.feed_forward import FeedForward
from morphogen.networks.normalization import LayerNorm
from morphogen.networks.positions import LearnedPositions
from morphogen.networks.transformer import Transformer, Untied
from morphogen.numerics.randomness import Rng
from morphogen.representations.text import Bytes
from morphogen.testing import LAWS, check_model

LENGTH, WIDTH, PICTURE = 12, 16, (1, 4, 4)
FIRST, SECOND, PATCHES = 3, 7, 4  # positions of the pictures; tokens of a picture
BLOCKS = (Block, PostBlock, ParallelBlock)


class PicturesInText(Conditioner):
    """Two pictures {"pictures": [B, 2, C, H, W], "positions": [B, 2]} as tokens, four patches each."""

    name, widths = "pictures", {"tokens": WIDTH}

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(1, WIDTH, 2, stride=2)

    def forward(self, condition: Any, rng: Rng | None = None) -> Context:
        pictures, starts = condition["pictures"], condition["positions"]
        tokens = (
            self.patch(pictures.flatten(0, 1)).flatten(2).transpose(1, 2).unflatten(0, pictures.shape[:2])
        )
        last = (torch.arange(LENGTH)[:, None] >= starts[:, None]).sum(-1)  # pictures before each position
        visible = last[..., None] == torch.arange(1, 3).repeat_interleave(PATCHES)
        return Context(tokens=tokens.flatten(1, 2), mask=visible)


def pictures(rows: int, seed: int = 0) -> dict[str, dict[str, Tensor]]:
    positions = torch.tensor([[FIRST, SECOND]]).repeat(rows, 1)
    return {"pictures": {"pictures": Rng(seed, rows).normal(2, *PICTURE), "positions": positions}}


def model(layers: int = 1, kind: Any = Block) -> Model:
    torch.manual_seed(0)
    cross = CrossAttention(WIDTH, 2, WIDTH)
    block = kind(Attention(WIDTH, 2), FeedForward(WIDTH, 2 * WIDTH), LayerNorm(WIDTH), cross)
    head, positions = Untied(256, WIDTH), LearnedPositions(LENGTH, WIDTH)
    network = Transformer(256, LENGTH, block, layers, positions, head, 256)
    subject = Model(Autoregressive(network), Bytes(LENGTH), PicturesInText()).eval()
    for parameter in subject.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return subject


def text(rows: int) -> Tensor:
    return Rng(1, rows).integers(256, LENGTH)


@torch.no_grad()
def logits(subject: Model, condition: dict[str, dict[str, Tensor]]) -> Tensor:
    network: Any = subject.objective.network
    return network(text(3), subject.context(condition, 3))


def with_other_picture(condition: dict[str, dict[str, Tensor]], which: int) -> dict[str, dict[str, Tensor]]:
    changed = condition["pictures"]["pictures"].clone()
    changed[:, which] = -3 * changed[:, which]
    return {"pictures": {**condition["pictures"], "pictures": changed}}


def changed_positions(subject: Model, which: int) -> list[int]:
    """Where a change of a picture changes any logit of every row; elsewhere no bit of any row."""
    given = pictures(3)
    difference = (logits(subject, given) - logits(subject, with_other_picture(given, which))).abs().amax(-1)
    assert ((difference > 0).all(0) | (difference == 0).all(0)).all()
    return difference[0].nonzero()[:, 0].tolist()


@pytest.mark.parametrize("kind", BLOCKS)
def test_a_picture_is_seen_from_it_to_the_next(kind: Any) -> None:
    """In one layer, by the direct path alone."""
    assert changed_positions(model(1, kind), 0) == list(range(FIRST, SECOND))
    assert changed_positions(model(1, kind), 1) == list(range(SECOND, LENGTH))


@pytest.mark.parametrize("kind", BLOCKS)
def test_deeper_layers_pass_on_what_was_seen(kind: Any) -> None:
    """In two layers picture 1 reaches the positions after picture 2, by self-attention alone."""
    assert changed_positions(model(2, kind), 0) == list(range(FIRST, LENGTH))
    assert changed_positions(model(2, kind), 1) == list(range(SECOND, LENGTH))


def test_in_deeper_layers_only_self_attention_passes_it_on() -> None:
    """With a window of one position in self-attention, the direct path is the only one again."""
    subject = model(3)
    network: Any = subject.objective.network
    for block in network.blocks:
        block.attention.window = 1
    assert changed_positions(subject, 0) == list(range(FIRST, SECOND))


def test_a_mask_of_all_positions_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant: every position sees both pictures, as with a [B, T] mask."""
    forward = PicturesInText.forward
    monkeypatch.setattr(
        PicturesInText,
        "forward",
        lambda self, condition, rng=None: replace(
            context := forward(self, condition), mask=context.mask.any(1)
        ),
    )
    assert changed_positions(model(1), 0) == list(range(LENGTH))


@pytest.mark.parametrize("kind", BLOCKS)
@torch.no_grad()
def test_positions_that_see_no_picture_have_finite_logits_and_gradients(kind: Any) -> None:
    subject = model(2, kind)
    assert logits(subject, pictures(3)).isfinite().all()
    with torch.enable_grad():
        subject(Batch(text(3), pictures(3)), Rng(0, 3), "model").total.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in subject.parameters())
    network: Any = subject.objective.network
    context = subject.context(pictures(3), 3)
    assert context is not None and context.mask is not None
    blind = network(text(3), replace(context, mask=context.mask & False))
    assert torch.allclose(logits(subject, pictures(3))[:, :FIRST], blind[:, :FIRST], atol=1e-6)


def decoded(network: Any, context: Context, chunks: list[int]) -> Tensor:
    """Logits of cached decoding, with the text appended in chunks; 0: the first step, without a token."""
    cache, s = network.make_cache(3, context), text(3)
    outputs, start = [], 0
    for size in chunks:
        new = s[:, start : start + size]
        outputs.append(cache.prefill(new) if size > 1 else cache.step(new[:, 0] if size else None)[:, None])
        start += size
    return torch.cat(outputs, 1)


@pytest.mark.parametrize("kind", BLOCKS)
@pytest.mark.parametrize("chunks", [[0] + [1] * 11, [0, 11], [0, 2, 3, 1, 4, 1], [5, 1, 5], [11], [1, 10]])
@torch.no_grad()
def test_cached_decoding_equals_the_full_pass(kind: Any, chunks: list[int]) -> None:
    """One position at a time, or in chunks that begin and end within and between the pictures."""
    subject = model(2, kind)
    network: Any = subject.objective.network
    context = subject.context(pictures(3), 3)
    assert context is not None
    full, cached = network(text(3), context), decoded(network, context, chunks)
    assert torch.allclose(cached, full[:, LENGTH - cached.shape[1] :], atol=1e-5)


def test_a_cache_that_forgets_its_position_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant: every chunk has the mask of the first positions."""
    at = SourceKeyValues.at
    monkeypatch.setattr(SourceKeyValues, "at", lambda self, start, count: at(self, 0, count))
    subject = model(1)
    network: Any = subject.objective.network
    context = subject.context(pictures(3), 3)
    assert context is not None
    with torch.no_grad():
        distance = (decoded(network, context, [0] + [1] * 11) - network(text(3), context)).abs().max()
    assert distance > 0.01


@pytest.mark.parametrize("law", LAWS)
def test_law(law: str) -> None:
    check_model(model(2), Batch(text(8), pictures(8)), [law])
