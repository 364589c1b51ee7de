r"""WaveNet: autoregressive logits of audio samples from gated, dilated causal convolutions.

    g^l = tanh(W_f * h^l + V_f c) sigmoid(W_g * h^l + V_g c)
    h^(l+1) = h^l + R^l g^l
    logits = W_2 relu(W_1 relu(S [g^1 .. g^L]))

h^1_t is the embedding of x_(t-1): the input is shifted by one, so all later layers may include their own
position. c is a vector for the whole sound (global conditioning, such as the speaker) and one token for every
`samples_per_token` samples (local conditioning, such as a mel spectrogram); both enter every gate. S is the
sum of the paper's skip connections, as one matrix.

Sampling without a cache costs a forward pass per sample. `WaveNetCache` keeps the past inputs of each layer
in a ring buffer and computes one position per step; on a CPU, native/wavenet.cpp does so for whole sounds.

Reference: WaveNet: A generative model for raw audio, van den Oord, Dieleman, Zen, Simonyan, Vinyals, Graves,
Kalchbrenner, Senior & Kavukcuoglu, 2016 (figure 4; equations 2 and 3, and the local conditioning after them).
"""

__all__ = ["WaveNet", "WaveNetCache"]

from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.native.kernels import calls, takes
from morphogen.networks.causal_conv import CausalConv, CausalConvCache, delay
from morphogen.networks.ordinal_embedding import OrdinalEmbedding


