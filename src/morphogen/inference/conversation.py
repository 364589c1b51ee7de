r"""Conversations with a language model: streamed replies, and a decoding cache that is kept between turns.

    ids(turns so far) -> reply -> ids(turns so far, reply, next turn) -> ...

Every turn encodes the whole conversation again, most of which is cached already: only the tokens after the
longest common prefix are processed.
"""

__all__ = ["Conversation"]

import codecs
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Context, Truncates
from morphogen.families.autoregressive.decoding import Decoding
from morphogen.inference.quantized import Quantized
from morphogen.model import Model, generative
from morphogen.numerics.randomness import Rng


class Conversation:
    """A chat with an instruction-tuned language model. No paper: the chain rule, p(reply | previous turns).

    Arguments:
        model: a text model trained for chat.
        write: encodes the turns, {"role", "content"} each, as the ids that the reply follows.
        decoding: decoding method of the replies.
        system: system message; None: the default of the chat template.
        seed: of the replies.
    """

    def __init__(
        self,
        model: Model | Quantized,
        write: Callable[[Sequence[dict[str, str]]], list[int]],
        decoding: Decoding,
        system: str | None = None,
        seed: int = 0,
    ):
        self.model, self.write, self.decoding, self.system, self.seed = model, write, decoding, system, seed
        self.objective: Any = generative(model.objective).steered(_CachedPrediction)
        self.turns: list[dict[str, str]] = []
        self.begin()

    def begin(self) -> None:
        """Start a new conversation."""
        self.turns = [] if self.system is None else [{"role": "system", "content": self.system}]

    def say(self, content: str, most: int = 256) -> Iterator[str]:
        """Stream the reply to a message; if the iteration stops early, the partial reply is kept.

        Arguments:
            content: the user's message.
            most: largest number of tokens of the reply.

        Errors: ConfigError if the conversation no longer fits the model's context.
        """
        turns = [*self.turns, {"role": "user", "content": content}]
        ids, length = self.write(turns), self.model.representation.shape[0]
        if most < 1 or not 0 < len(ids) < length:
            raise ConfigError(
                f"the conversation has {len(ids)} tokens and the reply {most}, but the context is {length}: "
                "start a new conversation, or increase the context"
            )
        reply = ""
        try:
            for piece in self._reply(ids, min(length, len(ids) + most), len(turns)):
                reply += piece
                yield piece
        except BaseException:
            self.objective.predict.forget()  # it may have stopped within a step
            raise
        finally:
            self.turns = [*turns, {"role": "assistant", "content": reply}]

    def _reply(self, ids: list[int], length: int, turn: int) -> Iterator[str]:
        """Stream the decoded text after the ids, without the end token."""
        text: Any = self.model.representation
        decoder = codecs.getincrementaldecoder("utf8")("replace")  # a token may end within a character
        device = self.model.device
        context = Context(prefix=torch.tensor([ids], device=device))
        rng = Rng(self.seed, 1, ("conversation", turn)).to(device)
        self.model.eval()
        for column in self.decoding.stream(self.objective, (length,), context, rng):
            if (token := int(column[0])) in (-1, text.end):
                break
            if piece := decoder.decode(text.pieces[token]):
                yield piece
        if rest := decoder.decode(b"", final=True):
            yield rest


class _CachedPrediction(nn.Module):
    """A prediction that keeps its cache between calls: prefill skips the tokens that are cached already."""

    def __init__(self, predict: Any):
        super().__init__()
        self.predict = predict
        self.forget()

    def forget(self) -> None:
        """Discard the cache."""
        self.cache: Any = None
        self.ids: list[int] = []

    def forward(self, x: Int[Tensor, "b t"], context: Context | None) -> Float[Tensor, "b t v"]:
        return self.predict(x, context)

    def make_cache(self, rows: int, context: Context | None) -> "_CachedPrediction":
        """This object, with an empty cache at first."""
        if not isinstance(self.cache, Truncates):
            self.cache, self.ids = self.predict.make_cache(rows, context), []
        return self

    def prefill(self, tokens: Int[Tensor, "b t"]) -> Float[Tensor, "b s v"]:
        """Logits after the tokens that are not cached yet; the last token is always processed."""
        ids = tokens[0].tolist()
        pairs = zip(self.ids, ids, strict=False)
        equal = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        common = min(equal, len(ids) - 1)
        if common:
            self.cache.truncate(self.cache.length - len(self.ids) + common)
        elif self.ids:
            self.cache = self.predict.make_cache(1, None)
        logits = self.cache.prefill(tokens[:, common:])
        self.ids = ids
        return logits

    def step(self, previous: Int[Tensor, " b"] | None) -> Float[Tensor, "b v"]:
        """Logits after one more token."""
        logits = self.cache.step(previous)
        self.ids += [] if previous is None else previous.tolist()
        return logits
