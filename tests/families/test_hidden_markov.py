"""Hidden Markov models: masks, classes, prompts, samples, starts, and a text of known entropy rate."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from scipy import stats
from torch import Tensor

from morphogen.closed_form_chains import noisy_cycle
from morphogen.component import ConfigError
from morphogen.contract import Causal, Context, Encoded, Reorders
from morphogen.families.autoregressive import Ancestral
from morphogen.families.classical import (
    CategoricalEmissions,
    GaussianEmissions,
    HiddenChain,
    HiddenMarkov,
    HiddenMarkovSampler,
    TokenChain,
)
from morphogen.model import load, save
from morphogen.numerics.randomness import Rng
from morphogen.representations.text import Characters
from morphogen.systems.hmm import hmm
from morphogen.training.loop import train
from systems.mixed_table import Rows

V = 5


def rows(x: Tensor, mask: Tensor | None = None) -> Encoded:
    return Encoded(x, torch.zeros(len(x)), torch.full((len(x),), float(x.shape[1])), mask=mask)


def tokens(states: int = 3, classes: int = 0, prior: float = 0.5) -> HiddenMarkov:
    chain = TokenChain(CategoricalEmissions(V, states * max(classes, 1), prior), classes, prior)
    return HiddenMarkov(chain, Ancestral())


def vectors(states: int = 3, covariance: str = "full") -> HiddenMarkov:
    emissions = GaussianEmissions(2, states, covariance)  # type: ignore[arg-type]
    return HiddenMarkov(HiddenChain(emissions), HiddenMarkovSampler())


def text(n: int = 60, length: int = 12, seed: int = 0) -> Tensor:
    return noisy_cycle(3, V, length, sharpness=3.0).sample(Rng(seed, n))


def walk(n: int = 60, length: int = 8, seed: int = 0) -> Tensor:
    """Two places that alternate."""
    place = (torch.arange(length) // 2 % 2)[None, :, None] * 4.0
    return place + Rng(seed, n).normal(length, 2)


def fit(model: HiddenMarkov, x: Encoded, steps: int = 5, context: Context | None = None) -> list[float]:
    """Rounds of EM; returns the mean log p of a row before each."""
    model.prepare(x, context, Rng(0, len(x)))
    trace = []
    for step in range(steps):
        losses = model.losses(x, context, Rng(0, len(x)), "model")
        assert losses.weight is not None
        trace.append(-(losses.total * losses.weight).sum().item() / len(x))
        model.update_from_statistics(losses.statistics, step)
    return trace


def labels(y: Tensor, classes: int = 2) -> Context:
    return Context(vector=torch.nn.functional.one_hot(y, classes).float())


@pytest.mark.parametrize("kind", ["tokens", "full", "diagonal"])
def test_em_never_lowers_the_likelihood(kind: str) -> None:
    model, x = (tokens(prior=0.0), text()) if kind == "tokens" else (vectors(3, kind), walk())
    if kind != "tokens":
        model.network.emissions.floor = 1e-10  # which is not part of the likelihood that EM raises
    trace = fit(model, rows(x), 25)
    assert all(after >= before - 1e-9 for before, after in pairwise(trace))
    assert trace[-1] > trace[0] + 0.01


@pytest.mark.parametrize("kind", ["tokens", "vectors"])
def test_statistics_of_micro_batches_add_up(kind: str) -> None:
    model, x = (tokens(), text()) if kind == "tokens" else (vectors(), walk())
    fit(model, rows(x), 2)
    full = model.losses(rows(x), None, Rng(0, 60), "model").statistics
    parts = [model.losses(rows(part), None, Rng(0, len(part)), "model").statistics for part in x.split(23)]
    for name, total in full.items():
        torch.testing.assert_close(sum(part[name] for part in parts), total)


@pytest.mark.parametrize("kind", ["tokens", "vectors"])
def test_a_missing_position_is_integrated_out(kind: str) -> None:
    """Position 3 of 6 is masked: log p equals the sum over all tokens, or the quadrature over a vector."""
    if kind == "tokens":
        model = tokens()
        fit(model, rows(text()))
        x = text(1, 6, seed=5)
        every, measure = x.repeat(V, 1), torch.ones(V).double()
        every[:, 3] = torch.arange(V)
    else:
        model = vectors()
        fit(model, rows(walk()))
        x, axis = walk(1, 6, seed=5), torch.linspace(-12, 16, 141)
        every = x.repeat(141**2, 1, 1)
        every[:, 3] = torch.cartesian_prod(axis, axis)
        measure = torch.full((141**2,), 0.2**2).double()
    mask = torch.ones(1, 6, dtype=torch.bool)
    mask[0, 3] = False
    whole = model.log_prob(rows(every), None, Rng(0, len(every))).nats
    one = model.log_prob(rows(x, mask), None, Rng(0, 1)).nats
    torch.testing.assert_close((whole.exp() * measure).sum(), one.exp()[0], rtol=1e-4, atol=0)


def test_padding_changes_nothing() -> None:
    """Of 12 positions the last 5 are padding: likelihood, posterior, path and statistics of the first 7."""
    model = tokens()
    fit(model, rows(text()))
    x, mask = text(8, seed=3), (torch.arange(12) < 7).expand(8, -1)
    padded, short = rows(x, mask), rows(x[:, :7])
    for one, other in ((padded, short), (rows(x.masked_fill(~mask, -1)), short)):
        torch.testing.assert_close(model.state_probabilities(one)[:, :7], model.state_probabilities(other))
        assert torch.equal(model.decode_states(one)[:, :7], model.decode_states(other))
        ours, theirs = (model.losses(e, None, Rng(0, 8), "model").statistics for e in (one, other))
        for name in theirs:
            torch.testing.assert_close(ours[name], theirs[name])


def test_classes_have_chains_and_their_mixture_is_the_marginal() -> None:
    """p(x) = sum_c p(c) p(x | c), and each class has the higher likelihood of its own rows."""
    x, y = torch.cat([text(40, 40), text(20, 40, seed=1).clamp_max(3)]), (torch.arange(60) >= 40).long()
    model = tokens(2, classes=2)
    fit(model, rows(x), 8, labels(y))
    of_class = [model.log_prob(rows(x), labels(torch.full_like(y, c)), Rng(0, 60)).nats for c in (0, 1)]
    marginal = torch.stack(of_class, 1) + torch.tensor([2 / 3, 1 / 3]).double().log()
    torch.testing.assert_close(marginal.logsumexp(1), model.log_prob(rows(x), None, Rng(0, 60)).nats)
    assert ((of_class[1] > of_class[0]) == (y == 1)).double().mean() > 0.9
    assert (model.decode_states(rows(x), labels(y)) // 2 == y[:, None]).all()
    with pytest.raises(ConfigError, match="width 3"):
        model.log_prob(rows(x), labels(y, 3), Rng(0, 60))


def test_the_tokens_are_causal_cached_and_drawn_by_their_probabilities() -> None:
    """20,000 samples of three tokens, seed 2: chi-square p > 0.001; the cache equals the pass."""
    model, n = tokens(), 20_000
    fit(model, rows(text()))
    chain = model.network
    assert isinstance(chain, Causal)
    x, cache = text(2, seed=5), chain.make_cache(2, None)
    log_p = chain(x, None)
    torch.testing.assert_close(log_p.exp().sum(-1), torch.ones(2, 12).double())
    for t in range(12):
        torch.testing.assert_close(cache.step(x[:, t - 1] if t else None), log_p[:, t])
    assert isinstance(cache, Reorders)
    every = torch.cartesian_prod(*[torch.arange(V)] * 3)
    p = model.log_prob(rows(every), None, Rng(0, V**3)).nats.exp()
    assert p.sum().item() == pytest.approx(1, abs=1e-12)
    drawn = model.default_sampler()(model, (3,), None, Rng(2, n))
    counts = torch.bincount((drawn[:, 0] * V + drawn[:, 1]) * V + drawn[:, 2], minlength=V**3)
    assert stats.chisquare(counts.numpy(), (n * p / p.sum()).numpy()).pvalue > 0.001


def test_a_prompt_is_kept_and_not_scored() -> None:
    model, x = tokens(), text(3, 8, seed=4)
    fit(model, rows(text()))
    full = model.log_prob(rows(x), None, Rng(0, 3)).nats
    first = model.log_prob(rows(x[:, :3]), None, Rng(0, 3)).nats
    context = Context(prefix=x[:, :3])
    torch.testing.assert_close(model.log_prob(rows(x), context, Rng(0, 3)).nats, full - first)
    assert torch.equal(model.default_sampler()(model, (8,), context, Rng(0, 3))[:, :3], x[:, :3])
    other = Context(prefix=(x[:, :3] + 1) % V)
    assert (model.log_prob(rows(x), other, Rng(0, 3)).nats == -torch.inf).all()


def test_samples_of_vectors_have_the_moments_of_the_model() -> None:
    """n = 20,000, seed 1: the mean at each position within 4 standard errors; keyed by row."""
    model, n = vectors(), 20_000
    fit(model, rows(walk()), 10)
    x = model.default_sampler()(model, (4, 2), None, Rng(1, n))
    chain, expected = model.network, []
    p = chain.initial
    for _ in range(4):
        expected.append(p[0] @ chain.emissions.means)
        p = p @ chain.transition[0]
    error = x.double().std(0) / n**0.5
    assert ((x.double().mean(0) - torch.stack(expected)).abs() < 4 * error).all()
    one = model.default_sampler()(model, (4, 2), None, Rng(1, torch.tensor([777])))
    torch.testing.assert_close(one[0], x[777])


def test_the_gradient_of_vectors_is_their_score() -> None:
    model = vectors()
    fit(model, rows(walk()))
    x = walk(2, 4, seed=9).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: model.log_prob(rows(x), None, Rng(0, 2)).nats, x)


def test_outliers_keep_a_finite_likelihood() -> None:
    model = vectors()
    fit(model, rows(walk()))
    nats = model.log_prob(rows(torch.full((2, 5, 2), 1e6)), None, Rng(0, 2)).nats
    assert nats.isfinite().all() and (nats < -1e9).all()


def test_the_start_does_not_depend_on_the_order_of_rows() -> None:
    order = torch.randperm(60, generator=torch.Generator().manual_seed(0))
    for make, x in ((vectors, walk()), (tokens, text())):
        one, two = make(), make()
        one.prepare(rows(x), None, Rng(5, 60))
        two.prepare(rows(x[order]), None, Rng(5, order))
        for name, value in one.network.state_dict().items():
            torch.testing.assert_close(two.network.state_dict()[name], value)


@pytest.mark.slow
def test_a_model_of_known_text_reaches_its_entropy_rate(tmp_path: Path) -> None:
    """`hmm` of 4 states, 2,000 rows of 128 tokens, 300 rounds of online EM, seed 0, 2,000 test rows.

    Within 0.005 nats per token of the entropy rate, and not below it by more than 4 standard errors; equal
    after saving and loading.
    """
    truth = noisy_cycle()
    data, test = truth.sample(Rng(0, 2000, ("data",))), truth.sample(Rng(1, 2000, ("test",)))
    model = hmm(Characters("abcdefgh", 128), size="tiny")
    train(model, Rows(data), steps=300)
    nats = -model.log_prob(test).nats / 128
    h, error = truth.entropy_rate(), nats.std().item() / 2000**0.5
    assert -4 * error < nats.mean().item() - h.nats < 0.005 + 4 * h.stderr
    paired = (truth.log_prob(test) - model.log_prob(test).nats) / 128
    assert -4 * paired.std().item() / 2000**0.5 < paired.mean().item() < 0.005
    save(model, tmp_path)
    assert torch.equal(load(tmp_path).log_prob(test).nats, model.log_prob(test).nats)


def test_bad_input_is_refused_in_one_line() -> None:
    with pytest.raises(ConfigError, match="states=0"):
        CategoricalEmissions(V, 0)
    with pytest.raises(ConfigError, match="dims=0"):
        GaussianEmissions(0, 2)
    with pytest.raises(ConfigError, match="classes=2, emissions"):
        HiddenChain(GaussianEmissions(2, 3), classes=2)
    with pytest.raises(ConfigError, match="decay=2"):
        HiddenMarkov(vectors().network, HiddenMarkovSampler(), decay=2.0)
    with pytest.raises(ConfigError, match="sequences are empty"):
        tokens().losses(rows(torch.zeros(3, 0).long()), None, Rng(0, 3), "model")
    with pytest.raises(ConfigError, match="id 5"):
        tokens().prepare(rows(torch.full((3, 2), V)), None, Rng(0, 3))
    x = walk(4, 3)
    x[2, 1, 0] = torch.nan
    with pytest.raises(ConfigError, match="row 2, position 1, column 0 is nan"):
        vectors().prepare(rows(x), None, Rng(0, 4))
    hidden = torch.ones(4, 3, dtype=torch.bool)
    hidden[2, 1] = False  # a missing vector may be anything
    fit(model := vectors(2), rows(x, hidden))
    assert all(value.isfinite().all() for value in model.network.state_dict().values())
