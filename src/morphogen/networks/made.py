r"""MADE: a multilayer perceptron whose outputs for entry i depend on the entries before i only.

    h = relu((M_1 * W_1) x + U c + b),  ...,  y_i = (M_L * W_L) h + V c + b',   M a mask of 0 and 1

Every hidden unit has a degree m in 1 .. D - 1; it sees the entries, or units, of degree at most m, and entry
i of the output sees the units of degree below i. One pass gives the parameters of all conditionals p(x_i |
x_<i).

An entry that becomes known changes the units of its own degree only. So the parameters of all entries, each
needed for the next entry, cost about as much as one pass, not one pass per entry: `MADE.make_cache`.

Reference: MADE, masked autoencoder for distribution estimation, Germain, Gregor, Murray & Larochelle, 2015.
"""

__all__ = ["MADE", "MADECache"]

from itertools import pairwise
from typing import cast

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.native.kernels import available


class MADE(Component, nn.Module):
    """x [B, D] to `outputs` parameters of each entry, concatenated: [B, outputs D]; 0 at initialisation.

    Arguments:
        dims: number of entries D.
        outputs: parameters of each entry, such as 2 for a shift and a scale.
        width: hidden units, at least D - 1, so that every degree occurs.
        layers: hidden layers.
        vector: width of `context.vector`, which every layer receives (0: unconditional).

    Errors: ConfigError for fewer than D - 1 hidden units, and without an entry or a hidden layer.
    """

    def __init__(self, dims: int, outputs: int, width: int, layers: int, vector: int = 0):
        super().__init__()
        if dims < 1 or layers < 1:
            raise ConfigError(f"MADE: dims={dims}, layers={layers}: give at least 1 of each")
        if width < dims - 1:
            raise ConfigError(f"MADE: width={width}: {dims} entries require at least {dims - 1} hidden units")
        self.dims, self.outputs, self.width, self.layers, self.vector = dims, outputs, width, layers, vector
        entries, units = torch.arange(1, dims + 1), self.degrees()
        degrees = [entries] + [units] * layers
        masks = [after[:, None] >= before for before, after in pairwise(degrees)]
        masks.append((entries[:, None] > degrees[-1]).repeat(outputs, 1))
        self.body = nn.ModuleList(_MaskedLinear(mask, vector) for mask in masks)
        for parameter in self.body[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Float[Tensor, "b d"], context: Context | None) -> Float[Tensor, "b e"]:
        vector = context.vector if self.vector and context is not None else None
        first, *others = self.body
        h = first(x, vector)
        for layer in others:
            h = layer(F.relu(h), vector)
        return h

    def degrees(self) -> Int[Tensor, " w"]:
        """The degree of each unit of a hidden layer, in 1 .. max(D - 1, 1)."""
        return torch.arange(self.width) % max(self.dims - 1, 1) + 1

    def make_cache(self, rows: int, context: Context | None) -> "MADECache":
        """An empty cache for the parameters of `rows` rows, entry by entry."""
        return MADECache(self, rows, context)


class MADECache:
    """The hidden units that are known of the first entries, for the parameters of the next one.

    `step` evaluates the units whose degree is the number of known entries. It is differentiable.

    Arguments:
        network: whose parameters must not change meanwhile.
        rows: B.
        context: of the rows.
    """

    def __init__(self, network: MADE, rows: int, context: Context | None):
        vector = context.vector if network.vector and context is not None else None
        degrees = network.degrees()
        order = degrees.argsort(stable=True)
        # units are sorted by degree and are the first axis, so that the known ones are contiguous
        self._ends = [0, *degrees.bincount(minlength=network.dims)[1:].cumsum(0).tolist()]
        *hidden, last = cast(list[_MaskedLinear], list(network.body))
        counts = [end - start for start, end in pairwise(self._ends)]
        self._weights, self._biases = [], []  # of each hidden layer, those of the units of each degree
        for i, layer in enumerate(hidden):
            weight = layer.weight[order]
            self._weights.append((weight[:, order] if i else weight).split(counts))
            self._biases.append(layer.bias_of(vector)[order].split(counts))
        last_weight = rearrange(last.weight[:, order], "(p d) h -> d p h", d=network.dims)
        last_bias = rearrange(last.bias_of(vector), "(p d) b -> d p b", d=network.dims)
        self._last_weights, self._last_biases = last_weight.unbind(), last_bias.unbind()
        sizes = [network.dims] + [network.width] * network.layers
        # the entries and the units of each hidden layer; the first rows are known
        self._known = [last.weight.new_empty(size, rows) for size in sizes]
        self.length = 0

    def step(self, previous: Float[Tensor, " b"] | None) -> Float[Tensor, "b p"]:
        """Append the previous entry (None: at the first one); returns the parameters of the next one."""
        self.length += previous is not None
        if self._is_native():
            return self._native_step(previous)
        if previous is not None:
            self._append(previous)
        i, end = self.length, self._ends[self.length]
        return torch.addmm(self._last_biases[i], self._last_weights[i][:, :end], self._known[-1][:end]).T

    def _is_native(self) -> bool:
        """Whether the kernel takes this step: without gradients, in float32 on the CPU."""
        of_x = self._known[0]
        is_plain = of_x.device.type == "cpu" and of_x.dtype == torch.float32
        return is_plain and not torch.is_grad_enabled() and available("made")

    def _native_step(self, previous: Float[Tensor, " b"] | None) -> Float[Tensor, "b p"]:
        i, degree = self.length, max(self.length - 1, 0)
        weights, biases = ([of[degree] for of in layers] for layers in (self._weights, self._biases))
        last = self._last_weights[i], self._last_biases[i]
        places = i, self._ends[degree], self._ends[i]
        return torch.ops.morphogen.made_step(previous, self._known, weights, biases, *last, *places).T

    def _append(self, entry: Tensor) -> None:
        """Evaluate the units of the degree of the entry; in place, unless autograd has saved earlier ones."""
        degree, start, end = self.length - 1, self._ends[self.length - 1], self._ends[self.length]
        in_place, known = not torch.is_grad_enabled(), self._known[0][: self.length]
        if in_place:
            known[degree] = entry
        else:
            known = self._known[0] = torch.cat([known[:degree], entry[None]])
        for i, (weights, biases) in enumerate(zip(self._weights, self._biases, strict=True), 1):
            weight, bias, units = weights[degree][:, : len(known)], biases[degree], self._known[i]
            if in_place:
                torch.addmm(bias, weight, known, out=units[start:end]).relu_()
            else:
                units = torch.cat([units[:start], torch.addmm(bias, weight, known).relu_()])
                self._known[i] = units
            known = units[:end]


class _MaskedLinear(nn.Linear):
    """A linear map with a fixed mask of its weights, plus an unmasked map of the condition vector."""

    mask: Tensor

    def __init__(self, mask: Tensor, vector: int):
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask, persistent=False)
        self.condition = nn.Linear(vector, mask.shape[0], bias=False) if vector else None

    def forward(self, x: Tensor, vector: Tensor | None) -> Tensor:  # type: ignore[override]
        h = F.linear(x, self.weight * self.mask, self.bias)
        return h if self.condition is None or vector is None else h + self.condition(vector)

    def bias_of(self, vector: Tensor | None) -> Tensor:
        """The bias and what the condition adds to it, [out, 1] or [out, B]."""
        bias = self.bias[:, None]
        return bias if self.condition is None or vector is None else bias + self.condition(vector).T
