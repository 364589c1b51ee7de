"""Who accepts examples of different sizes, and what the others say."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from morphogen.catalogue import build_system
from morphogen.contract import Batch, Context, Encoded, Unsupported
from morphogen.families.diffusion import (
    DDPM,
    ClassifierGuided,
    Diffusion,
    DynamicThreshold,
    GaussianDecoder,
    LinearBetas,
)
from morphogen.networks import Attention, Block, FeedForward, SetTransformer
from morphogen.networks.normalization import LayerNorm
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Pixels
from morphogen.representations.text import Bytes

MASK = torch.tensor([[True, True, False], [True, False, False]])


def set_network(channels: int = 2) -> nn.Module:
    return SetTransformer(channels, Block(Attention(8, 2), FeedForward(8, 16), LayerNorm(8)), 1)


def masked(x: torch.Tensor) -> Encoded:
    return Encoded(x, torch.zeros(len(x)), torch.ones(len(x)), mask=MASK[:, : x.shape[1]])


REFUSING = ("vae", "wgan_gp", "realnvp", "mixture", "ddpm", "gated_pixelcnn", "ngram")


@pytest.mark.parametrize("system", REFUSING)
def test_others_refuse_in_one_line(system: str) -> None:
    model = build_system(system, Bytes(16) if system == "ngram" else Pixels(17, (1, 8, 8)), size="tiny")
    medium = torch.zeros(2, 16).long() if system == "ngram" else torch.zeros(2, 1, 8, 8)
    x = model.encode_batch(Batch(medium), Rng(0, 2))[0]
    x = replace(x, mask=torch.zeros(x.x.shape[:2], dtype=torch.bool))
    with pytest.raises(Unsupported) as refusal:
        model.objective.losses(x, None, Rng(0, 2), next(iter(model.players())))
    message = str(refusal.value)
    assert "\n" not in message and message.startswith(type(model.objective).__name__) and ":" in message


def test_a_network_that_ignores_masks_is_named() -> None:
    objective = build_system("ddpm", Pixels(17, (1, 8, 8)), size="tiny").objective
    with pytest.raises(Unsupported, match=r"Diffusion with UNet does not accept .* SetTransformer"):
        objective.receive_mask(MASK, None, Rng(0, 2))


def test_learned_variances_and_classifiers_are_refused() -> None:
    schedule = LinearBetas(1e-3, 0.2, 10)
    learned = Diffusion(set_network(2), schedule, GaussianDecoder(), variance="learned")
    with pytest.raises(Unsupported, match="use variance='beta'"):
        learned.losses(masked(torch.zeros(2, 3, 2)), None, Rng(0, 2), "model")
    guided = ClassifierGuided(DDPM(), nn.Identity(), label=1)
    with pytest.raises(Unsupported, match="use Guided"):
        guided.guide(Diffusion(set_network(), schedule, GaussianDecoder()), Context(x_mask=MASK))


def test_the_null_context_has_the_mask() -> None:
    objective = Diffusion(set_network(), LinearBetas(1e-3, 0.2, 10), GaussianDecoder())
    context, _ = objective.receive_mask(MASK, Context(null=Context()), Rng(0, 2))
    assert context is not None and context.null is not None
    assert context.x_mask is MASK and context.null.x_mask is MASK
    joined = Context.cat(context.null, context)
    assert joined.x_mask is not None and torch.equal(joined.x_mask, torch.cat([MASK, MASK]))


def test_rows_without_elements_have_finite_gradients() -> None:
    objective = Diffusion(set_network(), LinearBetas(1e-3, 0.2, 10), GaussianDecoder())
    mask = MASK & torch.tensor([[True], [False]])
    x = Encoded(torch.zeros(2, 3, 2), torch.zeros(2), torch.ones(2), mask=mask)
    total = objective.losses(x, None, Rng(0, 2), "model").total
    assert total[1] == 0
    total.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in objective.parameters())


def test_dynamic_thresholds_ignore_padding() -> None:
    x, threshold = torch.tensor([[[3.0], [1.0], [100.0]], [[2.0], [50.0], [100.0]]]), DynamicThreshold(1.0)
    assert threshold(x, MASK)[MASK].flatten().tolist() == pytest.approx([1.0, 1 / 3, 1.0])
    short = threshold(x[:1, :2])
    torch.testing.assert_close(threshold(x, MASK)[:1, :2], short)
