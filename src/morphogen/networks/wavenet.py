r"""WaveNet: logits of every sample of a sound from the samples before it, by gated convolutions whose reach doubles from layer to layer.

    g^l = tanh(W_f * h^l + V_f c) sigmoid(W_g * h^l + V_g c),     h^(l+1) = h^l + R^l g^l,     logits = W_2 relu(W_1 relu(S [g^1 .. g^L]))

h^1_t is the embedding of x_(t-1): the sequence is shifted at the entrance, and everything after may look at its own position. c is a
vector for the whole sound (who speaks) and a token for every few samples (how it sounds just then), each heard by every gate. S sums
what every layer has to say: the skip connections of the paper, as one matrix.

Drawing with the pass alone costs a pass a sample. `WaveMemory` keeps each layer's past in a ring and pays for one position.

Reference: WaveNet: A generative model for raw audio, van den Oord, Dieleman, Zen, Simonyan, Vinyals, Graves, Kalchbrenner, Senior &
Kavukcuoglu, 2016 (figure 4; equations 2 and 3, and the local conditioning after them).
"""

__all__ = ["WaveMemory", "WaveNet"]

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.networks.causal_conv import CausalConv, Taps, past
from morphogen.networks.levels import Levels


class WaveNet(Component, nn.Module):
    """Causal logits of sequences of symbols, of any length (van den Oord et al. 2016).

    Arguments:
        vocabulary: V, levels of one sample, in their order.
        width: C, features of a layer.
        skip: S, features of the sum over the layers.
        cycles: how often the dilations begin again at 1.
        layers: of one cycle, of dilation 1, 2, 4, ..., 2^(layers - 1).
        vector: width of `context.vector` (0: unconditional).
        tokens: width of `context.tokens` (0: there are none); token f is heard by the samples from f hold to (f + 1) hold - 1.
        hold: samples that a token stands for.

    Raises:
        ConfigError: if there is no layer, or tokens end before the sound does.
    """

    def __init__(
        self, vocabulary: int, width: int = 64, skip: int = 256, cycles: int = 3, layers: int = 10, vector: int = 0, tokens: int = 0,
        hold: int = 1,
    ):  # fmt: skip
        super().__init__()
        self.vocabulary, self.width, self.skip, self.cycles, self.layers = vocabulary, width, skip, cycles, layers
        self.vector, self.tokens, self.hold = vector, tokens, hold
        if cycles < 1 or layers < 1 or hold < 1:
            raise ConfigError(f"WaveNet({cycles=}, {layers=}, {hold=}): each must be at least 1")
        dilations = [2**i for _ in range(cycles) for i in range(layers)]
        self.reach = sum(dilations) + 1  # samples before x_t that its logits depend on
        self.symbols = Levels(vocabulary, width)
        self.gates = nn.ModuleList(CausalConv(width, 2 * width, d) for d in dilations)
        self.residuals = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in dilations[1:])  # nothing reads the last layer's
        self.told = nn.Linear(vector, 2 * width * len(dilations), bias=False) if vector else None
        self.heard = nn.Linear(tokens, 2 * width * len(dilations), bias=False) if tokens else None
        self.skips = nn.Linear(width * len(dilations), skip)
        self.waist = nn.Linear(skip, skip)
        self.head = nn.Linear(skip, vocabulary)
        _begin(self)

    def forward(self, x: Int[Tensor, "b t"], context: Context | None) -> Float[Tensor, "b t v"]:
        vector, frames = self.conditions(context)
        vectors = vector.chunk(len(self.gates), -1) if vector is not None else ()
        tokens = frames.chunk(len(self.gates), -1) if frames is not None else ()
        h, said = past(self.symbols(x), 1), []
        for i, conv in enumerate(self.gates):
            features = conv(h)
            if vectors:
                features = features + vectors[i][:, None]
            if tokens:
                features = features + self._held(tokens[i], x.shape[1])
            said.append(_gate(features))
            if i < len(self.residuals):
                h = h + self.residuals[i](said[-1])
        return self.head(F.relu(self.waist(F.relu(self.skips(torch.cat(said, -1))))))

    def conditions(self, context: Context | None) -> tuple[Float[Tensor, "b d"] | None, Float[Tensor, "b f d"] | None]:
        """V c of all layers side by side: what the whole sound is told, and what each token says; None: nothing."""
        vector = None if context is None or self.told is None or context.vector is None else self.told(context.vector)
        tokens = None if context is None or self.heard is None or context.tokens is None else self.heard(context.tokens)
        return vector, tokens

    def cache(self, rows: int, context: Context | None) -> "WaveMemory":
        """An empty memory for `rows` sounds."""
        return WaveMemory(self, rows, context)

    def _held(self, tokens: Tensor, length: int) -> Tensor:
        """Each token for its samples: [B, T, D]."""
        if tokens.shape[1] * self.hold < length:
            raise ConfigError(f"{tokens.shape[1]} tokens of {self.hold} samples end before a sound of {length}; give more")
        return tokens.repeat_interleave(self.hold, 1)[:, :length]


