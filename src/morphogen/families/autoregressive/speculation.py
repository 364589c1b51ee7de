r"""Prompt-lookup decoding: speculative decoding with draft tokens copied from the sequence itself.

If the last n tokens occurred before, the tokens that followed them are the draft. One forward pass scores k
draft tokens. The draft is accepted up to the first token that differs from the decoder's choice; the
decoder's own token replaces that one, and the rest is removed from the cache. Random draws are keyed by
position, so the result is exact for sampling and for greedy decoding: the same tokens, in fewer passes.

References: Prompt lookup decoding, Saxena, 2023; Fast inference from transformers via speculative decoding,
Leviathan, Kalman & Matias, 2023 (keyed draws are the coupled case of its acceptance rule).
"""

__all__ = ["PromptLookup"]

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Truncates
from morphogen.families.autoregressive.cache import prefill
from morphogen.families.autoregressive.decoding import Decoding, DecodingState


class PromptLookup(Decoding):
    """Prompt-lookup decoding (Saxena 2023): the output of `decoding`, in fewer forward passes.

    All rows of a batch advance together, by the shortest accepted draft.

    Arguments:
        decoding: the decoding method, `Greedy` or `Ancestral`.
        max_ngram_size: maximum length of the n-gram that is looked up; shorter ones are tried if it has no
            match.
        num_draft_tokens: maximum number of draft tokens per pass.

    Raises:
        ConfigError: if n or k is below 1.
    """

    def __init__(self, decoding: Decoding, max_ngram_size: int = 3, num_draft_tokens: int = 10):
        super().__init__(decoding.processors)
        self.decoding, self.max_ngram_size, self.num_draft_tokens = decoding, max_ngram_size, num_draft_tokens
        if max_ngram_size < 1 or num_draft_tokens < 1:
            raise ConfigError(f"PromptLookup({max_ngram_size=}, {num_draft_tokens=}): both must be 1 or more")

    def next_token(self, logits: Any, u: Any) -> Int[Tensor, " b"]:
        return self.decoding.next_token(logits, u)

    def generate(self, state: DecodingState) -> Iterator[Int[Tensor, " b"]]:
        if state.done:
            return
        cache = state.make_cache(Truncates)
        yield state.append(prefill(cache, state.input_ids))
        while not state.done:
            room = state.tokens.shape[1] - state.position - 1
            draft = self.draft(state.tokens[:, : state.position])[:, :room]
            length = cache.length
            logits = cache.prefill(torch.cat([state.last_tokens[:, None], draft.clamp_min(0)], 1))
            for j in range(draft.shape[1] + 1):
                column = state.append(logits[:, j])
                yield column
                if state.done:
                    return
                if j == draft.shape[1] or not bool(((column == draft[:, j]) | (column < 0)).all()):
                    cache.truncate(length + j + 1)
                    break

    def draft(self, token_ids: Int[Tensor, "b t"]) -> Int[Tensor, "b k"]:
        """Draft tokens: the continuation of the latest earlier occurrence of the last tokens.

        At most k columns; -1 in rows without a match.
        """
        draft = torch.full((len(token_ids), self.num_draft_tokens), -1, device=token_ids.device)
        for row, tokens in enumerate(token_ids.tolist()):
            continuation = (
                _continuation(tokens, self.max_ngram_size)[: self.num_draft_tokens] if tokens[-1] >= 0 else []
            )
            draft[row, : len(continuation)] = torch.tensor(
                continuation, dtype=torch.int64, device=token_ids.device
            )
        return draft[:, : int((draft >= 0).any(0).sum())]


def _continuation(tokens: list[int], max_ngram_size: int) -> list[int]:
    """The tokens after the latest earlier occurrence of the longest suffix of at most n tokens."""
    for size in range(min(max_ngram_size, len(tokens) - 1), 0, -1):
        suffix = tokens[-size:]
        for start in range(len(tokens) - size - 1, -1, -1):
            if tokens[start : start + size] == suffix:
                return tokens[start + size :]
    return []
