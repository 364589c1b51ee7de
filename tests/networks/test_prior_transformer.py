"""The transformer of the diffusion prior: what it depends on, padding, and its output at the start."""

from dataclasses import replace

import torch

from morphogen.contract import Context
from morphogen.networks.attention import Attention
from morphogen.networks.blocks import Block
from morphogen.networks.feed_forward import FeedForward
from morphogen.networks.normalization import LayerNorm
from morphogen.networks.prior_transformer import PriorTransformer
from morphogen.numerics.randomness import Rng


def network() -> PriorTransformer:
    """Of embeddings of 6 numbers, with every parameter away from 0."""
    torch.manual_seed(0)
    block = Block(Attention(8, 2), FeedForward(8, 16), LayerNorm(8))
    made = PriorTransformer(6, block, layers=2, length=5, vector=6, tokens=4)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return made


Z, T = Rng(1, 3).normal(6), torch.tensor([0.1, 0.5, 0.9])
CONTEXT = Context(
    Rng(2, 3).normal(6), Rng(3, 3).normal(4, 4), torch.arange(4) < torch.tensor([[4], [2], [1]])
)


def test_every_input_matters() -> None:
    made = network()
    output = made(Z, T, CONTEXT)
    assert CONTEXT.tokens is not None and CONTEXT.vector is not None
    for changed in (
        made(Z + 1, T, CONTEXT),
        made(Z, T.flip(0) + 0.01, CONTEXT),
        made(Z, T, replace(CONTEXT, vector=CONTEXT.vector + 1)),
        made(Z, T, replace(CONTEXT, tokens=CONTEXT.tokens.roll(1, 2))),
    ):
        assert (changed - output).abs().amax(1).min() > 1e-4


def test_padding_of_the_caption_has_no_effect() -> None:
    """Rows with padded tokens equal the rows alone, also without any token."""
    made = network()
    assert CONTEXT.tokens is not None and CONTEXT.mask is not None
    for length, row in ((4, 0), (2, 1), (1, 2)):
        alone = Context(CONTEXT[row : row + 1].vector, CONTEXT.tokens[row : row + 1, :length])
        one = slice(row, row + 1)
        torch.testing.assert_close(made(Z[one], T[one], alone), made(Z, T, CONTEXT)[one], atol=1e-5, rtol=0)
    empty = replace(CONTEXT, mask=torch.zeros_like(CONTEXT.mask))
    none = replace(CONTEXT, tokens=None, mask=None)
    torch.testing.assert_close(made(Z, T, empty), made(Z, T, none), atol=1e-5, rtol=0)


def test_the_output_is_zero_at_the_start() -> None:
    block = Block(Attention(8, 2), FeedForward(8, 16), LayerNorm(8))
    assert not PriorTransformer(6, block, 1, 5, 6, 4)(Z, T, CONTEXT).any()
