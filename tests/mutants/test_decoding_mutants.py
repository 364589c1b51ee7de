"""Mutation tests of decoding: each mutant breaks one property, and the check next to it must fail."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from morphogen.contract import Batch
from morphogen.families.autoregressive import (
    beam,
    constraints,
    decoding,
    objective,
    penalties,
    processors,
    prompt_guidance,
    speculation,
    stopping,
)
from morphogen.networks.transformer import TransformerCache
from morphogen.numerics.randomness import Rng
from morphogen.representations.text import Bytes
from morphogen.systems.gpt import gpt
from morphogen.testing import check_model
from mutants.checks import checks_of

PROCESSORS, DECODING, BEAM, CONSTRAINTS = (
    checks_of(f"test_{name}") for name in ("processors", "decoding", "beam", "constraints")
)
Patch = pytest.MonkeyPatch


def change_output(cls: type, change: Callable[..., Any]) -> Callable[[Patch], None]:
    """Replace the output of a logits processor by change(logits, output)."""
    call = cls.__call__

    def broken(self: Any, logits: Any, token_ids: Any, prompt_length: Any) -> Any:
        return change(logits, call(self, logits, token_ids, prompt_length))

    return lambda patch: patch.setattr(cls, "__call__", broken)


def change_input(cls: type, change: Callable[..., Any]) -> Callable[[Patch], None]:
    """Replace the arguments of a logits processor by change(logits, token_ids, prompt_length)."""
    call = cls.__call__
    return lambda patch: patch.setattr(cls, "__call__", lambda self, *inputs: call(self, *change(*inputs)))


def keep_one_more(logits: Any, output: Any) -> Any:
    """Keep the most likely of the excluded tokens."""
    excluded = logits.masked_fill(output > -torch.inf, -torch.inf)
    best = excluded.argmax(1, keepdim=True)
    return output.scatter(1, best, logits.gather(1, best))


def set_attribute(owner: Any, name: str, value: Any) -> Callable[[Patch], None]:
    return lambda patch: patch.setattr(owner, name, value)


def without_the_prompt(logits: Any, token_ids: Any, prompt_length: Any) -> tuple[Any, ...]:
    return logits, penalties._without_prompt(token_ids, prompt_length), prompt_length


def with_the_prompt(logits: Any, token_ids: Any, prompt_length: Any) -> tuple[Any, ...]:
    return logits, token_ids, prompt_length * 0


def ends_one_late(self: Any, token_ids: Any, prompt_length: Any) -> Any:
    return token_ids.shape[1] - prompt_length > self.max_new_tokens


def stop_strings_match_the_prompt(patch: Patch) -> None:
    finished = stopping.StopStrings.finished

    def broken(self: Any, token_ids: Any, prompt_length: Any) -> Any:
        return finished(self, token_ids, prompt_length * 0)

    patch.setattr(stopping.StopStrings, "finished", broken)


def prompts_are_scored(patch: Patch) -> None:
    patch.setattr(objective, "scored_tokens", lambda x, context: x.x >= 0)


def padding_is_input(patch: Patch) -> None:
    """The shortest prompt is treated as if it were as long as the longest: its row continues from padding."""
    init = decoding.DecodingState.__init__

    def broken(self: Any, *arguments: Any) -> None:
        init(self, *arguments)
        self.position = max(self.position, min(self.longest_prompt, self.tokens.shape[1] - 1))
        self.tokens[:, : self.position] = self.tokens[:, : self.position].clamp_min(0)

    patch.setattr(decoding.DecodingState, "__init__", broken)


def draws_are_keyed_by_step(patch: Patch) -> None:
    """Draws are keyed by the decoding step, not by the position: rows depend on the shortest prompt."""
    append = decoding.DecodingState.append

    def broken(self: Any, logits: Any) -> Any:
        self.uniforms = self.uniforms.roll(1, 1)
        return append(self, logits)

    patch.setattr(decoding.DecodingState, "append", broken)


def drafts_are_always_accepted(patch: Patch) -> None:
    generate = speculation.PromptLookup.generate

    def broken(self: Any, state: Any) -> Any:
        append = state.append

        def accept_draft(logits: Any) -> Any:
            column, position = append(logits), state.position - 1
            draft = self.draft(state.tokens[:, :position])
            if draft.shape[1] and position < state.tokens.shape[1]:
                keep = (draft[:, 0] >= 0) & (column >= 0)
                state.tokens[:, position] = torch.where(keep, draft[:, 0], column)
            return state.tokens[:, position]

        state.append = accept_draft
        return generate(self, state)

    patch.setattr(speculation.PromptLookup, "generate", broken)


def cache_is_not_truncated(patch: Patch) -> None:
    patch.setattr(TransformerCache, "truncate", lambda self, length: None)


def beams_are_not_reordered(patch: Patch) -> None:
    reorder = TransformerCache.reorder

    def broken(self: Any, rows: Any) -> None:
        if len(rows) != self.rows:
            reorder(self, rows)

    patch.setattr(TransformerCache, "reorder", broken)


def cache_rows_are_sorted(patch: Patch) -> None:
    reorder = TransformerCache.reorder
    patch.setattr(TransformerCache, "reorder", lambda self, rows: reorder(self, rows.sort().values))


def beams_stop_too_early(patch: Patch) -> None:
    patch.setattr(
        beam._Beams, "settled", lambda self, position: bool((self.finished.value[:, 0] > -torch.inf).any())
    )


def beams_are_settled_by(n: Callable[..., int], finished: int) -> Callable[[Patch], None]:
    """The search ends by a bound over n(alpha, position, length) tokens, against a finished hypothesis."""

    def settled(self: Any, position: int) -> bool:
        tokens = n(self.beam.length_penalty, position, self.length)
        bound = self.running.value[:, 0] / self._new_tokens(tokens) ** self.beam.length_penalty
        return bool((bound <= self.finished.value[:, finished]).all())

    return set_attribute(beam._Beams, "settled", settled)


def a_nucleus_keeps_equals(patch: Patch) -> None:
    """Tokens that tie with the least likely one that is kept are kept too, as top-k does."""

    def keep(logits: Any, output: Any) -> Any:
        least = output.masked_fill(output == -torch.inf, torch.inf).amin(1, keepdim=True)
        return logits.masked_fill(logits < least, -torch.inf)

    change_output(processors.TopP, keep)(patch)


def one_more_token_is_allowed(patch: Patch) -> None:
    allowed = constraints._allowed

    def broken(matcher: Any, count: int) -> Any:
        mask = allowed(matcher, count)
        mask[ord("z")] = True
        return mask

    patch.setattr(constraints, "_allowed", broken)
    patch.setattr(
        constraints.Constraint,
        "_advance",
        lambda self, parent, text: self._new_matcher() if parent is None else parent.deep_copy(),
    )


def prompt_guidance_is_off(patch: Patch) -> None:
    patch.setattr(
        prompt_guidance._PromptGuidedCache, "step", lambda self, previous: self.with_prompt.step(previous)
    )


def check_transformer_cache() -> None:
    """Prefilling, truncation and reordering, by `cache_equals_recomputation` of `check_model`."""
    torch.manual_seed(0)
    check_model(
        gpt(Bytes(16), size="tiny"), Batch(Rng(7, 12).integers(256, 16)), ["cache_equals_recomputation"]
    )


def unusable_logits_are_accepted(patch: Patch) -> None:
    patch.setattr(processors, "_check_usable", lambda logits, source, advice: None)


reference = PROCESSORS.check_equals_reference
MUTANTS: dict[str, tuple[Callable[[Patch], None], Callable[[], None]]] = {
    "temperature is applied twice": (
        change_output(processors.Temperature, lambda logits, output: 2 * output),
        lambda: reference("temperature 0.5"),
    ),
    "temperature 0 takes another token": (
        change_output(processors.Temperature, lambda logits, output: output.flip(1)),
        lambda: reference("temperature 0"),
    ),
    "top-k keeps one more": (change_output(processors.TopK, keep_one_more), lambda: reference("top 3")),
    "top-p keeps one more": (change_output(processors.TopP, keep_one_more), lambda: reference("nucleus")),
    "top-p keeps equal tokens": (a_nucleus_keeps_equals, PROCESSORS.check_a_nucleus_ends_at_its_mass),
    "min-p keeps one more": (change_output(processors.MinP, keep_one_more), lambda: reference("min-p")),
    "bias is not added": (
        change_output(processors.LogitBias, lambda logits, output: logits),
        lambda: reference("bias"),
    ),
    "tokens are not suppressed": (
        change_output(processors.SuppressTokens, lambda logits, output: logits),
        lambda: reference("suppress"),
    ),
    "repetition penalty without the prompt": (
        change_input(penalties.RepetitionPenalty, without_the_prompt),
        lambda: reference("repetition"),
    ),
    "presence penalty with the prompt": (
        change_input(penalties.PresencePenalty, with_the_prompt),
        lambda: reference("presence"),
    ),
    "frequency penalty with the prompt": (
        change_input(penalties.FrequencyPenalty, with_the_prompt),
        lambda: reference("frequency"),
    ),
    "repeated n-grams without the prompt": (
        change_input(penalties.NoRepeatNgram, without_the_prompt),
        lambda: reference("bigram"),
    ),
    "padding is counted": (
        set_attribute(
            penalties,
            "_counts",
            lambda tokens, logits: torch.zeros_like(logits).scatter_add(
                1, tokens.clamp_min(0), tokens * 0.0 + 1
            ),
        ),
        PROCESSORS.check_padding_is_ignored,
    ),
    "the first token is always drawn": (
        set_attribute(decoding, "invert_cdf", lambda logits, u: torch.zeros(len(u)).long()),
        lambda: PROCESSORS.check_sample_frequencies(()),
    ),
    "unusable logits are accepted": (
        unusable_logits_are_accepted,
        PROCESSORS.check_unusable_logits_are_refused,
    ),
    "padding is network input": (
        padding_is_input,
        lambda: DECODING.check_rows_do_not_depend_on_the_batch(decoding.Greedy()),
    ),
    "draws are keyed by step": (
        draws_are_keyed_by_step,
        lambda: DECODING.check_rows_do_not_depend_on_the_batch(decoding.Ancestral()),
    ),
    "prompts are scored": (prompts_are_scored, DECODING.check_prompts_are_not_scored),
    "one new token too many": (
        set_attribute(stopping.MaxNewTokens, "finished", ends_one_late),
        DECODING.check_min_and_max_new_tokens,
    ),
    "the minimum is ignored": (
        change_output(stopping.MinNewTokens, lambda logits, output: logits),
        DECODING.check_min_and_max_new_tokens,
    ),
    "stop strings match the prompt": (stop_strings_match_the_prompt, DECODING.check_stop_strings_end_rows),
    "drafts are always accepted": (drafts_are_always_accepted, DECODING.check_speculation_is_exact),
    "cache is not truncated": (cache_is_not_truncated, DECODING.check_speculation_is_exact),
    "cache is not truncated, by check_model": (cache_is_not_truncated, check_transformer_cache),
    "cache rows are sorted, by check_model": (cache_rows_are_sorted, check_transformer_cache),
    "beams are not reordered": (beams_are_not_reordered, BEAM.check_narrow_beam_equals_reference),
    "beams stop too early": (
        beams_stop_too_early,
        lambda: BEAM.check_full_beam_is_exhaustive(1.0, BEAM.END),
    ),
    "the bound of a beam is that of the next token": (
        beams_are_settled_by(lambda alpha, position, length: position + 1, -1),
        BEAM.check_a_search_stops_when_and_only_when_nothing_can_win,
    ),
    "the bound of a beam is that of the longest text": (
        beams_are_settled_by(lambda alpha, position, length: length, -1),
        BEAM.check_a_search_stops_when_and_only_when_nothing_can_win,
    ),
    "the best finished hypothesis decides": (
        beams_are_settled_by(lambda alpha, position, length: length if alpha > 0 else position + 1, 0),
        BEAM.check_a_search_stops_when_and_only_when_nothing_can_win,
    ),
    "beams never settle": (
        set_attribute(beam._Beams, "settled", lambda self, position: False),
        BEAM.check_a_search_stops_when_and_only_when_nothing_can_win,
    ),
    "one more token is allowed": (
        one_more_token_is_allowed,
        CONSTRAINTS.check_all_samples_satisfy_the_schema,
    ),
    "prompt guidance is off": (
        prompt_guidance_is_off,
        DECODING.check_prompt_guidance_equals_reference,
    ),
}
SLOW = {"one more token is allowed"}  # half a minute: its check draws 200 samples under a schema


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in MUTANTS]
)
def test_mutant_is_killed(name: str, monkeypatch: Patch) -> None:
    mutate, check = MUTANTS[name]
    mutate(monkeypatch)
    with pytest.raises((AssertionError, pytest.fail.Exception, ValueError, RuntimeError, IndexError)):
        check()
