"""n-grams: normalization, counting, micro-batches, caching, sampling, saving and resuming."""

from functools import reduce
from pathlib import Path

import pytest
import torch
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Batch, Causal, Context, Encoded
from morphogen.data.documents import load_text
from morphogen.families.autoregressive import Ancestral, Recompute
from morphogen.families.classical import KneserNey, NGram
from morphogen.families.classical.kneser_ney import discounts
from morphogen.model import load, save
from morphogen.numerics.randomness import Rng
from morphogen.representations.text import Bytes
from morphogen.systems.ngram import ngram
from morphogen.testing import check_model
from morphogen.training.loop import train

V = 5


def rows(x: Tensor) -> Encoded:
    return Encoded(x, torch.zeros(len(x)), torch.full((len(x),), float(x.shape[1])))


def text(n: int, seed: int = 0) -> Tensor:
    """A chain: with probability 3/4 a token is the sum of the previous two modulo V, else it is uniform."""
    choice, noise = Rng(seed, n).integers(4).tolist(), Rng(seed + 1, n).integers(V).tolist()
    x = [0, 1]
    for c, e in zip(choice, noise, strict=True):
        x.append(e if c == 0 else (x[-1] + x[-2]) % V)
    return torch.tensor(x[2:])


def objective(order: int = 3, capacity: int = 400) -> NGram:
    return NGram(KneserNey(V, order, capacity), Ancestral())


def fit(model: NGram, x: Tensor) -> NGram:
    model.update_from_statistics(model.losses(rows(x), None, Rng(0, len(x)), "model").statistics, 0)
    return model


@pytest.mark.parametrize("n", [0, 3, 60, 2000])
def test_probabilities_are_positive_and_sum_to_one(n: int) -> None:
    """After every context, with no counts, a few, and many."""
    model = objective(4)
    if n:
        fit(model, text(n).unfold(0, 4, 1) if n > 4 else text(12).view(3, 4))
    everything = torch.cartesian_prod(*[torch.arange(V)] * 4)
    log_p = model.network(everything, None)
    assert log_p.isfinite().all()
    torch.testing.assert_close(log_p.exp().sum(-1), torch.ones(V**4, 4).double(), atol=1e-12, rtol=0)
    torch.testing.assert_close(
        model.log_prob(rows(everything), None, Rng(0, V**4)).nats.exp().sum().item(), 1.0, atol=1e-9, rtol=0
    )


def test_without_counts_the_distribution_is_uniform() -> None:
    nats = objective().log_prob(rows(text(8).view(2, 4)), None, Rng(0, 2)).nats
    torch.testing.assert_close(nats, torch.full((2,), -4.0).double() * torch.tensor(V).double().log())


def test_windows_at_every_offset_count_each_ngram_once() -> None:
    x = text(300)
    windows = x.unfold(0, 10, 1)
    model = fit(objective(), windows)
    size = int((model.network.counts > 0).sum())
    # all trigrams except those that end within the first 9 tokens
    expected = torch.bincount((x[7:-2] * V + x[8:-1]) * V + x[9:], minlength=V**3)
    assert torch.equal(model.network.grams[:size], expected.nonzero()[:, 0])
    assert torch.equal(model.network.counts[:size], expected[expected > 0])
    assert not model.network.counts[size:].any()


def test_counts_of_micro_batches_add_up_and_a_second_step_changes_nothing() -> None:
    x = text(300).unfold(0, 6, 1)
    model = objective()
    full = model.losses(rows(x), None, Rng(0, len(x)), "model")
    parts = [model.losses(rows(p), None, Rng(0, len(p)), "model") for p in x.split(70)]
    total = reduce(torch.add, [p.statistics["grams"] for p in parts]).coalesce()
    assert torch.equal(total.indices(), full.statistics["grams"].indices())
    assert torch.equal(total.values(), full.statistics["grams"].values())
    torch.testing.assert_close(torch.cat([p.total for p in parts]), full.total)
    before = fit(model, x).network.counts.clone()
    assert torch.equal(fit(model, x).network.counts, before)


