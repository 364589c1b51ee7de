r"""Recurrent network (LSTM or GRU): causal logits of every token from a hidden state.

    e_t = W_e s_t + W_c c,     h^l_t = cell([e_t, h^(l-1)_t], h^l_(t-1)),     logits_t = W_o [h^1_t .. h^L_t]

s_1 is the start token and s_t the token x_(t-1): the sequence is shifted inside the network, as in
`transformer.py`. Skip connections run from the input to every layer and from every layer to the output, which
shortens the path of the gradient through a deep stack (Graves, figure 1). The cost of a decoding step doesn't
depend on the length of the history, which is summarised in the hidden state; `RecurrentCache` is that state.
On a CPU, native/lstm.cpp samples whole sequences.

References: Generating sequences with recurrent neural networks, Graves, 2013 (section 2; his peephole weights
are left out); Long short-term memory, Hochreiter & Schmidhuber, 1997; Learning phrase representations using
RNN encoder-decoder for statistical machine translation (GRU), Cho et al., 2014; An empirical exploration of
recurrent network architectures, Jozefowicz, Zaremba & Sutskever, 2015 (the forget gate starts open).
"""

__all__ = ["Recurrent", "RecurrentCache"]

from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.native.kernels import calls, takes
from morphogen.numerics.tensors import raster, unraster

CELLS: dict[str, type[nn.LSTM] | type[nn.GRU]] = {"lstm": nn.LSTM, "gru": nn.GRU}


class Recurrent(Component, nn.Module):
    """Causal logits of sequences by LSTM or GRU layers with skip connections (Graves 2013).

    x of any shape is processed in raster order.

    Arguments:
        vocabulary: V, number of token ids; the embedding has one more row, for the start token.
        width: D of the embedding and of each layer's state.
        layers: L, number of layers.
        cell: "lstm" (Hochreiter & Schmidhuber 1997, with forget gates) or "gru" (Cho et al. 2014), which
            costs a quarter less.
        dropout: dropout probability on the inputs of each layer and of the output, not on the recurrent
            connections (Zaremba et al. 2014).
        vector: width of `context.vector`, projected and added to every input (0: unconditional).

    Raises ConfigError for an unknown cell.
    """

    def __init__(
        self,
        vocabulary: int,
        width: int,
        layers: int = 1,
        cell: Literal["lstm", "gru"] = "lstm",
        dropout: float = 0.0,
        vector: int = 0,
    ):
        super().__init__()
        self.vocabulary, self.width, self.layers, self.cell = vocabulary, width, layers, cell
        self.dropout, self.vector = dropout, vector
        if cell not in CELLS:
            raise ConfigError(f"unknown cell {cell!r}: use {', '.join(CELLS)}")
        make_layer = CELLS[cell]
        self.token_embedding = nn.Embedding(vocabulary + 1, width)
        self.condition = nn.Linear(vector, width, bias=False) if vector else None
        self.stack = nn.ModuleList(
            make_layer(width if i == 0 else 2 * width, width, batch_first=True) for i in range(layers)
        )
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(layers * width, vocabulary)
        if cell == "lstm":
            for layer in self.stack:
                _open_forget_gate(layer)

    def forward(self, x: Int[Tensor, "b ..."], context: Context | None) -> Float[Tensor, "b ... v"]:
        shape = tuple(x.shape[1:])
        s = raster(x, shape)
        start = s.new_full((len(s), 1), self.vocabulary)
        logits, _ = self.advance(torch.cat([start, s[:, :-1]], 1), context, [None] * self.layers)
        return unraster(logits, shape)

    def advance(
        self, s: Int[Tensor, "b t"], context: Context | None, states: Sequence[Any]
    ) -> tuple[Float[Tensor, "b t v"], list[Any]]:
        """Process the ids s; returns the logits after each and the new states.

        `states` holds one state per layer; None stands for zeros.
        """
        e = self.token_embedding(s)
        if self.condition is not None and context is not None and context.vector is not None:
            e = e + self.condition(context.vector)[:, None]
        e = self.drop(e)
        outputs: list[Tensor] = []
        new_states: list[Any] = []
        for layer, state in zip(self.stack, states, strict=True):
            h, state = layer(torch.cat([e, outputs[-1]], -1) if outputs else e, state)
            outputs.append(self.drop(h))
            new_states.append(state)
        return self.head(torch.cat(outputs, -1)), new_states

    def draw(
        self,
        tokens: Int[Tensor, "b n"],
        uniforms: Float[Tensor, "b n"],
        temperature: float,
        context: Context | None,
        end: int | None,
    ) -> bool:
        """Draw the tokens that are -1, in place; see `causal.DrawsTokens`."""
        embedding, (rows, length), width = self.token_embedding.weight, tokens.shape, self.width
        if self.cell != "lstm" or not takes("lstm", embedding, uniforms):
            return False
        vector = None if context is None else context.vector
        added = embedding.new_zeros(1, width)
        if self.condition is not None and vector is not None:
            added = self.condition(vector).float()
        layers: list[Any] = list(self.stack)
        inputs = [layer.weight_ih_l0[:, :width].contiguous() for layer in layers]
        recurrent = [torch.cat([layer.weight_ih_l0[:, width:], layer.weight_hh_l0], 1) for layer in layers]
        bias = torch.stack([layer.bias_ih_l0 + layer.bias_hh_l0 for layer in layers])
        weights = embedding, added, inputs, recurrent, bias, self.head.weight, self.head.bias
        h, c = embedding.new_zeros(2, rows, self.layers, width)
        ended = torch.zeros(rows, dtype=torch.bool)
        last_token = -1 if end is None else end
        cost = rows * sum(parameter.numel() for parameter in [*self.stack.parameters(), self.head.weight])
        return all(
            torch.ops.morphogen.lstm_draw(
                tokens, uniforms, h, c, ended, *weights, last_token, *positions, temperature
            )
            for positions in calls(length, cost)
        )

    def make_cache(self, rows: int, context: Context | None) -> "RecurrentCache":
        """An empty cache for `rows` sequences."""
        return RecurrentCache(self, rows, context)


