"""Autoregressive models of vectors: principal components, agreement, sampling and guidance."""

from dataclasses import replace

import pytest
import torch

from morphogen.component import ConfigError
from morphogen.conditioning.guidance import Guided
from morphogen.contract import Context, Encoded
from morphogen.families.autoregressive import Ancestral, Autoregressive
from morphogen.families.autoregressive.embedding_codes import EmbeddingCodes, EmbeddingSampler, PrincipalCodes
from morphogen.networks.decoders import gpt2
from morphogen.numerics.randomness import Rng

N = 400
MIXING = Rng(7, 6).normal(6)
X = Rng(1, N).normal(6) @ MIXING
CONTEXT = Context(vector=X + Rng(2, N).normal(6), null=Context(vector=torch.zeros(N, 6)))


def objective(bins: int = 16) -> EmbeddingCodes:
    """Of 3 of 6 components, with random weights."""
    torch.manual_seed(0)
    network = gpt2(bins, 4, 16, 1, 2, vector=6)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    made = EmbeddingCodes(Autoregressive(network), PrincipalCodes(6, 3, bins))
    made.prepare(encoded(), CONTEXT, Rng(0, N))
    return made


def encoded() -> Encoded:
    return Encoded(X, torch.zeros(N), torch.ones(N))


def test_all_components_in_fine_bins_give_the_vectors_back() -> None:
    """Within half of a bin of each component, 8 deviations over 4096; three lose the rest of the variance."""
    whole, part = PrincipalCodes(6, 6, 4096), PrincipalCodes(6, 3, 4096)
    for codes in (whole, part):
        codes.fit(X)
    torch.testing.assert_close(whole.decode(whole.encode(X)), X, atol=0.02, rtol=0)
    values = torch.linalg.eigvalsh(torch.cov(X.T).double()).flip(0)
    torch.testing.assert_close(part.deviation.double(), values[:3].sqrt(), rtol=1e-4, atol=0)
    lost = (part.decode(part.encode(X)) - X).square().sum(1).mean().double() * N / (N - 1)
    torch.testing.assert_close(lost, values[3:].sum(), rtol=1e-3, atol=0)


def test_bins_of_the_agreement_hold_equally_many_rows() -> None:
    made = objective()
    counts = torch.bucketize((X * CONTEXT.vector).mean(1), made.edges).bincount(minlength=16)
    assert counts.min() >= 24 and counts.max() <= 26


def test_the_loss_scores_the_codes_given_the_agreement() -> None:
    """It is that of the sequence [agreement, codes] with the agreement as the prompt."""
    made, rng = objective(), Rng(0, N)
    assert CONTEXT.vector is not None
    first = torch.bucketize((X * CONTEXT.vector).mean(1), made.edges)[:, None]
    sequence = torch.cat([first, made.codes.encode(X)], 1)
    nats = made.objective.token_log_probs(sequence, CONTEXT)[:, 1:].mean(1)
    losses = made.losses(encoded(), CONTEXT, rng, "model")
    torch.testing.assert_close(losses.total, -nats)
    assert (losses.weight == 3).all()


def test_the_agreement_of_samples_is_from_the_upper_part() -> None:
    made, seen = objective(), []
    made.objective.network.register_forward_pre_hook(lambda _, given: seen.append(given[0]))

    class Recorded(Ancestral):
        def __call__(self, objective, shape, context, rng):
            seen.append(context.prefix)
            return super().__call__(objective, shape, context, rng)

    x = EmbeddingSampler(Recorded(), part=0.25)(made, (6,), CONTEXT, Rng(3, N))
    assert x.shape == (N, 6) and set(seen[0].flatten().tolist()) == {12, 13, 14, 15}
    alone = EmbeddingSampler(Ancestral(), part=0.25)(made, (6,), CONTEXT[5:6], Rng(3, N)[5:6])
    torch.testing.assert_close(alone, x[5:6], atol=1e-5, rtol=0)


def test_guidance_may_go_inside_or_around() -> None:
    made, rng = objective(), Rng(3, N)
    inside = EmbeddingSampler(Guided(Ancestral(), 3.0))(made, (6,), CONTEXT, rng)
    around = Guided(made.default_sampler(), 3.0)(made, (6,), CONTEXT, rng)
    plain = made.default_sampler()(made, (6,), CONTEXT, rng)
    assert torch.equal(inside, around) and not torch.equal(inside, plain)


def test_errors() -> None:
    with pytest.raises(ConfigError, match=r"components=7, bins=16: give 1 to 6 components"):
        PrincipalCodes(6, 7, 16)
    with pytest.raises(ConfigError, match="3 rows do not determine 3 components"):
        PrincipalCodes(6, 3).fit(X[:3])
    with pytest.raises(ConfigError, match=r"part=0: give a number above 0"):
        EmbeddingSampler(Ancestral(), 0.0)
    for context in (None, replace(CONTEXT, vector=X[:, :3])):
        with pytest.raises(ConfigError, match="requires captions in the space of x"):
            objective().losses(encoded(), context, Rng(0, N), "model")
