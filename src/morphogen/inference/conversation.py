r"""A conversation: what a person says goes in, the reply comes out piece by piece, and the model keeps what it has read.

    ids(turns so far) -> reply -> ids(turns so far, reply, next turn) -> ...

Every turn writes the whole conversation anew and most of it is what stands in the memory already: only what comes after the longest
common beginning is read. No paper: it is the chain rule, p(reply | all before it).
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
from morphogen.contract import Context, Rewinds
from morphogen.families.autoregressive.decoding import Decoding
from morphogen.inference.quantized import Quantized
from morphogen.model import Model
from morphogen.numerics.randomness import Rng


class Conversation:
    """Turns with a language model.

    Arguments:
        model: of a text, taught to converse.
        write: the turns so far, as {"role", "content"}, to the ids that the reply follows.
        decoding: how each symbol is picked.
        system: what the model is told before all turns; None: what the template has it be told.
        seed: of the replies.
    """

    def __init__(
        self, model: Model | Quantized, write: Callable[[Sequence[dict[str, str]]], list[int]], decoding: Decoding,
        system: str | None = None, seed: int = 0,
    ):  # fmt: skip
        self.model, self.write, self.decoding, self.system, self.seed = model, write, decoding, system, seed
        self.objective: Any = model.objective.with_network(_Kept(model.objective.network))
        self.turns: list[dict[str, str]] = []
        self.begin()

    def begin(self) -> None:
        """Forget all turns."""
        self.turns = [] if self.system is None else [{"role": "system", "content": self.system}]

    def say(self, content: str, most: int = 256) -> Iterator[str]:
        """The reply, as it is written. Left early, it stands as far as it was written.

        Arguments:
            content: of the person's turn.
            most: symbols of the reply.

        Raises:
            ConfigError: where the conversation has outgrown the model's context.
        """
        turns = [*self.turns, {"role": "user", "content": content}]
        ids, length = self.write(turns), self.model.representation.shape[0]
        if most < 1 or not 0 < len(ids) < length:
            raise ConfigError(f"{len(ids)} tokens of conversation, {most} to reply, in a context of {length}: begin anew, or give more")
        said = ""
        try:
            for piece in self._reply(ids, min(length, len(ids) + most), len(turns)):
                said += piece
                yield piece
        except BaseException:
            self.objective.network.forget()  # it may have been left in the middle of a step
            raise
        finally:
            self.turns = [*turns, {"role": "assistant", "content": said}]

    def _reply(self, ids: list[int], length: int, turn: int) -> Iterator[str]:
        """The text of the symbols drawn behind the ids, without the one that ends it."""
        text: Any = self.model.representation
        letters = codecs.getincrementaldecoder("utf8")("replace")  # a symbol may end inside a letter
        device = self.model.device
        context = Context(prefix=torch.tensor([ids], device=device))
        rng = Rng(self.seed, 1, ("conversation", turn)).to(device)
        self.model.eval()
        for column in self.decoding.stream(self.objective, (length,), context, rng):
            if (symbol := int(column[0])) in (-1, text.end):
                break
            if piece := letters.decode(text.pieces[symbol]):
                yield piece
        if rest := letters.decode(b"", final=True):
            yield rest


class _Kept(nn.Module):
    """A network whose one memory outlives a drawing: of what is read next only what differs is read."""

    def __init__(self, network: Any):
        super().__init__()
        self.network = network
        self.forget()

    def forget(self) -> None:
        """Begin with an empty memory."""
        self.memory: Any = None
        self.ids: list[int] = []

    def forward(self, x: Int[Tensor, "b t"], context: Context | None) -> Float[Tensor, "b t v"]:
        return self.network(x, context)

    def cache(self, rows: int, context: Context | None) -> "_Kept":
        """Itself."""
        if not isinstance(self.memory, Rewinds):
            self.memory, self.ids = self.network.cache(rows, context), []
        return self

    def read(self, symbols: Int[Tensor, "b t"]) -> Float[Tensor, "b s v"]:
        """The logits after those of the symbols that were not read yet; the last of them always is read."""
        asked = symbols[0].tolist()
        common = min(sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(self.ids, asked, strict=False))), len(asked) - 1)
        if common:
            self.memory.rewind(self.memory.length - len(self.ids) + common)
        elif self.ids:
            self.memory = self.network.cache(1, None)
        logits = self.memory.read(symbols[:, common:])
        self.ids = asked
        return logits

    def step(self, previous: Int[Tensor, " b"] | None) -> Float[Tensor, "b v"]:
        """The logits after one more."""
        logits = self.memory.step(previous)
        self.ids += [] if previous is None else previous.tolist()
        return logits
