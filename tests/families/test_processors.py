"""Logits processors equal reference implementations on 10,000 rows; unusable logits are refused."""

import math
from collections.abc import Callable

import pytest
import torch
from scipy.stats import chi2
from torch import Tensor

from morphogen.component import ConfigError, from_config, to_config
from morphogen.families.autoregressive import (
    Ancestral,
    FrequencyPenalty,
    Greedy,
    LogitBias,
    LogitsProcessor,
    MinP,
    NoRepeatNgram,
    PresencePenalty,
    RepetitionPenalty,
    SuppressTokens,
    Temperature,
    TopK,
    TopP,
    logits_processors,
)
from morphogen.families.autoregressive.processors import process_logits
from morphogen.numerics.randomness import Rng

N, V, T = 10_000, 9, 7
INF = math.inf
Row = Callable[[list[float], list[int], int], list[float]]


def rows(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Random logits, token ids and prompt lengths of 0 to 4.

    A third of the rows of logits has ties, and a third has excluded tokens; sequences have many repetitions.
    """
    rng = Rng(seed, N)
    logits = 2 * rng.normal(V)
    logits[::3] = logits[::3].round()
    excluded = rng.uniform(V)[1::3] < 0.4
    excluded[:, 4] = False
    logits[1::3] = logits[1::3].masked_fill(excluded, -INF)
    return logits, rng.integers(4, T), rng.integers(5)


def softmax(row: list[float]) -> list[float]:
    top = max(row)
    e = [math.exp(l - top) for l in row]
    return [p / sum(e) for p in e]


def by_likelihood(row: list[float]) -> list[int]:
    return sorted(range(len(row)), key=lambda k: (-row[k], k))


def temperature_zero(row: list[float], text: list[int], prompt_length: int) -> list[float]:
    best = by_likelihood(row)[0]
    return [0.0 if k == best else -INF for k in range(V)]


def top_three(row: list[float], text: list[int], prompt_length: int) -> list[float]:
    third = row[by_likelihood(row)[2]]
    return [l if l >= third else -INF for l in row]


def nucleus(row: list[float], text: list[int], prompt_length: int) -> list[float]:
    p, kept, mass = softmax(row), set(), 0.0
    for k in by_likelihood(row):
        if mass >= 0.7:
            break
        kept.add(k)
        mass += p[k]
    return [row[k] if k in kept else -INF for k in range(V)]


def min_p(row: list[float], text: list[int], prompt_length: int) -> list[float]:
    p = softmax(row)
    return [row[k] if p[k] >= 0.1 * max(p) else -INF for k in range(V)]


def repetition(row: list[float], text: list[int], prompt_length: int) -> list[float]:
    return [l if k not in text else l * 1.5 if l < 0 else l / 1.5 for k, l in enumerate(row)]


def presence(row: list[float], text: list[int], prompt_length: int) -> list[float]:
    return [l - 0.5 * (k in text[prompt_length:]) for k, l in enumerate(row)]


def frequency(row: list[float], text: list[int], prompt_length: int) -> list[float]:
    return [l - 0.5 * text[prompt_length:].count(k) for k, l in enumerate(row)]


def no_repeated_bigram(row: list[float], text: list[int], prompt_length: int) -> list[float]:
    grams = {tuple(text[i : i + 2]) for i in range(len(text) - 1)}
    return [-INF if (text[-1], k) in grams else l for k, l in enumerate(row)]


def no_repeated_token(row: list[float], text: list[int], prompt_length: int) -> list[float]:
    return [-INF if k in text else l for k, l in enumerate(row)]


REFERENCES: dict[str, tuple[LogitsProcessor, Row]] = {
    "temperature 0.5": (Temperature(0.5), lambda row, text, prompt_length: [2 * l for l in row]),
    "temperature 0": (Temperature(0), temperature_zero),
    "top 3": (TopK(3), top_three),
    "top 99": (TopK(99), lambda row, text, prompt_length: row),
    "nucleus": (TopP(0.7), nucleus),
    "min-p": (MinP(0.1), min_p),
    "bias": (
        LogitBias(((2, 1.5), (8, -INF))),
        lambda row, text, prompt_length: [*row[:2], row[2] + 1.5, *row[3:8], -INF],
    ),
    "suppress": (SuppressTokens((0, 7)), lambda row, text, prompt_length: [-INF, *row[1:7], -INF, row[8]]),
    "repetition": (RepetitionPenalty(1.5), repetition),
    "presence": (PresencePenalty(0.5), presence),
    "frequency": (FrequencyPenalty(0.5), frequency),
    "bigram": (NoRepeatNgram(2), no_repeated_bigram),
    "unigram": (NoRepeatNgram(1), no_repeated_token),
}


def check_equals_reference(name: str) -> None:
    """Rounding may change near-ties at the threshold of top-p and min-p: at most 1 row in 1,000."""
    processor, reference = REFERENCES[name]
    logits, token_ids, prompt_length = rows()
    processed = processor(logits, token_ids, prompt_length)
    arguments = zip(logits.tolist(), token_ids.tolist(), prompt_length.tolist(), strict=True)
    expected = torch.tensor([reference(row, text, length) for row, text, length in arguments])
    differs = ~torch.isclose(processed, expected, rtol=1e-5, atol=1e-5).all(1)
    assert differs.sum() <= (N // 1000 if name in ("nucleus", "min-p") else 0)


@pytest.mark.parametrize("name", REFERENCES)
def test_a_processor_equals_its_reference(name: str) -> None:
    check_equals_reference(name)


@pytest.mark.parametrize("name", REFERENCES)
def test_a_processor_survives_a_config_round_trip(name: str) -> None:
    processor = REFERENCES[name][0]
    assert repr(from_config(to_config(processor))) == repr(processor)


def check_a_nucleus_ends_at_its_mass() -> None:
    """Of equal tokens whose sums are exact in binary those of the lowest ids, and no more than reach p."""
    for tokens in (4, 64):
        kept = TopP(0.5)(torch.zeros(1, tokens), torch.zeros(1, 0).long(), torch.zeros(1).long()) > -INF
        assert kept.nonzero()[:, 1].tolist() == [*range(tokens // 2)]


def test_a_nucleus_ends_at_its_mass() -> None:
    check_a_nucleus_ends_at_its_mass()


def check_padding_is_ignored() -> None:
    logits, token_ids, prompt_length = rows()
    padded = torch.nn.functional.pad(token_ids, (0, 2), value=-1)
    for processor in (RepetitionPenalty(1.5), PresencePenalty(0.5), FrequencyPenalty(0.5), NoRepeatNgram(1)):
        assert torch.equal(
            processor(logits, padded, prompt_length), processor(logits, token_ids, prompt_length)
        )


def test_padding_is_ignored() -> None:
    check_padding_is_ignored()


@pytest.mark.parametrize("name", REFERENCES)
def test_a_processor_supports_empty_sequences(name: str) -> None:
    logits = rows()[0]
    processor = REFERENCES[name][0]
    token_ids, prompt_length = torch.zeros(N, 0, dtype=torch.int64), torch.zeros(N, dtype=torch.int64)
    assert processor(logits, token_ids, prompt_length).shape == (N, V)


def check_sample_frequencies(processors: tuple[LogitsProcessor, ...]) -> None:
    """n = 20,000, seed 0: chi-square below its 99.9 % point; tokens of probability 0 do not occur."""
    n, text = 20_000, torch.tensor([[0, 1, 1, 2]])
    logits = torch.tensor([[1.0, 0.5, 0.0, -0.5, -1.0, 0.3]])
    p = process_logits(processors, logits, text, torch.tensor([1])).double().softmax(-1)[0]
    drawn = Ancestral(processors).next_token(
        process_logits(processors, logits.expand(n, -1), text.expand(n, -1), torch.ones(n).long()),
        Rng(0, n).uniform(),
    )
    counts = drawn.bincount(minlength=6).double()
    assert counts[p == 0].sum() == 0
    possible = p > 0
    chi_square = ((counts - n * p) ** 2 / (n * p))[possible].sum().item()
    assert chi_square < chi2.ppf(0.999, int(possible.sum()) - 1)


SAMPLED = [
    (),
    logits_processors(temperature=0.7),
    logits_processors(top_k=3),
    logits_processors(top_p=0.8),
    logits_processors(min_p=0.4),
    logits_processors(repetition_penalty=1.4),
    logits_processors(presence_penalty=0.6, frequency_penalty=0.4),
    logits_processors(no_repeat_ngram_size=1),
    logits_processors(sequence_bias=((5, 2.0),)),
    logits_processors(temperature=1.3, top_k=5, top_p=0.9, suppress_tokens=(3,)),
]


@pytest.mark.parametrize(
    "processors",
    SAMPLED,
    ids=lambda processors: "+".join(type(processor).__name__ for processor in processors) or "plain",
)
def test_sample_frequencies_match_the_processed_distribution(processors: tuple[LogitsProcessor, ...]) -> None:
    check_sample_frequencies(processors)


def check_unusable_logits_are_refused() -> None:
    text, prompt_length = torch.zeros(3, 0, dtype=torch.int64), torch.zeros(3, dtype=torch.int64)
    for value in (math.nan, INF):
        logits = torch.zeros(3, 4)
        logits[1, 2] = value
        with pytest.raises(ConfigError, match=rf"row 1.*{value}"):
            process_logits((), logits, text, prompt_length)
    logits = torch.zeros(3, 4)
    logits[2] = -INF
    with pytest.raises(ConfigError, match=r"row 2.*no possible token"):
        process_logits((), logits, text, prompt_length)
    with pytest.raises(ConfigError, match=r"row 0: SuppressTokens gave no possible token.*relax"):
        process_logits((SuppressTokens((0, 1, 2, 3)),), torch.zeros(3, 4), text, prompt_length)


def test_nan_inf_and_rows_without_a_possible_token_are_refused() -> None:
    check_unusable_logits_are_refused()


def test_half_precision_is_processed_in_single() -> None:
    logits = torch.randn(4, V).bfloat16()
    text, prompt_length = torch.zeros(4, 0, dtype=torch.int64), torch.zeros(4, dtype=torch.int64)
    assert torch.equal(
        process_logits((TopP(0.9),), logits, text, prompt_length),
        process_logits((TopP(0.9),), logits.float(), text, prompt_length),
    )


OUT_OF_RANGE: list[Callable[[], object]] = [
    lambda: Temperature(-1.0),
    lambda: Temperature(math.nan),
    lambda: Temperature(INF),
    lambda: TopK(0),
    lambda: TopK(-2),
    lambda: TopP(0.0),
    lambda: TopP(1.5),
    lambda: TopP(math.nan),
    lambda: MinP(-0.1),
    lambda: MinP(1.1),
    lambda: RepetitionPenalty(0.0),
    lambda: RepetitionPenalty(math.nan),
    lambda: PresencePenalty(INF),
    lambda: FrequencyPenalty(math.nan),
    lambda: NoRepeatNgram(0),
    lambda: LogitBias(((0, INF),)),
    lambda: LogitBias(((0, math.nan),)),
]


@pytest.mark.parametrize("make", OUT_OF_RANGE)
def test_arguments_out_of_range_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ConfigError, match=r"="):
        make()


@pytest.mark.parametrize(
    "processor", [LogitBias(((V, 1.0),)), SuppressTokens((-1,)), SuppressTokens((V,))], ids=repr
)
def test_unknown_token_ids_are_refused(processor: LogitsProcessor) -> None:
    with pytest.raises(ConfigError, match=f"0 to {V - 1}"):
        processor(*rows())


CONTRADICTIONS: dict[str, tuple[Callable[[], object], str]] = {
    "temperature 0 and top-p": (
        lambda: Ancestral(logits_processors(temperature=0, top_p=0.9)),
        "temperature 0.*TopP",
    ),
    "temperature 0 and top-k": (
        lambda: Ancestral(logits_processors(temperature=0, top_k=3)),
        "temperature 0.*TopK",
    ),
    "twice": (lambda: Ancestral((TopK(3), TopK(4))), "TopK is given twice"),
    "warper before a penalty": (
        lambda: Ancestral((TopP(0.9), RepetitionPenalty(1.2))),
        "TopP comes before RepetitionPenalty",
    ),
    "greedy and temperature": (
        lambda: Greedy(logits_processors(temperature=0.5)),
        "Greedy does not sample.*Temperature",
    ),
    "greedy and min-p": (lambda: Greedy((MinP(0.1),)), "Greedy does not sample.*MinP"),
}


@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_contradictory_processors_are_refused(what: str) -> None:
    make, message = CONTRADICTIONS[what]
    with pytest.raises(ConfigError, match=message):
        make()