class WaveMemory:
    """What a WaveNet has computed so far of `rows` sounds, and from it the next sample's logits.

    A step is five small operations a layer, all into memory that is there: one product of the window of both taps, the gate's three,
    and the residual, written where the next layer will look for it. The skips of all layers are one product at the end; what the
    condition says to the layers is one sum a token.

    Arguments:
        network: what it remembers for.
        rows: sounds drawn side by side.
        context: what the network may look at besides x, of as many rows.
    """

    def __init__(self, network: WaveNet, rows: int, context: Context | None):
        self.position, self.hold, self.symbols = 0, network.hold, network.symbols.weight.detach()
        convs: list[CausalConv] = list(network.gates)  # type: ignore[arg-type]
        layers, width, zeros = len(convs), network.width, self.symbols.new_zeros
        self.taps = [Taps(conv, rows) for conv in convs]
        self.gates, self.features = zeros(rows, layers * width), zeros(rows, 2 * width)
        self.a, self.b = self.features.chunk(2, 1)
        with torch.no_grad():
            vector, self.tokens = network.conditions(context)
            bias = torch.cat([conv.taps.bias for conv in convs])
            self.constant = (bias.expand(rows, -1) if vector is None else bias + vector).contiguous()
        self.biases = self.constant.clone()
        residuals = [part.weight.detach().t().contiguous() for part in network.residuals]  # type: ignore[operator]
        self.ends = [(part.weight.detach().t().contiguous(), part.bias.detach()) for part in (network.skips, network.waist, network.head)]
        last = self.gates.new_empty(0)
        self.layers = list(zip(self.taps, self.biases.chunk(layers, 1), self.gates.chunk(layers, 1), [*residuals, last], strict=True))

    @torch.no_grad()
    def step(self, previous: Int[Tensor, " b"] | None) -> Float[Tensor, "b v"]:
        """The symbols of the position just drawn (None: there is none yet) to the logits of the next."""
        t = self.position
        if self.tokens is not None and t % self.hold == 0:
            torch.add(self.constant, self.tokens[:, t // self.hold], out=self.biases)
        slots = [taps.slots[t % taps.period] for taps in self.taps]
        if previous is not None:
            slots[0].copy_(self.symbols[previous])
        for (taps, bias, gates, residual), slot, target in zip(self.layers, slots, [*slots[1:], None], strict=True):
            window, matrix = taps.windows[t % taps.period]
            torch.addmm(bias, window, matrix, out=self.features)
            torch.mul(self.a.tanh_(), self.b.sigmoid_(), out=gates)
            if target is not None:
                torch.addmm(slot, gates, residual, out=target)
        (skips, skip_bias), (waist, waist_bias), (head, head_bias) = self.ends
        said = torch.addmm(waist_bias, torch.addmm(skip_bias, self.gates, skips).relu_(), waist).relu_()
        self.position += 1
        return torch.addmm(head_bias, said, head)


@torch.no_grad()
def _begin(network: WaveNet) -> None:
    """What is added up begins alike in size (He et al. 2015); by torch's own start the condition is unheard for hundreds of steps."""
    for part in network.modules():
        if isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, std=part.in_features**-0.5)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    for part, gain in (
        (network.skips, 2.8),
        (network.waist, 1.4),
        (network.head, 0.5),
    ):  # small gates, a ReLU, an even law
        part.weight.mul_(gain)


def _gate(features: Float[Tensor, "b t d"]) -> Float[Tensor, "b t d//2"]:
    """tanh(a) sigmoid(b) of the two halves."""
    a, b = features.chunk(2, -1)
    return a.tanh() * b.sigmoid()
