"""Word dropout hides tokens in training only; the recurrent encoder reads all but padding."""

import pytest
import torch

from morphogen.component import ConfigError
from morphogen.contract import Context
from morphogen.networks.recurrent import Recurrent
from morphogen.networks.sequence_encoder import SequenceEncoder
from morphogen.networks.word_dropout import WordDropout

X = torch.tensor([[0, 1, 2, 3], [3, 3, 0, 1]])


def network() -> Recurrent:
    torch.manual_seed(0)
    return Recurrent(4, 8)


def test_nothing_is_hidden_in_evaluation_and_at_p_0() -> None:
    plain = network()
    assert torch.equal(WordDropout(plain, 0.9).eval()(X, None), plain(X, None))
    assert torch.equal(WordDropout(plain, 0.0).train()(X, None), plain(X, None))
    cache = WordDropout(plain, 0.5).make_cache(2, None)
    assert torch.allclose(cache.prefill(X[:, :2])[:, -1], plain(X, None)[:, 2], atol=1e-5)


def test_a_fraction_of_the_tokens_is_hidden_in_training() -> None:
    """p = 1 hides all: the logits are those of any other text; p = 0.3 of 20,000 tokens, seed 0, +- 0.02."""
    hidden = WordDropout(network(), 1.0).train()
    assert torch.equal(hidden(X, None), hidden(X.flip(1), None))
    seen = []
    part = WordDropout(network(), 0.3).train()
    part.network.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    torch.manual_seed(0)
    part(torch.ones(200, 100, dtype=torch.long), None)
    assert abs((seen[0] == 4).double().mean() - 0.3) < 0.02
    with pytest.raises(ConfigError, match=r"p=1\.5"):
        WordDropout(network(), 1.5)


def test_the_encoder_does_not_read_padding_but_every_token_and_the_context() -> None:
    torch.manual_seed(0)
    encoder = SequenceEncoder(4, 6, 8, vector=3)
    short, padded = encoder(X[:, :3]), encoder(torch.cat([X[:, :3], torch.full((2, 2), -1)], 1))
    assert short.shape == (2, 6) and torch.allclose(short, padded, atol=1e-6)
    changed = X[:, :3].clone()
    changed[:, 2] = 1
    assert not torch.allclose(encoder(changed), short, atol=1e-3)
    assert not torch.allclose(encoder(X[:, :3], Context(vector=torch.ones(2, 3))), short, atol=1e-3)
