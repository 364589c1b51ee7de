"""What decoding promises is held by tests that notice when it is broken: each mutant here fails the check beside it."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from morphogen.contract import Batch
from morphogen.families.autoregressive import beam, constraints, contrast, decoding, objective, penalties, rules, span, speculation
from morphogen.numerics.randomness import Rng
from morphogen.representations.text import Bytes
from morphogen.systems.gpt import gpt
from morphogen.testing import check_model


def checks_of(name: str) -> ModuleType:
    """A file of tests/families, under the name that pytest knows it by: loaded twice, its parts would be registered twice."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "families" / f"{name}.py")
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


RULES, DECODING, BEAM, LANGUAGE = (checks_of(f"test_{name}") for name in ("rules", "decoding", "beam", "constraints"))
Patch = pytest.MonkeyPatch


def bent(cls: type, change: Callable[..., Any]) -> Callable[[Patch], None]:
    """A rule whose answer is changed: change(logits, found, so_far, given)."""
    call = cls.__call__

    def broken(self: Any, logits: Any, so_far: Any, given: Any) -> Any:
        return change(logits, call(self, logits, so_far, given), so_far, given)

    return lambda patch: patch.setattr(cls, "__call__", broken)


def told(cls: type, change: Callable[..., Any]) -> Callable[[Patch], None]:
    """A rule that is told something else: change(logits, so_far, given) -> the same three."""
    call = cls.__call__
    return lambda patch: patch.setattr(cls, "__call__", lambda self, *heard: call(self, *change(*heard)))


def one_more(logits: Any, found: Any, so_far: Any, given: Any) -> Any:
    """The likeliest symbol that was struck stays."""
    struck = logits.masked_fill(found > -torch.inf, -torch.inf)
    return found.scatter(1, struck.argmax(1, keepdim=True), logits.gather(1, struck.argmax(1, keepdim=True)))


def set_attribute(of: Any, name: str, value: Any) -> Callable[[Patch], None]:
    return lambda patch: patch.setattr(of, name, value)


def without_the_prompt(logits: Any, so_far: Any, given: Any) -> tuple[Any, ...]:
    return logits, penalties._drawn(so_far, given), given


def with_the_prompt(logits: Any, so_far: Any, given: Any) -> tuple[Any, ...]:
    return logits, so_far, given * 0


def ends_one_late(self: Any, so_far: Any, given: Any) -> Any:
    return so_far.shape[1] - given > self.max_new_tokens


def stop_hears_the_prompt(patch: Patch) -> None:
    over = span.Stop.over
    patch.setattr(span.Stop, "over", lambda self, so_far, given: over(self, so_far, given * 0))


def a_prompt_counts(patch: Patch) -> None:
    patch.setattr(objective, "_scored", lambda x, context: x.x >= 0)


def padding_is_read(patch: Patch) -> None:
    """The shortest prompt is taken for as long as the longest: its row goes on from padding."""
    init = decoding.Writing.__init__

    def broken(self: Any, *arguments: Any) -> None:
        init(self, *arguments)
        self.position = max(self.position, min(self.longest, self.symbols.shape[1] - 1))
        self.symbols[:, : self.position] = self.symbols[:, : self.position].clamp_min(0)

    patch.setattr(decoding.Writing, "__init__", broken)


def draws_by_the_clock(patch: Patch) -> None:
    """A draw is keyed by the step taken, not by the place: rows depend on the shortest prompt."""
    add = decoding.Writing.add

    def broken(self: Any, logits: Any) -> Any:
        self.draws = self.draws.roll(1, 1)
        return add(self, logits)

    patch.setattr(decoding.Writing, "add", broken)


def guesses_are_believed(patch: Patch) -> None:
    write = speculation.PromptLookup.write

    def broken(self: Any, writing: Any) -> Any:
        add = writing.add

        def believing(logits: Any) -> Any:
            column, place = add(logits), writing.position - 1
            guess = self.guess(writing.symbols[:, :place])
            if guess.shape[1] and place < writing.symbols.shape[1]:
                keep = (guess[:, 0] >= 0) & (column >= 0)
                writing.symbols[:, place] = torch.where(keep, guess[:, 0], column)
            return writing.symbols[:, place]

        writing.add = believing
        return write(self, writing)

    patch.setattr(speculation.PromptLookup, "write", broken)


def nothing_is_forgotten(patch: Patch) -> None:
    from morphogen.networks.transformer import TransformerMemory

    patch.setattr(TransformerMemory, "rewind", lambda self, length: None)


def beams_keep_their_places(patch: Patch) -> None:
    from morphogen.networks.transformer import TransformerMemory

    select = TransformerMemory.select
    patch.setattr(TransformerMemory, "select", lambda self, rows: select(self, rows) if len(rows) != self.rows else None)


def rows_are_not_selected(patch: Patch) -> None:
    from morphogen.networks.transformer import TransformerMemory

    select = TransformerMemory.select
    patch.setattr(TransformerMemory, "select", lambda self, rows: select(self, rows.sort().values))


def beams_stop_too_soon(patch: Patch) -> None:
    patch.setattr(beam._Beams, "settled", lambda self, position: bool((self.waiting.value[:, 0] > -torch.inf).any()))