class WaveNet(Component, nn.Module):
    """Autoregressive logits of sequences of any length (van den Oord et al. 2016).

    Arguments:
        vocabulary: V, number of quantisation levels of a sample, which are ordered.
        width: C, number of residual channels.
        skip: S, number of skip channels.
        cycles: number of dilation cycles.
        layers: layers per cycle, with dilations 1, 2, 4, ..., 2^(layers - 1).
        vector: width of `context.vector` (0: unconditional).
        tokens: width of `context.tokens` (0: none); token f conditions samples f hold to (f + 1) hold - 1.
        samples_per_token: samples per token.

    Raises:
        ConfigError: if there are no layers, or the tokens do not cover the sound.
    """

    def __init__(
        self,
        vocabulary: int,
        width: int = 64,
        skip: int = 256,
        cycles: int = 3,
        layers: int = 10,
        vector: int = 0,
        tokens: int = 0,
        samples_per_token: int = 1,
    ):
        super().__init__()
        self.vocabulary, self.width, self.skip, self.cycles = vocabulary, width, skip, cycles
        self.layers, self.vector, self.tokens, self.samples_per_token = (
            layers,
            vector,
            tokens,
            samples_per_token,
        )
        if cycles < 1 or layers < 1 or samples_per_token < 1:
            raise ConfigError(f"WaveNet({cycles=}, {layers=}, {samples_per_token=}): each must be at least 1")
        dilations = [2**i for _ in range(cycles) for i in range(layers)]
        gate_biases = 2 * width * len(dilations)
        self.receptive_field = (
            sum(dilations) + 1
        )  # receptive field: samples before x_t that its logits depend on
        self.level_embedding = OrdinalEmbedding(vocabulary, width)
        self.gates = nn.ModuleList(CausalConv(width, 2 * width, d) for d in dilations)
        self.residuals = nn.ModuleList(
            nn.Linear(width, width, bias=False) for _ in dilations[1:]
        )  # none after the last layer, whose residual is unused
        self.vector_bias = nn.Linear(vector, gate_biases, bias=False) if vector else None
        self.token_bias = nn.Linear(tokens, gate_biases, bias=False) if tokens else None
        self.skips = nn.Linear(width * len(dilations), skip)
        self.hidden = nn.Linear(skip, skip)
        self.head = nn.Linear(skip, vocabulary)
        _initialize(self)

    def forward(self, x: Int[Tensor, "b t"], context: Context | None) -> Float[Tensor, "b t v"]:
        vector_bias, token_bias = self.condition_biases(context)
        vector_biases = vector_bias.chunk(len(self.gates), -1) if vector_bias is not None else ()
        token_biases = token_bias.chunk(len(self.gates), -1) if token_bias is not None else ()
        h, outputs = delay(self.level_embedding(x), 1), []
        for i, conv in enumerate(self.gates):
            features = conv(h)
            if vector_biases:
                features = features + vector_biases[i][:, None]
            if token_biases:
                features = features + self._repeated(token_biases[i], x.shape[1])
            outputs.append(_gate(features))
            if i < len(self.residuals):
                h = h + self.residuals[i](outputs[-1])
        skip = self.skips(torch.cat(outputs, -1))
        return self.head(F.relu(self.hidden(F.relu(skip))))

    def condition_biases(
        self, context: Context | None
    ) -> tuple[Float[Tensor, "b d"] | None, Float[Tensor, "b f d"] | None]:
        """V c of all layers, concatenated: for the vector and for each token; None without that condition."""
        vector = None if context is None else context.vector
        tokens = None if context is None else context.tokens
        vector_bias = None if self.vector_bias is None or vector is None else self.vector_bias(vector)
        token_bias = None if self.token_bias is None or tokens is None else self.token_bias(tokens)
        return vector_bias, token_bias

    def make_cache(self, rows: int, context: Context | None) -> "WaveNetCache":
        """An empty cache for `rows` sounds."""
        return WaveNetCache(self, rows, context)

    def draw(
        self,
        tokens: Int[Tensor, "b n"],
        uniforms: Float[Tensor, "b n"],
        temperature: float,
        context: Context | None,
        end: int | None,
    ) -> bool:
        """Draw the tokens that are -1, in place; see `causal.DrawsTokens`."""
        embedding, length = self.level_embedding.weight, tokens.shape[1]
        if end is not None or not takes("wavenet", embedding, uniforms):
            return False
        bias, hold = self._all_biases(context, length)
        if bias.shape[1] * hold < length:
            return False  # where the cache raises an error
        past = embedding.new_zeros(len(tokens), self.receptive_field - 1, self.width)
        convs, outputs = cast(list[CausalConv], list(self.gates)), [self.skips, self.hidden, self.head]
        gates, weights = [conv.taps.weight for conv in convs], [part.weight for part in outputs]
        residuals = [part.weight for part in cast(list[nn.Linear], self.residuals)]
        layers = embedding, gates, bias, hold, residuals, weights, [part.bias for part in outputs]
        dilations = [conv.dilation for conv in convs]
        cost = sum(weight.numel() for weight in [*gates, *residuals, *weights])
        return all(
            torch.ops.morphogen.wavenet_draw(
                tokens, uniforms, past, *layers, dilations, *positions, temperature
            )
            for positions in calls(length, len(tokens) * cost)
        )

    def _all_biases(self, context: Context | None, length: int) -> tuple[Float[Tensor, "#b f d"], int]:
        """What is added to the gates of all layers, and for how many samples each of the F biases holds."""
        vector_bias, token_bias = self.condition_biases(context)
        bias = torch.cat([conv.taps.bias for conv in cast(list[CausalConv], self.gates)])[None, None]
        bias = bias if vector_bias is None else bias + vector_bias[:, None]
        if token_bias is None:
            return bias.contiguous(), max(1, length)
        return bias + token_bias, self.samples_per_token

    def _repeated(self, tokens: Tensor, length: int) -> Tensor:
        """Each token repeated for its samples: [B, T, D]."""
        if tokens.shape[1] * self.samples_per_token < length:
            raise ConfigError(
                f"{tokens.shape[1]} tokens of {self.samples_per_token} samples do not cover "
                f"a sound of {length}: give more"
            )
        return tokens.repeat_interleave(self.samples_per_token, 1)[:, :length]


