"""Beam search equals exhaustive search, a reference implementation, and uncached decoding."""

import math
from itertools import pairwise, product

import pytest
import torch
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.conditioning.guidance import Guided
from morphogen.conditioning.prefix import pad_prompts
from morphogen.contract import Context
from morphogen.families.autoregressive import Autoregressive, Beam, Greedy, MaxNewTokens, NoRepeatNgram, TopK
from morphogen.networks.decoders import gpt2
from morphogen.numerics.randomness import Rng

V, N, END = 3, 5, 2
Text = tuple[int, ...]


def random_model(
    seed: int = 0, end: int | None = END, length: int = N, vector: int = 0, vocabulary: int = V
) -> Autoregressive:
    """A random model whose conditionals depend on the previous tokens."""
    torch.manual_seed(seed)
    network = gpt2(vocabulary, length, 8, 2, 2, vector=vector)
    for p in network.parameters():
        p.data += 0.5 * torch.randn_like(p)
    network.token_embedding.weight.data[:-1] -= network.token_embedding.weight.data[:-1].mean(0)
    return Autoregressive(network, end).eval()


def log_p(objective: Autoregressive, text: Text) -> list[float]:
    """log p of each token given the previous ones."""
    with torch.no_grad():
        return objective.token_log_probs(torch.tensor([text]), None)[0].tolist()


def every_text(prompt: Text, length: int, end: int | None) -> list[Text]:
    """All continuations of a prompt."""
    full = [(*prompt, *rest) for rest in product(range(V), repeat=length - len(prompt))]
    cut = {text[: text.index(end, len(prompt)) + 1] if end in text[len(prompt) :] else text for text in full}
    return sorted(cut)


def score(objective: Autoregressive, text: Text, prompt: Text, penalty: float) -> float:
    return sum(log_p(objective, text)[len(prompt) :]) / (len(text) - len(prompt)) ** penalty


def texts(tokens: Tensor) -> list[Text]:
    return [tuple(i for i in row if i >= 0) for row in tokens.tolist()]


def check_full_beam_is_exhaustive(penalty: float, end: int | None) -> None:
    for seed in range(2):
        objective, prompts = random_model(seed, end), [(), (0,), (1, 0, 1)]
        context = Context(prefix=pad_prompts(prompts))
        tokens, scores = Beam(V**N, penalty).search(objective, (N,), context, Rng(0, 3))
        for row, prompt in enumerate(prompts):
            expected = {text: score(objective, text, prompt, penalty) for text in every_text(prompt, N, end)}
            best = sorted(expected.values(), reverse=True)[:8]
            found = [
                (text, s)
                for text, s in zip(texts(tokens[row]), scores[row].tolist(), strict=True)
                if s > -math.inf
            ]
            assert [s for _, s in found[:8]] == pytest.approx(best, rel=1e-4)
            assert len({text for text, _ in found}) == len(found) == len(expected)
            assert all(s == pytest.approx(expected[text], rel=1e-4) for text, s in found)


@pytest.mark.parametrize("penalty", [0.0, 1.0, 2.0, -1.0])
@pytest.mark.parametrize("end", [END, None])
def test_a_beam_of_all_hypotheses_is_exhaustive(penalty: float, end: int | None) -> None:
    check_full_beam_is_exhaustive(penalty, end)


def reference_search(
    objective: Autoregressive, prompt: Text, width: int, penalty: float, length: int
) -> list[tuple[float, Text]]:
    """A reference implementation of beam search, without early stopping."""
    vocabulary = range(objective.vocabulary or 0)
    running, finished = [(0.0, prompt)], []
    for i in range(len(prompt), length):
        extended = []
        for value, text in running:
            x = torch.tensor([[*text, *[0] * (length - len(text))]])
            with torch.no_grad():
                next_log_p = objective.network(x, None)[0, i].log_softmax(-1).tolist()
            extended += [(value + next_log_p[v], (*text, v)) for v in vocabulary]
        extended.sort(key=lambda hypothesis: -hypothesis[0])
        finished += [
            (value / (i + 1 - len(prompt)) ** penalty, text)
            for value, text in extended[:width]
            if text[-1] == END
        ]
        running = [(value, text) for value, text in extended if text[-1] != END][:width]
    finished += [(value / (length - len(prompt)) ** penalty, text) for value, text in running]
    return sorted(finished, key=lambda hypothesis: -hypothesis[0])[:width]


def check_narrow_beam_equals_reference() -> None:
    continuations = set()
    for seed, width, penalty in product(range(4), (1, 2, 3), (0.0, 1.5)):
        objective, prompts = random_model(seed, length=9, vocabulary=6), [(), (0, 1), (1, 1, 0, 0)]
        context = Context(prefix=pad_prompts(prompts))
        tokens, scores = Beam(width, penalty).search(objective, (9,), context, Rng(0, 3))
        for row, prompt in enumerate(prompts):
            expected = reference_search(objective, prompt, width, penalty, 9)
            assert texts(tokens[row])[: len(expected)] == [text for _, text in expected]
            assert scores[row].tolist()[: len(expected)] == pytest.approx([s for s, _ in expected], abs=1e-4)
            continuations |= {text[len(prompt) :] for _, text in expected}
    assert len({text for text in continuations if len(set(text)) > 2}) > 5, (
        "texts that repeat one token would hide a wrong reordering of the cache"
    )


