"""Captions read by a language model of text alone: tokens, mask and pooled vector."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from morphogen.component import ConfigError
from morphogen.networks import decoders
from morphogen.networks.bert import Bert
from morphogen.networks.language_encoder import BidirectionalEncoder, CausalEncoder
from morphogen.networks.text_encoder import TextEncoder

ENCODERS = {
    "bidirectional": lambda: BidirectionalEncoder(Bert(20, 16, 8, 2, 2, 16), 18, 19),
    "causal": lambda: CausalEncoder(decoders.llama(20, 16, 8, 2, 2, 2, 16, start=1)),
    "causal without a start": lambda: CausalEncoder(decoders.llama(20, 16, 8, 2, 2, 2, 16, start=None), 8),
}


def encoder(kind: str) -> TextEncoder:
    torch.manual_seed(0)
    return ENCODERS[kind]().eval()


def padded(rows: list[list[int]]) -> tuple[Tensor, Tensor]:
    ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], True, -1)
    return ids, ids >= 0


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_padded_text_equals_the_text_alone(kind: str) -> None:
    network = encoder(kind)
    both, alone = network(*padded([[3, 4, 5, 6, 7], [8, 9]])), network(*padded([[8, 9]]))
    assert both.tokens is not None and both.mask is not None and both.vector is not None
    assert alone.tokens is not None and alone.vector is not None
    n = alone.tokens.shape[1]
    assert torch.allclose(both.tokens[1, :n], alone.tokens[0], atol=1e-5)
    assert torch.allclose(both.vector[1], alone.vector[0], atol=1e-5)
    assert not both.tokens[1, n:].any() and both.mask.sum(1).tolist() == [n + 3, n]


@pytest.mark.parametrize("kind", ENCODERS)
def test_an_empty_text_has_a_context_and_a_long_one_is_refused(kind: str) -> None:
    network = encoder(kind)
    empty = network(torch.full((2, 1), -1), torch.zeros(2, 1, dtype=torch.bool))
    assert empty.tokens is not None and empty.tokens.isfinite().all() and empty.vector is not None
    assert torch.equal(empty.vector[0], empty.vector[1])
    with pytest.raises(ConfigError, match=f"takes {network.capacity}"):
        network(*padded([[1] * (network.capacity + 1)]))


@torch.no_grad()
def test_the_tokens_are_the_normalized_hidden_states() -> None:
    network = encoder("bidirectional")
    context = network(*padded([[3, 4, 5]]))
    s = torch.tensor([[18, 3, 4, 5, 19]])
    h = network.bert(s, torch.ones(1, 5, dtype=torch.bool))  # type: ignore[operator]
    expected = F.layer_norm(h, (8,))
    torch.testing.assert_close(context.tokens, expected)
    torch.testing.assert_close(context.vector, F.layer_norm(expected.mean(1), (8,)))


@torch.no_grad()
def test_logits_follow_from_the_states_of_the_causal_encoder() -> None:
    """The states are those from which the language model predicts the next token."""
    network, seen = encoder("causal"), list[Tensor]()
    network.network.norm.register_forward_hook(lambda _, __, output: seen.append(output))  # type: ignore[union-attr, operator]
    context = network(*padded([[3, 4, 5]]))
    network.network(torch.tensor([[3, 4, 5, 6]]), None)  # type: ignore[operator]
    torch.testing.assert_close(seen[0], seen[1])
    torch.testing.assert_close(context.tokens, F.layer_norm(seen[0], (8,)))