class WaveNetCache:
    """Decoding cache of a WaveNet: the past inputs of its layers, for logits of one sample per step.

    A step costs five small operations per layer, all into preallocated memory: one matrix product for both
    taps, three operations for the gate, and the residual, which is written to the input slot of the next
    layer. The skip connections of all layers are one product at the end. The bias from the condition is
    recomputed once per token.

    Arguments:
        network: the network.
        rows: number of sounds in the batch.
        context: the condition, with the same number of rows.
    """

    def __init__(self, network: WaveNet, rows: int, context: Context | None):
        self.index, self.samples_per_token = 0, network.samples_per_token
        self.level_embedding = network.level_embedding.weight.detach()
        convs: list[CausalConv] = list(network.gates)  # type: ignore[arg-type]
        layers, width, zeros = len(convs), network.width, self.level_embedding.new_zeros
        self.convs = [CausalConvCache(conv, rows) for conv in convs]
        self.gates, self.features = zeros(rows, layers * width), zeros(rows, 2 * width)
        self.a, self.b = self.features.chunk(2, 1)
        with torch.no_grad():
            vector_bias, self.token_biases = network.condition_biases(context)
            bias = torch.cat([conv.taps.bias for conv in convs])
            constant = bias.expand(rows, -1) if vector_bias is None else bias + vector_bias
        self.constant_bias = constant.contiguous()
        self.bias = self.constant_bias.clone()
        residuals = [_matrix(part) for part in network.residuals]
        output_layers = (network.skips, network.hidden, network.head)
        self.output_layers = [(_matrix(part), part.bias.detach()) for part in output_layers]
        biases, gates = self.bias.chunk(layers, 1), self.gates.chunk(layers, 1)
        unused = self.gates.new_empty(0)  # the last layer has no residual
        self.layers = list(zip(self.convs, biases, gates, [*residuals, unused], strict=True))

    @torch.no_grad()
    def step(self, previous: Int[Tensor, " b"] | None) -> Float[Tensor, "b v"]:
        """Append the previous samples (None: at the first step); returns the logits of the next."""
        t = self.index
        if self.token_biases is not None and t % self.samples_per_token == 0:
            torch.add(self.constant_bias, self.token_biases[:, t // self.samples_per_token], out=self.bias)
        slots = [conv.slots[t % conv.period] for conv in self.convs]
        if previous is not None:
            slots[0].copy_(self.level_embedding[previous])
        targets = [*slots[1:], None]
        for (conv, bias, gates, residual), slot, target in zip(self.layers, slots, targets, strict=True):
            window, matrix = conv.windows[t % conv.period]
            torch.addmm(bias, window, matrix, out=self.features)
            torch.mul(self.a.tanh_(), self.b.sigmoid_(), out=gates)
            if target is not None:
                torch.addmm(slot, gates, residual, out=target)
        (skips, skip_bias), (hidden, hidden_bias), (head, head_bias) = self.output_layers
        skip = torch.addmm(skip_bias, self.gates, skips).relu_()
        features = torch.addmm(hidden_bias, skip, hidden).relu_()
        self.index += 1
        return torch.addmm(head_bias, features, head)


@torch.no_grad()
def _initialize(network: WaveNet) -> None:
    """Variance-preserving initialization (He et al. 2015).

    With torch's default, the condition has almost no effect for hundreds of training steps.
    """
    for part in network.modules():
        if isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, std=part.in_features**-0.5)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    network.skips.weight.mul_(2.8)  # compensates the small gated activations
    network.hidden.weight.mul_(1.4)  # compensates the ReLU
    network.head.weight.mul_(0.5)  # a nearly uniform distribution


def _matrix(part: Any) -> Tensor:
    """The weights of a linear layer, plain or packed, as a contiguous matrix [in, out]."""
    return part.weight.detach().t().contiguous()


def _gate(features: Float[Tensor, "b t d"]) -> Float[Tensor, "b t d//2"]:
    """Gated activation tanh(a) sigmoid(b), (a, b) the two halves of the features."""
    a, b = features.chunk(2, -1)
    return a.tanh() * b.sigmoid()
