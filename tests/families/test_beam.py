"""A beam of all beginnings is an exhaustive search; a narrow one is the search that is written out here; caches change nothing."""

import math
from itertools import pairwise, product

import pytest
import torch
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.conditioning.guidance import Guided
from morphogen.conditioning.prefix import ragged
from morphogen.contract import Context
from morphogen.families.autoregressive import Autoregressive, Beam, Greedy, MaxNew, NoRepeatNgram, TopK
from morphogen.networks.decoders import gpt2
from morphogen.numerics.randomness import Rng

V, N, END = 3, 5, 2
Text = tuple[int, ...]


def law(seed: int = 0, end: int | None = END, length: int = N, vector: int = 0, vocabulary: int = V) -> Autoregressive:
    """A random law; the wider it is, the more of its past it hears."""
    torch.manual_seed(seed)
    network = gpt2(vocabulary, length, 8, 2, 2, vector=vector)
    for p in network.parameters():
        p.data += 0.5 * torch.randn_like(p)
    network.symbols.weight.data[:-1] -= network.symbols.weight.data[:-1].mean(0)
    return Autoregressive(network, end).eval()


def log_p(objective: Autoregressive, text: Text) -> list[float]:
    """log p of each symbol given those before it."""
    with torch.no_grad():
        return objective.token_log_probs(torch.tensor([text]), None)[0].tolist()


def every_text(prompt: Text, length: int, end: int | None) -> list[Text]:
    """All that can be written behind a prompt."""
    full = [(*prompt, *rest) for rest in product(range(V), repeat=length - len(prompt))]
    cut = {text[: text.index(end, len(prompt)) + 1] if end in text[len(prompt) :] else text for text in full}
    return sorted(cut)


def score(objective: Autoregressive, text: Text, prompt: Text, penalty: float) -> float:
    return sum(log_p(objective, text)[len(prompt) :]) / (len(text) - len(prompt)) ** penalty


def texts(found: Tensor) -> list[Text]:
    return [tuple(i for i in row if i >= 0) for row in found.tolist()]


def a_full_beam_is_brute_force(penalty: float, end: int | None) -> None:
    for seed in range(2):
        objective, told = law(seed, end), [(), (0,), (1, 0, 1)]
        found, scores = Beam(V**N, penalty).search(objective, (N,), Context(prefix=ragged(told)), Rng(0, 3))
        for row, prompt in enumerate(told):
            known = {text: score(objective, text, prompt, penalty) for text in every_text(prompt, N, end)}
            best = sorted(known.values(), reverse=True)[:8]
            there = [(text, s) for text, s in zip(texts(found[row]), scores[row].tolist(), strict=True) if s > -math.inf]
            assert [s for _, s in there[:8]] == pytest.approx(best, rel=1e-4)
            assert len({text for text, _ in there}) == len(there) == len(known)
            assert all(s == pytest.approx(known[text], rel=1e-4) for text, s in there)


@pytest.mark.parametrize("penalty", [0.0, 1.0, 2.0, -1.0])
@pytest.mark.parametrize("end", [END, None])
def test_a_beam_of_all_beginnings_is_brute_force(penalty: float, end: int | None) -> None:
    a_full_beam_is_brute_force(penalty, end)


def written_out(objective: Autoregressive, prompt: Text, width: int, penalty: float, length: int) -> list[tuple[float, Text]]:
    """Beam search as the page tells it, without stopping early."""
    symbols = range(objective.vocabulary or 0)
    running, over = [(0.0, prompt)], []
    for i in range(len(prompt), length):
        found = []
        for value, text in running:
            with torch.no_grad():
                laws = objective.network(torch.tensor([[*text, *[0] * (length - len(text))]]), None)[0, i].log_softmax(-1).tolist()
            found += [(value + laws[v], (*text, v)) for v in symbols]
        found.sort(key=lambda of: -of[0])
        over += [(value / (i + 1 - len(prompt)) ** penalty, text) for value, text in found[:width] if text[-1] == END]
        running = [(value, text) for value, text in found if text[-1] != END][:width]
    over += [(value / (length - len(prompt)) ** penalty, text) for value, text in running]
    return sorted(over, key=lambda of: -of[0])[:width]


