r"""Conversations with a language model: streamed replies, and a decoding cache that is kept between turns.

    ids(turns so far) -> reply -> ids(turns so far, reply, next turn) -> ...

Every turn encodes the whole conversation again, most of which is cached already: only the tokens after the
longest common prefix are processed.
"""

__all__ = ["Conversation", "Reply"]

import codecs
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from morphogen.caller import option
from morphogen.component import ConfigError
from morphogen.contract import Context, Reads, Truncates
from morphogen.families.autoregressive.decoding import Decoding
from morphogen.inference.quantized import Quantized
from morphogen.model import Model, generative
from morphogen.numerics.randomness import Rng
from morphogen.wrong_calls import explains_construction


@explains_construction
@dataclass(frozen=True)
class Reply:
    """How a reply was generated.

    Arguments:
        tokens: number of tokens generated.
        speed: tokens per second after the first; 0 if there were fewer than two.
        cut: what ended the reply before the model did: "length", "window", "interrupt", or None.
    """

    tokens: int
    speed: float
    cut: str | None


@explains_construction
class Conversation:
    """A chat with an instruction-tuned language model. No paper: the chain rule, p(reply | previous turns).

    Arguments:
        model: a text model trained for chat.
        write: encodes the turns, {"role", "content"} each, as the ids that the reply follows.
        decoding: decoding method of the replies.
        system: system message; None: the default of the chat template.
        seed: of the replies.
        ends: ids that end a reply, in addition to the representation's end token.
        hidden: ids that are left out of the text of a reply.
        stops: strings that end a reply; they are left out, and so is all that follows.
        longest: the context length up to which the model can be opened; None: that of its representation.

    Attributes:
        turns: of the conversation so far.
        reply: how the last reply was generated; None before the first.
    """

    def __init__(
        self,
        model: Model | Quantized,
        write: Callable[[Sequence[dict[str, str]]], list[int]],
        decoding: Decoding,
        system: str | None = None,
        seed: int = 0,
        ends: Collection[int] = (),
        hidden: Collection[int] = (),
        stops: Sequence[str] = (),
        longest: int | None = None,
    ):
        self.model, self.write, self.decoding, self.system, self.seed = model, write, decoding, system, seed
        self.ends, self.hidden, self.stops = {-1, model.representation.end, *ends}, hidden, tuple(stops)
        self.length: int = model.representation.shape[0]
        self.longest = max(self.length, longest or 0)
        self.objective: Any = generative(model.objective).steered(_CachedPrediction)
        self.turns: list[dict[str, str]] = []
        self.reply: Reply | None = None
        self.begin()

    def begin(self) -> None:
        """Start a new conversation."""
        self.turns = [] if self.system is None else [{"role": "system", "content": self.system}]

    @property
    def extensible(self) -> bool:
        """Whether the model can be opened with a longer context."""
        return self.length < self.longest

    @property
    def limit(self) -> str:
        """The context length, in words: the user's choice, or the most that the model can have."""
        return f"the context is {self.length}" if self.extensible else f"the model's context is {self.length}"

    def say(self, content: str, most: int = 256) -> Iterator[str]:
        """Stream the reply to a message; if the iteration stops early, the partial reply is kept.

        Arguments:
            content: the user's message.
            most: largest number of tokens of the reply.

        Errors: ConfigError if the conversation no longer fits the model's context.
        """
        turns = [*self.turns, {"role": "user", "content": content}]
        ids = self.write(turns)
        if most < 1 or not 0 < len(ids) < self.length:
            is_first = all(turn["role"] == "system" for turn in self.turns)
            remedy = "shorten the message" if is_first else "start a new conversation (/reset)"
            raise ConfigError(
                f"the conversation has {len(ids)} tokens and the reply {most}, but {self.limit}: {remedy}"
                + (f", or increase {option('context')}, up to {self.longest}" if self.extensible else "")
            )
        reply, progress = "", _Progress(min(most, self.length - len(ids)), most)
        try:
            for piece in _before(self._pieces(ids, len(turns), progress), self.stops):
                reply += piece
                yield piece
        except BaseException:
            self.objective.predict.forget()  # it may have stopped within a step
            progress.interrupted = True
            raise
        finally:
            self.turns = [*turns, {"role": "assistant", "content": reply}]
            self.reply = progress.reply()

    def _pieces(self, ids: list[int], turn: int, progress: "_Progress") -> Iterator[str]:
        """Stream the decoded text after the ids, without the end token."""
        text: Any = self.model.representation
        decoder = codecs.getincrementaldecoder("utf8")("replace")  # a token may end within a character
        device = self.model.device
        context = Context(prefix=torch.tensor([ids], device=device))
        rng = Rng(self.seed, 1, ("conversation", turn)).to(device)
        self.model.eval()
        for column in self.decoding.stream(self.objective, (len(ids) + progress.limit,), context, rng):
            if (token := int(column[0])) in self.ends:
                break
            spelled = b"" if token in self.hidden else text.pieces[token]
            if not progress.tokens and text.space_prefix:
                spelled = spelled.removeprefix(b" ")
            progress.count()
            if piece := decoder.decode(spelled):
                yield piece
        else:
            progress.full = progress.tokens == progress.limit
        if rest := decoder.decode(b"", final=True):
            yield rest


@dataclass
class _Progress:
    """Count and time of the tokens of a reply of at most `limit`, of which the user allows `most`."""

    limit: int
    most: int
    tokens: int = 0
    full: bool = False
    interrupted: bool = False
    first: float = 0.0
    last: float = 0.0

    def count(self) -> None:
        """Count one more token."""
        self.last = time.perf_counter()
        self.first = self.first or self.last
        self.tokens += 1

    def reply(self) -> Reply:
        """The record of the reply."""
        seconds = self.last - self.first
        full = ("length" if self.limit == self.most else "window") if self.full else None
        speed = (self.tokens - 1) / seconds if seconds > 0 else 0.0
        return Reply(self.tokens, speed, "interrupt" if self.interrupted else full)


def _before(pieces: Iterator[str], stops: Sequence[str]) -> Iterator[str]:
    """The text before the first of the strings; what may be the beginning of one is held back."""
    held = ""
    for piece in pieces:
        held += piece
        if places := [at for stop in stops if (at := held.find(stop)) >= 0]:
            yield held[: min(places)]
            return
        kept = max((n for stop in stops for n in range(len(stop)) if held.endswith(stop[:n])), default=0)
        if shown := held[: len(held) - kept]:
            yield shown
        held = held[len(held) - kept :]
    if held:
        yield held


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
        """Logits after tokens that are not cached yet, the last at least; it is always processed."""
        ids = tokens[0].tolist()
        pairs = zip(self.ids, ids, strict=False)
        equal = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        common = min(equal, len(ids) - 1)
        if common:
            self.cache.truncate(self.cache.length - len(self.ids) + common)
        elif self.ids:
            self.cache = self.predict.make_cache(1, None)
        new = tokens[:, common:]
        logits = self.cache.read(new)[:, None] if isinstance(self.cache, Reads) else self.cache.prefill(new)
        self.ids = ids
        return logits

    def step(self, previous: Int[Tensor, " b"] | None) -> Float[Tensor, "b v"]:
        """Logits after one more token."""
        logits = self.cache.step(previous)
        self.ids += [] if previous is None else previous.tolist()
        return logits