def test_a_narrow_beam_equals_the_reference() -> None:
    check_narrow_beam_equals_reference()


class Bigrams(nn.Module):
    """p(x_i | x_(i-1)) from a table, whose last row is p(x_1); counts its calls."""

    def __init__(self, *p: list[float]):
        super().__init__()
        self.logits, self.vocabulary, self.calls = torch.tensor(p).log(), len(p[0]), 0

    def forward(self, x: Tensor, context: Context | None) -> Tensor:
        self.calls += 1
        return self.logits[torch.nn.functional.pad(x[:, :-1], (1, 0), value=-1)]


def found_by(beam: Beam, length: int, *p: list[float]) -> tuple[list[Text], int]:
    """The hypotheses of positive probability that a beam finds, and the number of calls of the network."""
    network = Bigrams(*p)
    tokens, scores = beam.search(Autoregressive(network, END), (length,), None, Rng(0, 1))
    found = [t for t, s in zip(texts(tokens[0]), scores[0].tolist(), strict=True) if s > -math.inf]
    return found, network.calls


TINY = 1e-9


def check_a_search_stops_when_and_only_when_nothing_can_win() -> None:
    """Each bound of the score of a running hypothesis decides one of the searches."""
    lasting, ending, start = [1 - 2 * TINY, TINY, TINY], [TINY, TINY, 1 - 2 * TINY], [0.3, TINY, 0.7]
    # log 0.3 over nine tokens exceeds log 0.7, over two tokens or one it does not
    assert found_by(Beam(1, 1.0), 9, lasting, ending, start) == ([(0,) * 9], 9)
    assert found_by(Beam(1, 0.0), 9, lasting, ending, start) == ([(END,)], 1)
    # the worse one of two finished hypotheses decides
    assert found_by(Beam(2, 0.0), 9, ending, ending, [0.3, 0.1, 0.6]) == ([(END,), (0, END)], 2)
    # alpha = -1: after two tokens, 3 log 0.6 exceeds log 0.0015, and 20 log 0.6 does not
    found, calls = found_by(Beam(2, -1.0), 20, [0.6, TINY, 0.4], ending, [0.998, 0.0005, 0.0015])
    assert found == [(0, END), (0, 0, END)] and calls < 6


def test_a_search_stops_when_and_only_when_nothing_can_win() -> None:
    check_a_search_stops_when_and_only_when_nothing_can_win()


def test_cached_search_equals_uncached_search() -> None:
    class Uncached(nn.Module):
        def __init__(self, network: nn.Module):
            super().__init__()
            self.network = network

        def forward(self, x: Tensor, context: Context | None) -> Tensor:
            return self.network(x, context)

    objective = random_model(vector=3, length=9)
    context = Context(
        vector=torch.randn(2, 3), prefix=pad_prompts([[0], [1, 1, 0]]), null=Context(vector=torch.zeros(2, 3))
    )
    for sampler in (Beam(3), Guided(Beam(3), 2.0)):
        uncached = objective.steered(Uncached)
        cached_tokens = sampler(objective, (9,), context, Rng(0, 2))
        assert torch.equal(cached_tokens, sampler(uncached, (9,), context, Rng(0, 2)))


def test_width_one_is_greedy_and_samples_cycle_through_n_best() -> None:
    objective = random_model(end=None, length=9)
    assert torch.equal(Beam(1)(objective, (9,), None, Rng(0, 1)), Greedy()(objective, (9,), None, Rng(0, 1)))
    found, _ = Beam(4).search(objective, (9,), None, Rng(0, 1))
    assert torch.equal(Beam(4, n_best=3)(objective, (9,), None, Rng(0, 6)), found[0, [0, 1, 2, 0, 1, 2]])
    assert torch.equal(Beam(4, n_best=3)(objective, (9,), None, Rng(0, torch.tensor([2]))), found[0, 2:3])


def test_logits_processors_apply_to_beam_search() -> None:
    objective = random_model(end=None, length=9)
    x = Beam(4, n_best=4, processors=(NoRepeatNgram(2), MaxNewTokens(6)))(objective, (9,), None, Rng(0, 4))
    for text in texts(x):
        assert len(text) == 6 and len(set(pairwise(text))) == 5
    objective = random_model(end=None, length=4)
    x, scores = Beam(5, processors=(NoRepeatNgram(1),)).search(objective, (3,), None, Rng(0, 1))
    assert all(
        sorted(text) == [0, 1, 2] for text, s in zip(texts(x[0]), scores[0], strict=True) if s > -math.inf
    )


def test_invalid_arguments_are_refused() -> None:
    for invalid in (
        lambda: Beam(0),
        lambda: Beam(2, n_best=3),
        lambda: Beam(2, n_best=0),
        lambda: Beam(2, math.nan),
    ):
        with pytest.raises(ConfigError, match="1 <= n_best <= width"):
            invalid()
    with pytest.raises(ConfigError, match=r"Beam does not sample.*TopK"):
        Beam(2, processors=(TopK(2),))


def test_a_prompt_of_full_length_is_returned() -> None:
    prompt = torch.tensor([[0, 1, 0, 1, 0], [1, 1, 1, 1, 1]])
    assert torch.equal(Beam(2)(random_model(), (N,), Context(prefix=prompt), Rng(0, 2)), prompt)