def a_narrow_beam_is_the_written_out_search() -> None:
    various = set()
    for seed, width, penalty in product(range(4), (1, 2, 3), (0.0, 1.5)):
        objective, told = law(seed, length=9, vocabulary=6), [(), (0, 1), (1, 1, 0, 0)]
        found, scores = Beam(width, penalty).search(objective, (9,), Context(prefix=ragged(told)), Rng(0, 3))
        for row, prompt in enumerate(told):
            expected = written_out(objective, prompt, width, penalty, 9)
            assert texts(found[row])[: len(expected)] == [text for _, text in expected]
            assert scores[row].tolist()[: len(expected)] == pytest.approx([s for s, _ in expected], abs=1e-4)
            various |= {text[len(prompt) :] for _, text in expected}
    assert len({text for text in various if len(set(text)) > 2}) > 5, "texts that repeat one symbol would hide a beam that lost its way"


def test_a_narrow_beam_is_the_written_out_search() -> None:
    a_narrow_beam_is_the_written_out_search()


def test_memory_finds_what_recomputing_finds() -> None:
    class Naive(nn.Module):
        def __init__(self, network: nn.Module):
            super().__init__()
            self.network = network

        def forward(self, x: Tensor, context: Context | None) -> Tensor:
            return self.network(x, context)

    objective = law(vector=3, length=9)
    context = Context(vector=torch.randn(2, 3), prefix=ragged([[0], [1, 1, 0]]), null=Context(vector=torch.zeros(2, 3)))
    for sampler in (Beam(3), Guided(Beam(3), 2.0)):
        found = sampler(objective, (9,), context, Rng(0, 2))
        assert torch.equal(found, sampler(objective.with_network(Naive(objective.network)), (9,), context, Rng(0, 2)))


def test_a_beam_of_one_is_greedy_and_samples_go_through_the_best() -> None:
    objective = law(end=None, length=9)
    assert torch.equal(Beam(1)(objective, (9,), None, Rng(0, 1)), Greedy()(objective, (9,), None, Rng(0, 1)))
    found, _ = Beam(4).search(objective, (9,), None, Rng(0, 1))
    assert torch.equal(Beam(4, n_best=3)(objective, (9,), None, Rng(0, 6)), found[0, [0, 1, 2, 0, 1, 2]])
    assert torch.equal(Beam(4, n_best=3)(objective, (9,), None, Rng(0, torch.tensor([2]))), found[0, 2:3])


def test_rules_bend_what_a_beam_searches() -> None:
    objective = law(end=None, length=9)
    x = Beam(4, n_best=4, rules=(NoRepeatNgram(2), MaxNew(6)))(objective, (9,), None, Rng(0, 4))
    for text in texts(x):
        assert len(text) == 6 and len(set(pairwise(text))) == 5
    objective = law(end=None, length=4)
    x, scores = Beam(5, rules=(NoRepeatNgram(1),)).search(objective, (3,), None, Rng(0, 1))
    assert all(sorted(text) == [0, 1, 2] for text, s in zip(texts(x[0]), scores[0], strict=True) if s > -math.inf)


def test_numbers_that_make_no_beam_are_refused() -> None:
    for bad in (lambda: Beam(0), lambda: Beam(2, n_best=3), lambda: Beam(2, n_best=0), lambda: Beam(2, math.nan)):
        with pytest.raises(ConfigError, match="1 <= n_best <= width"):
            bad()
    with pytest.raises(ConfigError, match=r"Beam draws nothing.*TopK"):
        Beam(2, rules=(TopK(2),))


def test_a_prompt_that_is_the_whole_sequence_is_the_best_text() -> None:
    told = torch.tensor([[0, 1, 0, 1, 0], [1, 1, 1, 1, 1]])
    assert torch.equal(Beam(2)(law(), (N,), Context(prefix=told), Rng(0, 2)), told)
