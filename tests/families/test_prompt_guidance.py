"""Prompt guidance with cached decoding of every kind, and negative prompts that leave no room."""

from typing import Any

import pytest
import torch
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.conditioning.guidance import Guided
from morphogen.contract import Context, Unsupported
from morphogen.families.autoregressive import (
    Ancestral,
    Autoregressive,
    Beam,
    Greedy,
    MaxNewTokens,
    PromptGuided,
    PromptLookup,
)
from morphogen.networks.decoders import gpt2
from morphogen.numerics.randomness import Rng

V, LENGTH, PROMPT = 7, 24, torch.tensor([[1, 2, 3, 1, 2], [4, 5, 4, 5, 4]])


def model(start: int | None = V, vector: int = 0) -> Autoregressive:
    torch.manual_seed(0)
    network = gpt2(V, LENGTH, 8, 2, 2, vector=vector, start=start)
    for p in network.parameters():
        p.data += 0.3 * torch.randn_like(p)
    return Autoregressive(network).eval()


def guided(decoding: Any, objective: Autoregressive, negative_prompt: tuple[int, ...] = ()) -> Tensor:
    sampler = PromptGuided(decoding, 2.5, negative_prompt)
    return sampler(objective, (LENGTH,), Context(prefix=PROMPT), Rng(0, 2))


@pytest.mark.parametrize("start", [None, V])
def test_a_long_negative_prompt_is_refused_where_it_leaves_no_room(start: int | None) -> None:
    negative = tuple(i % V for i in range(9))
    with pytest.raises(
        ConfigError, match=r"9 tokens in place of a prompt of 5 leaves room for 15 new"
    ) as error:
        guided(Greedy(), model(start), negative)
    assert "\n" not in str(error.value)
    x = guided(Greedy((MaxNewTokens(15),)), model(start), negative)
    assert (x >= 0).sum(1).tolist() == [20, 20]
    with pytest.raises(ConfigError, match="leaves room for 0 new tokens"):
        guided(Greedy((MaxNewTokens(1),)), model(start), (1,) * (LENGTH + 3))


@pytest.mark.parametrize("negative_prompt", [(), (3, 3), (6, 5, 4, 3, 2)])
@pytest.mark.parametrize("start", [None, V])
def test_speculative_decoding_gives_the_same_tokens(start: int | None, negative_prompt: Any) -> None:
    """Drafts are accepted and refused; prefilling and truncation of both caches."""
    objective = model(start)
    for decoding in (Greedy(), Ancestral()):
        plain = guided(decoding, objective, negative_prompt)
        assert torch.equal(guided(PromptLookup(decoding, 2, 3), objective, negative_prompt), plain)


def test_a_cache_that_can_only_step_refuses_speculation_in_one_line() -> None:
    objective = model()

    class Steps:
        def __init__(self, cache: Any):
            self.step = cache.step

    class Network(torch.nn.Module):
        def make_cache(self, rows: int, context: Context | None) -> Steps:
            return Steps(objective.network.make_cache(rows, context))  # type: ignore[operator]

    steered = objective.steered(lambda predict: Network())
    assert torch.equal(guided(Greedy(), steered), guided(Greedy(), objective))
    with pytest.raises(Unsupported, match=r"truncated or reordered.*use Ancestral\(\) or Greedy\(\)"):
        guided(PromptLookup(Greedy()), steered)


def test_prompt_and_condition_guidance_compose_in_any_order() -> None:
    objective = model(vector=3)
    torch.manual_seed(1)
    context = Context(vector=torch.randn(2, 3), prefix=PROMPT, null=Context(vector=torch.zeros(2, 3)))
    rng = Rng(0, 2)
    inside = PromptGuided(Guided(Ancestral(), 3.0), 2.0)(objective, (LENGTH,), context, rng)
    outside = Guided(PromptGuided(Ancestral(), 2.0), 3.0)(objective, (LENGTH,), context, rng)
    assert torch.equal(inside, outside)
    assert torch.equal(guided(Beam(1), objective), guided(Greedy(), objective))
    for alone in (PromptGuided(Ancestral(), 2.0), Guided(Ancestral(), 3.0)):
        assert not torch.equal(inside, alone(objective, (LENGTH,), context, rng))
