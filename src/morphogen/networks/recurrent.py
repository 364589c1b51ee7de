r"""A stack of recurrent layers: logits of every symbol from a state that has read the symbols before it.

    e_t = W_e s_t + W_c c,     h^l_t = cell([e_t, h^(l-1)_t], h^l_(t-1)),     logits_t = W_o [h^1_t .. h^L_t]

s_1 is a start symbol, s_t the symbol x_(t-1): the sequence is shifted inside, as in `transformer.py`. Every layer reads the input and
every layer is read by the output, so that the gradient has a short way through a deep stack (Graves, figure 1). A step costs the
same however much was read, for all memory is in the state: `RecurrentMemory` is that state.

References: Generating sequences with recurrent neural networks, Graves, 2013 (section 2; his peephole weights are left out);
Long short-term memory, Hochreiter & Schmidhuber, 1997; Learning phrase representations using RNN encoder-decoder for statistical
machine translation (GRU), Cho et al., 2014; An empirical exploration of recurrent network architectures, Jozefowicz, Zaremba &
Sutskever, 2015 (the forget gate starts open).
"""

__all__ = ["Recurrent", "RecurrentMemory"]

from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.numerics.tensors import raster, unraster

CELLS: dict[str, type[nn.LSTM] | type[nn.GRU]] = {"lstm": nn.LSTM, "gru": nn.GRU}


class Recurrent(Component, nn.Module):
    """Causal logits of sequences by LSTM or GRU layers with skip connections (Graves 2013); any shape of x is read in raster order.

    Arguments:
        vocabulary: V, values of one symbol; the embedding has one row more, the start symbol.
        width: D of the embedding and of each layer's state.
        layers: L.
        cell: "lstm" (Hochreiter & Schmidhuber 1997, with forget gates) or "gru" (Cho et al. 2014), a quarter cheaper.
        dropout: on what each layer and the output read, never from step to step (Zaremba et al. 2014).
        vector: width of `context.vector`, projected and added to every input (0: unconditional).

    Raises ConfigError for another cell.
    """

    def __init__(
        self, vocabulary: int, width: int, layers: int = 1, cell: Literal["lstm", "gru"] = "lstm", dropout: float = 0.0, vector: int = 0
    ):
        super().__init__()
        self.vocabulary, self.width, self.layers, self.cell = vocabulary, width, layers, cell
        self.dropout, self.vector = dropout, vector
        if cell not in CELLS:
            raise ConfigError(f"cell {cell!r}: there are {', '.join(CELLS)}")
        kind = CELLS[cell]
        self.symbols = nn.Embedding(vocabulary + 1, width)
        self.condition = nn.Linear(vector, width, bias=False) if vector else None
        self.stack = nn.ModuleList(kind(width if i == 0 else 2 * width, width, batch_first=True) for i in range(layers))
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(layers * width, vocabulary)
        if cell == "lstm":
            for layer in self.stack:
                _open_forget_gate(layer)

    def forward(self, x: Int[Tensor, "b ..."], context: Context | None) -> Float[Tensor, "b ... v"]:
        shape = tuple(x.shape[1:])
        s = raster(x, shape)
        start = s.new_full((len(s), 1), self.vocabulary)
        logits, _ = self.read(torch.cat([start, s[:, :-1]], 1), context, [None] * self.layers)
        return unraster(logits, shape)

    def read(self, s: Int[Tensor, "b t"], context: Context | None, states: Sequence[Any]) -> tuple[Float[Tensor, "b t v"], list[Any]]:
        """The logits after each of the ids s, read on from `states` (one a layer; None: zeros), and the states then."""
        e = self.symbols(s)
        if self.condition is not None and context is not None and context.vector is not None:
            e = e + self.condition(context.vector)[:, None]
        e = self.drop(e)
        read: list[Tensor] = []
        after: list[Any] = []
        for layer, state in zip(self.stack, states, strict=True):
            h, state = layer(torch.cat([e, read[-1]], -1) if read else e, state)
            read.append(self.drop(h))
            after.append(state)
        return self.head(torch.cat(read, -1)), after

    def cache(self, rows: int, context: Context | None) -> "RecurrentMemory":
        """An empty memory for `rows` sequences."""
        return RecurrentMemory(self, rows, context)


class RecurrentMemory:
    """The states of all layers after `rows` sequences so far, and from them the next symbol's logits; what was read cannot be forgotten.

    Arguments:
        network: what they are the states of.
        rows: sequences drawn side by side.
        context: what the network may look at besides, of as many rows.
    """

    def __init__(self, network: Recurrent, rows: int, context: Context | None):
        self.network, self.context, self.begun = network, context, False
        self.states: list[Any] = [None] * network.layers
        self.start = torch.full((rows, 1), network.vocabulary, device=network.symbols.weight.device)

    @torch.no_grad()
    def step(self, previous: Int[Tensor, " b"] | None) -> Float[Tensor, "b v"]:
        """The symbols of the position just drawn (None: there is none yet) to the logits of the next."""
        return self._advance(self.start)[:, 0] if previous is None else self.read(previous[:, None])[:, 0]

    @torch.no_grad()
    def read(self, symbols: Int[Tensor, "b t"]) -> Float[Tensor, "b t v"]:
        """The logits after each of the symbols that stand next; the start is read before the first of all."""
        late = not self.begun
        logits = self._advance(torch.cat([self.start, symbols], 1) if late else symbols)
        return logits[:, 1:] if late else logits

    def select(self, rows: Int[Tensor, " m"]) -> None:
        """Row i becomes what row rows[i] was."""
        self.start, self.context = self.start[rows], None if self.context is None else self.context[rows]
        self.states = [_rows(state, rows) for state in self.states]

    def _advance(self, symbols: Tensor) -> Tensor:
        self.begun = True
        logits, self.states = self.network.read(symbols, self.context, self.states)
        return logits


@torch.no_grad()
def _open_forget_gate(layer: nn.Module) -> None:
    """Its two biases, which torch adds, come to 1: the cell begins by remembering. Gates stand as input, forget, cell, output."""
    for name, value in (("bias_ih_l0", 1.0), ("bias_hh_l0", 0.0)):
        bias = getattr(layer, name)
        bias[len(bias) // 4 : len(bias) // 2].fill_(value)


def _rows(state: Any, rows: Tensor) -> Any:
    """Some rows of a layer's state: a tensor of GRU, two of LSTM, none before anything was read."""
    return state if state is None else state[:, rows] if isinstance(state, Tensor) else tuple(part[:, rows] for part in state)