def test_the_loss_is_that_of_the_last_token() -> None:
    x = text(300).unfold(0, 6, 1)
    model = fit(objective(), x)
    expected = model.network(x, None)[:, -1].gather(1, x[:, -1:])[:, 0]
    torch.testing.assert_close(model.losses(rows(x), None, Rng(0, len(x)), "model").total, -expected)


def test_the_model_learns_a_chain() -> None:
    """20 000 tokens: held-out nats per token within 0.01 of the entropy, and not 4 sigma below it."""
    model = fit(objective(3, V**3), text(20_000).unfold(0, 3, 1))
    x = text(20_000, seed=9)
    log_p = model.network.probabilities()(x.unfold(0, 2, 1)[:-1]).gather(1, x[2:, None])[:, 0]
    truth = torch.full((V, V, V), 0.25 / V).double()
    for a in range(V):
        for b in range(V):
            truth[a, b, (a + b) % V] += 0.75
    excess = truth[x[:-2], x[1:-1], x[2:]].log() - log_p
    assert -4 * excess.std() / len(excess) ** 0.5 < excess.mean() < 0.01


def test_the_rarest_ngrams_are_dropped_beyond_the_capacity() -> None:
    """125 n-grams occur, and the capacity is 20: the most frequent are kept, and probabilities sum to one."""
    x = text(5000).unfold(0, 3, 1)
    full, small = fit(objective(3, V**3), x), fit(objective(3, 20), x)
    ordered = full.network.counts.sort(descending=True).values
    assert small.network.counts.min() >= ordered[19]
    assert small.network.counts.sum() == ordered[:20].sum()
    assert (small.network.grams[1:] > small.network.grams[:-1]).all()
    everything = torch.cartesian_prod(*[torch.arange(V)] * 3)
    torch.testing.assert_close(
        small.network(everything, None).exp().sum(-1), torch.ones(V**3, 3).double(), atol=1e-12, rtol=0
    )


def test_discounts_are_computed_from_the_counts_of_counts() -> None:
    """n_1 = 10, n_2 = 4, n_3 = 2, n_4 = 1: Y = 10 / 18, by hand; j / 2 where a count does not occur."""
    counts = torch.tensor([1] * 10 + [2] * 4 + [3] * 2 + [4] + [9] * 3)
    y = 10 / 18
    by_hand = [0, 1 - 2 * y * 4 / 10, 2 - 3 * y * 2 / 4, 3 - 4 * y * 1 / 2]
    torch.testing.assert_close(discounts(counts), torch.tensor(by_hand).double())
    assert discounts(torch.tensor([7, 8])).tolist() == [0, 0.5, 1, 1.5]


def test_the_cache_equals_the_forward_pass_and_the_context_is_limited() -> None:
    model = fit(objective(4, 600), text(2000).unfold(0, 4, 1))
    assert isinstance(model.network, Causal)
    x = text(9, seed=5)[None].repeat(2, 1)
    x[1, 2] = (x[1, 2] + 1) % V
    log_p, cache = model.network(x, None), model.network.make_cache(2, None)
    for i in range(9):
        assert torch.equal(cache.step(x[:, i - 1] if i else None), log_p[:, i])
    differs = (log_p[0] != log_p[1]).any(-1)
    assert differs[3:6].all() and not differs[:3].any() and not differs[6:].any()


def test_a_prompt_is_not_scored() -> None:
    model, x = fit(objective(), text(2000).unfold(0, 3, 1)), text(24, seed=4).view(3, 8)
    full = model.log_prob(rows(x), None, Rng(0, 3)).nats
    prompt_only = model.log_prob(rows(x[:, :3]), None, Rng(0, 3)).nats
    context = Context(prefix=x[:, :3])
    torch.testing.assert_close(model.log_prob(rows(x), context, Rng(0, 3)).nats, full - prompt_only)
    assert torch.equal(model.default_sampler()(model, (8,), context, Rng(0, 3))[:, :3], x[:, :3])
    other = Context(prefix=(x[:, :3] + 1) % V)
    assert (model.log_prob(rows(x), other, Rng(0, 3)).nats == -torch.inf).all()


