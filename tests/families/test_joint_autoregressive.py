"""A text and x in one sequence: the loss, the probability of the text, and prompts."""

import math

import pytest
import torch

from morphogen.component import ConfigError
from morphogen.conditioning.caption import Caption, CaptionDropout, caption_bytes
from morphogen.contract import Context, Encoded
from morphogen.families.autoregressive import Ancestral, JointAutoregressive
from morphogen.networks.attention import Attention
from morphogen.networks.blocks import Block
from morphogen.networks.feed_forward import FeedForward
from morphogen.networks.joint_transformer import JointTransformer
from morphogen.networks.normalization import LayerNorm
from morphogen.networks.text_encoder import LeadingText
from morphogen.numerics.randomness import Rng
from morphogen.representations.text import Bytes

TEXT, SIDES, CODES = 2, (2, 2), 3


def objective(weight: float = 0.125) -> JointAutoregressive:
    torch.manual_seed(0)
    block = Block(Attention(8, 2), FeedForward(8, 16), LayerNorm(8))
    return JointAutoregressive(JointTransformer(4, TEXT, CODES, SIDES, block, 1), weight).eval()


def encoded(x: torch.Tensor) -> Encoded:
    return Encoded(x, torch.zeros(len(x)), torch.full((len(x),), 4.0))


def every(count: int, length: int) -> torch.Tensor:
    return torch.cartesian_prod(*[torch.arange(count)] * length).reshape(-1, length)


def test_the_probabilities_of_all_texts_and_of_all_grids_sum_to_one() -> None:
    model = objective()
    short, long = every(4, 1), every(4, 2)
    texts = torch.cat([torch.cat([short, torch.full_like(short, -1)], 1), long])
    x = torch.zeros(len(texts), *SIDES, dtype=torch.long)
    assert model.text_log_prob(x, Context(text=texts)).exp().sum().item() + _empty(model) == pytest.approx(1)
    grids = every(CODES, 4).view(-1, *SIDES)
    context = Context(text=torch.tensor([[2, -1]]).expand(len(grids), -1))
    assert model.log_prob(
        encoded(grids), context, Rng(0, len(grids))
    ).nats.exp().sum().item() == pytest.approx(1)


def _empty(model: JointAutoregressive) -> float:
    """The probability that a text ends at once."""
    logits, _ = model.network.joint_logits(torch.zeros(1, *SIDES, dtype=torch.long), None)  # type: ignore[operator]
    return logits[0, 0].softmax(0)[-1].item()


def test_the_loss_weighs_text_and_grid() -> None:
    model, x = objective(0.25), torch.tensor([[[0, 1], [2, 0]], [[1, 1], [0, 2]]])
    context = Context(text=torch.tensor([[3, 1], [-1, -1]]))
    losses = model.losses(encoded(x), context, Rng(0, 2), "model")
    log_prob, log_text = model.log_prob(encoded(x), context, Rng(0, 2)).nats, model.text_log_prob(x, context)
    torch.testing.assert_close(losses.terms["nll"], 0.75 * -log_prob / 4)
    torch.testing.assert_close(losses.terms["text"], 0.25 * -log_text / 2)
    assert losses.terms["text"][1] == 0  # a dropped caption is not learned
    assert "text" not in model.losses(encoded(x), None, Rng(0, 2), "model").terms


def test_samples_have_the_frequencies_of_the_model() -> None:
    """n = 4000, seed 3: counts of the last code within 4 standard errors."""
    model, n = objective(), 4000
    context = Context(
        text=torch.tensor([[1, 2]]).expand(n, -1), prefix=torch.tensor([[2, 0, 1]]).expand(n, -1)
    )
    drawn = Ancestral()(model, SIDES, context, Rng(3, n))
    assert (drawn.flatten(1)[:, :3] == torch.tensor([2, 0, 1])).all()
    p = model.network(drawn[:1], context[:1])[0, 1, 1].softmax(0)  # type: ignore[operator]
    for code in range(CODES):
        expected = p[code].item()
        found = (drawn[:, 1, 1] == code).double().mean().item()
        assert abs(found - expected) < 4 * math.sqrt(expected * (1 - expected) / n)


def test_captions_are_padded_to_one_length_and_dropped_to_padding() -> None:
    conditioner = CaptionDropout(Caption(Bytes(8), LeadingText(6)), 0.5)
    context = conditioner(caption_bytes(["ab", "abcd"]))
    assert context.text is not None and context.null is not None and context.null.text is not None
    assert context.text.tolist() == [[97, 98, -1, -1, -1, -1], [97, 98, 99, 100, -1, -1]]
    assert (context.null.text == -1).all() and context.null.text.shape == (2, 6)
    drawn = conditioner(caption_bytes(["ab"] * 64), Rng(0, 64)).text
    assert drawn is not None and 16 < (drawn[:, 0] < 0).sum() < 48


def test_a_wrong_weight_is_named() -> None:
    with pytest.raises(ConfigError, match=r"text_weight=1 is not in \[0, 1\): give 0.125"):
        objective(1.0)
