"""Every rule equals what it says, written out, on 10,000 rows; what no symbol can be drawn from is refused."""

import math
from collections.abc import Callable

import pytest
import torch
from scipy.stats import chi2
from torch import Tensor

from morphogen.component import ConfigError, build, describe
from morphogen.families.autoregressive import (
    Ancestral,
    FrequencyPenalty,
    Greedy,
    LogitBias,
    MinP,
    NoRepeatNgram,
    PresencePenalty,
    RepetitionPenalty,
    Rule,
    Suppress,
    Temperature,
    TopK,
    TopP,
    rules_of,
)  # fmt: skip
from morphogen.families.autoregressive.rules import bend
from morphogen.numerics.randomness import Rng

N, V, T = 10_000, 9, 7
INF = math.inf
Row = Callable[[list[float], list[int], int], list[float]]


def rows(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Random logits, a third of the rows with ties and a third with symbols struck out; texts of few symbols; prompts of 0 to 4."""
    rng = Rng(seed, N)
    logits = 2 * rng.normal(V)
    logits[::3] = logits[::3].round()
    struck = rng.uniform(V)[1::3] < 0.4
    struck[:, 4] = False
    logits[1::3] = logits[1::3].masked_fill(struck, -INF)
    return logits, rng.integers(4, T), rng.integers(5)


def softmax(row: list[float]) -> list[float]:
    top = max(row)
    e = [math.exp(l - top) for l in row]
    return [p / sum(e) for p in e]


def by_likelihood(row: list[float]) -> list[int]:
    return sorted(range(len(row)), key=lambda k: (-row[k], k))


def coldest(row: list[float], text: list[int], given: int) -> list[float]:
    best = by_likelihood(row)[0]
    return [0.0 if k == best else -INF for k in range(V)]


def top_three(row: list[float], text: list[int], given: int) -> list[float]:
    third = row[by_likelihood(row)[2]]
    return [l if l >= third else -INF for l in row]


def nucleus(row: list[float], text: list[int], given: int) -> list[float]:
    p, kept, mass = softmax(row), set(), 0.0
    for k in by_likelihood(row):
        if mass >= 0.7:
            break
        kept.add(k)
        mass += p[k]
    return [row[k] if k in kept else -INF for k in range(V)]


def a_tenth(row: list[float], text: list[int], given: int) -> list[float]:
    p = softmax(row)
    return [row[k] if p[k] >= 0.1 * max(p) else -INF for k in range(V)]


def repeated(row: list[float], text: list[int], given: int) -> list[float]:
    return [l if k not in text else l * 1.5 if l < 0 else l / 1.5 for k, l in enumerate(row)]


def present(row: list[float], text: list[int], given: int) -> list[float]:
    return [l - 0.5 * (k in text[given:]) for k, l in enumerate(row)]


def frequent(row: list[float], text: list[int], given: int) -> list[float]:
    return [l - 0.5 * text[given:].count(k) for k, l in enumerate(row)]


def no_bigram(row: list[float], text: list[int], given: int) -> list[float]:
    grams = {tuple(text[i : i + 2]) for i in range(len(text) - 1)}
    return [-INF if (text[-1], k) in grams else l for k, l in enumerate(row)]


def no_symbol(row: list[float], text: list[int], given: int) -> list[float]:
    return [-INF if k in text else l for k, l in enumerate(row)]


REFERENCES: dict[str, tuple[Rule, Row]] = {
    "half": (Temperature(0.5), lambda row, text, given: [2 * l for l in row]),
    "coldest": (Temperature(0), coldest),
    "top 3": (TopK(3), top_three),
    "top 99": (TopK(99), lambda row, text, given: row),
    "nucleus": (TopP(0.7), nucleus),
    "min-p": (MinP(0.1), a_tenth),
    "bias": (LogitBias(((2, 1.5), (8, -INF))), lambda row, text, given: [*row[:2], row[2] + 1.5, *row[3:8], -INF]),
    "suppress": (Suppress((0, 7)), lambda row, text, given: [-INF, *row[1:7], -INF, row[8]]),
    "repetition": (RepetitionPenalty(1.5), repeated),
    "presence": (PresencePenalty(0.5), present),
    "frequency": (FrequencyPenalty(0.5), frequent),
    "bigram": (NoRepeatNgram(2), no_bigram),
    "unigram": (NoRepeatNgram(1), no_symbol),
}


def equals_its_reference(name: str) -> None:
    """A tie at the edge of the nucleus, or of a tenth, in the last bit of a sum is either's: at most 1 row in 1,000."""
    rule, reference = REFERENCES[name]
    logits, so_far, given = rows()
    found = rule(logits, so_far, given)
    arguments = zip(logits.tolist(), so_far.tolist(), given.tolist(), strict=True)
    expected = torch.tensor([reference(row, text, count) for row, text, count in arguments])
    other = ~torch.isclose(found, expected, rtol=1e-5, atol=1e-5).all(1)
    assert other.sum() <= (N // 1000 if name in ("nucleus", "min-p") else 0)


@pytest.mark.parametrize("name", REFERENCES)
def test_a_rule_equals_its_reference_on_ten_thousand_rows(name: str) -> None:
    equals_its_reference(name)


@pytest.mark.parametrize("name", REFERENCES)
def test_a_rule_can_be_written_down_and_built_again(name: str) -> None:
    rule = REFERENCES[name][0]
    assert repr(build(describe(rule))) == repr(rule)


def padding_is_no_symbol() -> None:
    logits, so_far, given = rows()
    longer = torch.nn.functional.pad(so_far, (0, 2), value=-1)
    for rule in (RepetitionPenalty(1.5), PresencePenalty(0.5), FrequencyPenalty(0.5), NoRepeatNgram(1)):
        assert torch.equal(rule(logits, longer, given), rule(logits, so_far, given))


def test_padding_is_no_symbol() -> None:
    padding_is_no_symbol()


@pytest.mark.parametrize("name", REFERENCES)
def test_no_text_yet_is_no_trouble(name: str) -> None:
    logits = rows()[0]
    rule = REFERENCES[name][0]
    assert rule(logits, torch.zeros(N, 0, dtype=torch.int64), torch.zeros(N, dtype=torch.int64)).shape == (N, V)


def frequencies_follow_the_bent_law(rules: tuple[Rule, ...]) -> None:
    """n = 20,000, seed 0: chi-square below its 99.9 % point, and nothing where the law is 0."""
    n, text = 20_000, torch.tensor([[0, 1, 1, 2]])
    logits = torch.tensor([[1.0, 0.5, 0.0, -0.5, -1.0, 0.3]])
    p = bend(rules, logits, text, torch.tensor([1])).double().softmax(-1)[0]
    drawn = Ancestral(rules).pick(bend(rules, logits.expand(n, -1), text.expand(n, -1), torch.ones(n).long()), Rng(0, n).uniform())
    counts = drawn.bincount(minlength=6).double()
    assert counts[p == 0].sum() == 0
    left = p > 0
    assert ((counts - n * p) ** 2 / (n * p))[left].sum().item() < chi2.ppf(0.999, int(left.sum()) - 1)


DRAWN = [
    (), rules_of(temperature=0.7), rules_of(top_k=3), rules_of(top_p=0.8), rules_of(min_p=0.4), rules_of(repetition_penalty=1.4),
    rules_of(presence_penalty=0.6, frequency_penalty=0.4), rules_of(no_repeat_ngram_size=1), rules_of(sequence_bias=((5, 2.0),)),
    rules_of(temperature=1.3, top_k=5, top_p=0.9, suppress_tokens=(3,)),
]  # fmt: skip


@pytest.mark.parametrize("rules", DRAWN, ids=lambda rules: "+".join(type(rule).__name__ for rule in rules) or "plain")
def test_sampled_frequencies_follow_the_bent_law(rules: tuple[Rule, ...]) -> None:
    frequencies_follow_the_bent_law(rules)


def unusable_logits_are_refused() -> None:
    text, given = torch.zeros(3, 0, dtype=torch.int64), torch.zeros(3, dtype=torch.int64)
    for bad, what in ((math.nan, "nan"), (INF, "inf")):
        logits = torch.zeros(3, 4)
        logits[1, 2] = bad
        with pytest.raises(ConfigError, match=rf"{what}.*row 1"):
            bend((), logits, text, given)
    logits = torch.zeros(3, 4)
    logits[2] = -INF
    with pytest.raises(ConfigError, match=r"no symbol at all.*row 2"):
        bend((), logits, text, given)
    with pytest.raises(ConfigError, match=r"Suppress leave no symbol.*row 0.*looser"):
        bend((Suppress((0, 1, 2, 3)),), torch.zeros(3, 4), text, given)


def test_nan_inf_and_rows_without_a_symbol_are_refused() -> None:
    unusable_logits_are_refused()


def test_half_precision_is_worked_in_single() -> None:
    logits = torch.randn(4, V).bfloat16()
    text, given = torch.zeros(4, 0, dtype=torch.int64), torch.zeros(4, dtype=torch.int64)
    assert torch.equal(bend((TopP(0.9),), logits, text, given), bend((TopP(0.9),), logits.float(), text, given))


OUT_OF_RANGE: list[Callable[[], object]] = [
    lambda: Temperature(-1.0), lambda: Temperature(math.nan), lambda: Temperature(INF), lambda: TopK(0), lambda: TopK(-2),
    lambda: TopP(0.0), lambda: TopP(1.5), lambda: TopP(math.nan), lambda: MinP(-0.1), lambda: MinP(1.1), lambda: RepetitionPenalty(0.0),
    lambda: RepetitionPenalty(math.nan), lambda: PresencePenalty(INF), lambda: FrequencyPenalty(math.nan), lambda: NoRepeatNgram(0),
    lambda: LogitBias(((0, INF),)), lambda: LogitBias(((0, math.nan),)),
]  # fmt: skip


@pytest.mark.parametrize("make", OUT_OF_RANGE)
def test_numbers_out_of_range_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ConfigError, match=r"="):
        make()


@pytest.mark.parametrize("rule", [LogitBias(((V, 1.0),)), Suppress((-1,)), Suppress((V,))], ids=repr)
def test_ids_that_there_are_not_are_refused(rule: Rule) -> None:
    with pytest.raises(ConfigError, match=f"0 to {V - 1}"):
        rule(*rows())


CONTRADICTIONS: dict[str, tuple[Callable[[], object], str]] = {
    "cold and nucleus": (lambda: Ancestral(rules_of(temperature=0, top_p=0.9)), "temperature 0.*TopP"),
    "cold and top-k": (lambda: Ancestral(rules_of(temperature=0, top_k=3)), "temperature 0.*TopK"),
    "twice": (lambda: Ancestral((TopK(3), TopK(4))), "TopK is given twice"),
    "tail first": (lambda: Ancestral((TopP(0.9), RepetitionPenalty(1.2))), "TopP stands before RepetitionPenalty"),
    "greedy and warm": (lambda: Greedy(rules_of(temperature=0.5)), "Greedy draws nothing.*Temperature"),
    "greedy and min-p": (lambda: Greedy((MinP(0.1),)), "Greedy draws nothing.*MinP"),
}


@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_rules_that_contradict_each_other_are_refused(what: str) -> None:
    make, said = CONTRADICTIONS[what]
    with pytest.raises(ConfigError, match=said):
        make()