class RecurrentCache:
    """Decoding state of a recurrent network: the states of all layers. It can't be truncated.

    Arguments:
        network: the recurrent network.
        rows: number of sequences in the batch.
        context: condition of the network, with as many rows.
    """

    def __init__(self, network: Recurrent, rows: int, context: Context | None):
        self.network, self.context, self.started = network, context, False
        self.states: list[Any] = [None] * network.layers
        self.start = torch.full((rows, 1), network.vocabulary, device=network.token_embedding.weight.device)

    @torch.no_grad()
    def step(self, previous: Int[Tensor, " b"] | None) -> Float[Tensor, "b v"]:
        """Append the previous position's tokens (None: at the first position); returns the next logits."""
        return self._advance(self.start)[:, 0] if previous is None else self.prefill(previous[:, None])[:, 0]

    @torch.no_grad()
    def prefill(self, tokens: Int[Tensor, "b t"]) -> Float[Tensor, "b t v"]:
        """Append T tokens; returns the logits after each. The start token is processed before the first."""
        needs_start = not self.started
        logits = self._advance(torch.cat([self.start, tokens], 1) if needs_start else tokens)
        return logits[:, 1:] if needs_start else logits

    def reorder(self, rows: Int[Tensor, " m"]) -> None:
        """Replace the rows by `rows`: row i becomes the former row rows[i]."""
        self.start, self.context = self.start[rows], None if self.context is None else self.context[rows]
        self.states = [_select_rows(state, rows) for state in self.states]

    def _advance(self, tokens: Tensor) -> Tensor:
        self.started = True
        logits, self.states = self.network.advance(tokens, self.context, self.states)
        return logits


@torch.no_grad()
def _open_forget_gate(layer: nn.Module) -> None:
    """Set the forget-gate bias of an LSTM to 1, so that it remembers at first.

    torch adds two biases; the gates are in the order input, forget, cell, output.
    """
    for name, value in (("bias_ih_l0", 1.0), ("bias_hh_l0", 0.0)):
        bias = getattr(layer, name)
        bias[len(bias) // 4 : len(bias) // 2].fill_(value)


def _select_rows(state: Any, rows: Tensor) -> Any:
    """The selected rows of a layer's state: a tensor (GRU), a pair (LSTM), or None before the first step."""
    if state is None:
        return None
    return state[:, rows] if isinstance(state, Tensor) else tuple(part[:, rows] for part in state)