def test_sample_frequencies_match_the_probabilities() -> None:
    """20 000 samples of three tokens: every frequency within 5 standard errors of its probability."""
    model, n = fit(objective(), text(500).unfold(0, 3, 1)), 20_000
    drawn = model.default_sampler()(model, (3,), None, Rng(2, n))
    everything = torch.cartesian_prod(*[torch.arange(V)] * 3)
    p = model.log_prob(rows(everything), None, Rng(0, V**3)).nats.exp()
    frequency = torch.bincount((drawn[:, 0] * V + drawn[:, 1]) * V + drawn[:, 2], minlength=V**3).double() / n
    assert ((frequency - p).abs() < 5 * (p * (1 - p) / n).sqrt()).all()


def corpus(folder: Path) -> Path:
    words = ["the", "house", "of", "a", "man", "is", "his", "castle", "and", "not"]
    picks = Rng(0, 8000).integers(10).tolist()
    path = folder / "book.txt"
    path.write_text("\n".join(" ".join(words[p] for p in picks[i : i + 8]) for i in range(0, 8000, 8)))
    return path


def test_the_ngram_system_learns_text_resumes_and_loads(tmp_path: Path) -> None:
    """One step, below 1.6 bits per byte; resuming from a checkpoint, saving and loading are exact."""
    data = load_text(corpus(tmp_path), length=32).windows(length=32)
    model = ngram(data.representation, size="tiny")
    train(model, data.train, steps=1, directory=tmp_path / "run")
    x = data.test.first(50).medium
    likelihood = model.log_prob(x)
    assert (likelihood.kind, likelihood.measure) == ("exact", "mass") and likelihood.bits_per_dim.mean() < 1.6
    resumed = ngram(data.representation, size="tiny")
    train(resumed, data.train, steps=1, directory=tmp_path / "run")  # no steps left: loads the checkpoint
    save(model, tmp_path / "saved")
    for other in (resumed, load(tmp_path / "saved"), load(tmp_path / "run" / "model")):
        assert torch.equal(other.log_prob(x).nats, likelihood.nats)
        assert torch.equal(other.sample(3, seed=1).tensor, model.sample(3, seed=1).tensor)
    network = resumed.objective.network
    network.set_counts(network.count(x[:, :3]))  # the cached probabilities are recomputed
    assert not torch.equal(resumed.log_prob(x).nats, likelihood.nats)
    prompt = torch.tensor([list(b"the house")] * 4)
    assert all(s.startswith("the house") for s in model.sample(4, prompt).decode())


def test_a_fitted_model_passes_check_model(tmp_path: Path) -> None:
    """tests/laws checks the model without counts."""
    data = load_text(corpus(tmp_path), length=16).windows(length=16)
    model = ngram(data.representation, size="tiny")
    train(model, data.train, steps=1)
    check_model(model, data.test.first(12))


def test_invalid_arguments_are_refused() -> None:
    for invalid in ({"order": 1}, {"capacity": 0}, {"vocabulary": 256, "order": 8}):
        with pytest.raises(ConfigError, match="KneserNey needs order >= 2"):
            KneserNey(**({"vocabulary": 2} | invalid))
    with pytest.raises(ConfigError, match="rows of 2 tokens have no 3-gram"):
        objective().losses(rows(torch.zeros(4, 2).long()), None, Rng(0, 4), "model")


def test_a_window_shorter_than_the_order_reduces_the_order() -> None:
    model = ngram(Bytes(4), size="small")
    assert model.objective.network.order == 4
    assert model(Batch(torch.zeros(3, 4).long()), Rng(0, 3), "model").total.shape == (3,)


def test_recompute_supports_a_network_without_parameters() -> None:
    """The device of `Recompute` comes from the buffers then."""
    model = fit(objective(), text(500).unfold(0, 3, 1))
    uncached, cache, previous = (
        Recompute(model.network, 2, (4,), None),
        model.network.make_cache(2, None),
        None,
    )
    for _ in range(4):
        assert torch.equal(uncached.step(previous), cache.step(previous))
        previous = torch.tensor([1, 3])