def one_symbol_more_is_allowed(patch: Patch) -> None:
    allowed = constraints._allowed

    def broken(matcher: Any, count: int) -> Any:
        found = allowed(matcher, count)
        found[ord("z")] = True
        return found

    patch.setattr(constraints, "_allowed", broken)
    patch.setattr(constraints.Constraint, "_after", lambda self, before, text: self._begin() if before is None else before.deep_copy())


def the_other_side_reads_the_prompt_too(patch: Patch) -> None:
    patch.setattr(contrast._ContrastedMemory, "step", lambda self, previous: self.told.step(previous))


def the_memory_of_a_text_keeps_its_law() -> None:
    """It reads, rewinds and selects: `cache_equals_recomputation` holds it to that."""
    torch.manual_seed(0)
    check_model(gpt(Bytes(16), size="tiny"), Batch(Rng(7, 12).integers(256, 16)), ["cache_equals_recomputation"])


def no_refusal(patch: Patch) -> None:
    patch.setattr(rules, "_refuse", lambda logits, who, remedy: None)


Rules = RULES.equals_its_reference
MUTANTS: dict[str, tuple[Callable[[Patch], None], Callable[[], None]]] = {
    "temperature twice": (bent(rules.Temperature, lambda logits, found, s, g: 2 * found), lambda: Rules("half")),
    "the coldest is the last": (bent(rules.Temperature, lambda logits, found, s, g: found.flip(1)), lambda: Rules("coldest")),
    "top-k keeps one more": (bent(rules.TopK, one_more), lambda: Rules("top 3")),
    "the nucleus keeps one more": (bent(rules.TopP, one_more), lambda: Rules("nucleus")),
    "min-p keeps one more": (bent(rules.MinP, one_more), lambda: Rules("min-p")),
    "bias is left out": (bent(rules.LogitBias, lambda logits, found, s, g: logits), lambda: Rules("bias")),
    "nothing is suppressed": (bent(rules.Suppress, lambda logits, found, s, g: logits), lambda: Rules("suppress")),
    "repetition does not know the prompt": (told(penalties.RepetitionPenalty, without_the_prompt), lambda: Rules("repetition")),
    "presence knows the prompt": (told(penalties.PresencePenalty, with_the_prompt), lambda: Rules("presence")),
    "frequency knows the prompt": (told(penalties.FrequencyPenalty, with_the_prompt), lambda: Rules("frequency")),
    "n-grams do not know the prompt": (told(penalties.NoRepeatNgram, without_the_prompt), lambda: Rules("bigram")),
    "padding is a symbol": (
        set_attribute(
            penalties, "_counts", lambda symbols, logits: torch.zeros_like(logits).scatter_add(1, symbols.clamp_min(0), symbols * 0.0 + 1)
        ),
        RULES.padding_is_no_symbol,
    ),
    "draws are squared": (
        set_attribute(decoding, "invert_cdf", lambda logits, u: RULES.torch.zeros(len(u)).long()),
        lambda: RULES.frequencies_follow_the_bent_law(()),
    ),
    "nothing is refused": (no_refusal, RULES.unusable_logits_are_refused),
    "padding is read": (padding_is_read, lambda: DECODING.ragged_rows_are_each_alone(decoding.Greedy())),
    "draws are keyed by the step": (draws_by_the_clock, lambda: DECODING.ragged_rows_are_each_alone(decoding.Ancestral())),
    "a prompt is scored": (a_prompt_counts, DECODING.a_ragged_prompt_is_given_not_scored),
    "one symbol too many": (set_attribute(span.MaxNew, "over", ends_one_late), DECODING.least_and_most_new_symbols),
    "the end comes when it likes": (bent(span.MinNew, lambda logits, found, s, g: logits), DECODING.least_and_most_new_symbols),
    "stop strings in the prompt": (stop_hears_the_prompt, DECODING.stop_strings_stop),
    "guesses are believed": (guesses_are_believed, DECODING.speculation_is_exact),
    "nothing is forgotten": (nothing_is_forgotten, DECODING.speculation_is_exact),
    "nothing is forgotten, by the law": (nothing_is_forgotten, the_memory_of_a_text_keeps_its_law),
    "rows keep their places, by the law": (rows_are_not_selected, the_memory_of_a_text_keeps_its_law),
    "beams keep their places": (beams_keep_their_places, BEAM.a_narrow_beam_is_the_written_out_search),
    "beams stop too soon": (beams_stop_too_soon, lambda: BEAM.a_full_beam_is_brute_force(1.0, BEAM.END)),
    "one symbol more is allowed": (one_symbol_more_is_allowed, LANGUAGE.two_hundred_of_two_hundred_are_valid),
    "no push": (the_other_side_reads_the_prompt_too, DECODING.the_push_is_away_from_the_text_without_its_prompt),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_killed(name: str, monkeypatch: Patch) -> None:
    mutate, check = MUTANTS[name]
    mutate(monkeypatch)
    with pytest.raises((AssertionError, pytest.fail.Exception, ValueError, RuntimeError, IndexError)):
        check()
