"""Options of any finite size give finite probabilities, and the limits are what the formulas say."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor

from morphogen.families.autoregressive import (
    Ancestral,
    FrequencyPenalty,
    Greedy,
    LogitBias,
    PresencePenalty,
    RepetitionPenalty,
    Temperature,
    logits_processors,
)
from morphogen.families.autoregressive import penalties as penalties_module
from morphogen.families.autoregressive import processors as processors_module
from morphogen.families.autoregressive.processors import process_logits

V = 6
POSITIVE = st.floats(0, exclude_min=True, allow_infinity=False)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
UNIT = st.floats(0, 1, exclude_min=True)
LOGIT = st.one_of(
    st.just(-math.inf),
    st.floats(-30, 30, width=32),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
)
TEXT, PROMPT = torch.tensor([[0, 1, 1, 2, -1]]), torch.tensor([1])
OPTIONS = st.fixed_dictionaries({
    "sequence_bias": st.tuples(st.tuples(st.just(1), FINITE)), "repetition_penalty": POSITIVE,
    "presence_penalty": FINITE, "frequency_penalty": FINITE, "temperature": st.one_of(st.just(0.0), POSITIVE),
})  # fmt: skip
TRUNCATIONS = st.fixed_dictionaries({
    "temperature": POSITIVE, "top_p": UNIT, "min_p": UNIT, "top_k": st.integers(1, 10**30)
})  # fmt: skip


def is_distribution(logits: Tensor) -> bool:
    return not bool(logits.isnan().any()) and bool(logits.amax().isfinite())


def check_any_option_gives_a_distribution() -> None:
    @settings(max_examples=600, derandomize=True, deadline=None, phases=[Phase.generate])
    @given(
        st.lists(LOGIT, min_size=V, max_size=V).filter(lambda row: max(row) > -math.inf),
        OPTIONS | TRUNCATIONS,
    )
    def check(row: list[float], options: dict[str, Any]) -> None:
        logits, processors = torch.tensor([row]), logits_processors(**options)
        processed = process_logits(processors, logits, TEXT, PROMPT)
        assert is_distribution(processed), processed
        assert bool((processed[logits == -torch.inf] == -torch.inf).all()), "excluded tokens stay excluded"
        token = Ancestral(processors).next_token(processed, torch.tensor([0.5]))
        assert processed[0, token] > -torch.inf

    check()


def check_tiny_temperatures_are_greedy() -> None:
    logits = torch.randn(50, V, generator=torch.Generator().manual_seed(0))
    text, prompt = torch.zeros(50, 0, dtype=torch.int64), torch.zeros(50, dtype=torch.int64)
    for temperature in (0.0, 5e-324, 1e-300, 1e-40, 1e-38, 1e-20):
        processed = process_logits((Temperature(temperature),), logits, text, prompt)
        for u in (1e-9, 0.5, 1 - 1e-9):
            drawn = Ancestral().next_token(processed, torch.full((50,), u, dtype=torch.float64))
            assert torch.equal(drawn, Greedy().next_token(logits, None)), temperature


def test_any_option_gives_a_distribution() -> None:
    check_any_option_gives_a_distribution()


def test_tiny_temperatures_are_greedy() -> None:
    check_tiny_temperatures_are_greedy()


@pytest.mark.parametrize("temperature", [1e30, 1e300])
def test_huge_temperatures_are_uniform(temperature: float) -> None:
    logits = torch.tensor([[3.0, -2.0, -math.inf, 1.0]])
    processed = process_logits((Temperature(temperature),), logits, TEXT, PROMPT)
    torch.testing.assert_close(processed.softmax(-1), torch.tensor([[1 / 3, 1 / 3, 0, 1 / 3]]))


def temperature_divides(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Temperature, "__call__", lambda self, logits, *rest: logits / self.temperature)


def overflows_are_kept(patch: pytest.MonkeyPatch) -> None:
    for module in (processors_module, penalties_module):
        patch.setattr(module, "within_range", lambda modified, logits: modified)


def penalty_is_not_limited(cls: Any) -> Callable[[pytest.MonkeyPatch], None]:
    def times(self: Any, logits: Tensor, token_ids: Tensor, prompt_length: Tensor) -> Tensor:
        (value,) = (value for name, value in vars(self).items() if name.endswith("penalty"))
        return logits - value * (penalties_module._counts(token_ids, logits) > 0)

    return lambda patch: patch.setattr(cls, "__call__", times)


@pytest.mark.parametrize(
    ("mutate", "check"),
    [
        (temperature_divides, check_tiny_temperatures_are_greedy),
        (overflows_are_kept, check_any_option_gives_a_distribution),
        (penalty_is_not_limited(PresencePenalty), check_any_option_gives_a_distribution),
        (penalty_is_not_limited(FrequencyPenalty), check_any_option_gives_a_distribution),
        (penalty_is_not_limited(RepetitionPenalty), check_any_option_gives_a_distribution),
    ],
)
def test_mutant_is_killed(
    mutate: Callable[[pytest.MonkeyPatch], None], check: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate(monkeypatch)
    with pytest.raises(Exception):  # noqa: B017
        check()


def test_a_bias_of_minus_infinity_excludes() -> None:
    processed = process_logits((LogitBias(((0, -math.inf), (1, 1e300))),), torch.zeros(1, 3), TEXT, PROMPT)
    assert processed.tolist()[0][0] == -math.inf and processed.argmax() == 1
