r"""Dilated causal convolutions with two taps, and their cache for step-by-step evaluation.

    y_t = W_old h_(t-d) + W_new h_t + b,      h_t = 0 for t < 0

A stack with dilations d = 1, 2, 4, ..., 2^(n-1) has a receptive field of 2^n positions with n layers.
Evaluating one position requires h_(t-d) of every layer, which was computed d steps before: `CausalConvCache`
keeps it in a ring buffer of length d.

References: WaveNet: A generative model for raw audio, van den Oord, Dieleman, Zen, Simonyan, Vinyals, Graves,
Kalchbrenner, Senior & Kavukcuoglu, 2016 (section 2.1, figure 3); Fast WaveNet generation algorithm, Le Paine
et al., 2016 (the ring buffer).
"""

__all__ = ["CausalConv", "CausalConvCache", "delay"]

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class CausalConv(nn.Module):
    """Dilated causal convolution, `[B, T, in] -> [B, T, out]`: y_t depends on h_(t-d) and h_t only.

    Both taps are stored as one matrix, so a layer is one matrix product, in training and in cached decoding.

    Arguments:
        channels_in, channels_out: number of input and output features.
        dilation: d, the distance between the taps in positions.
    """

    def __init__(self, channels_in: int, channels_out: int, dilation: int):
        super().__init__()
        self.dilation = dilation
        self.taps = nn.Linear(2 * channels_in, channels_out)  # inputs: h_(t-d), then h_t

    def forward(self, h: Float[Tensor, "b t c"]) -> Float[Tensor, "b t d"]:
        return self.taps(torch.cat([delay(h, self.dilation), h], -1))


class CausalConvCache:
    """Ring buffer of the inputs of one `CausalConv`, with both taps of a step in one contiguous window.

    The buffer has d windows [h_a, h_b]. At step t, h_t is written to half (t // d) % 2 of window t % d, over
    h_(t-2d); the other half holds h_(t-d). A window is therefore ordered (old, new) or (new, old), and the
    weight matrix is kept in both orders. The pattern has period 2 d. Nothing is copied except h_t.

    Arguments:
        conv: the layer.
        rows: number of sequences in the batch.
    """

    def __init__(self, conv: CausalConv, rows: int):
        weight, d, size = conv.taps.weight.detach(), conv.dilation, conv.taps.in_features // 2
        old, new = weight.t().split(size)
        matrices = torch.cat([new, old]), torch.cat([old, new])
        self.period = 2 * d
        self.buffer = weight.new_zeros(d, rows, 2 * size)
        windows, halves = self.buffer.unbind(0), (slice(0, size), slice(size, None))
        self.slots = [window[:, half] for half in halves for window in windows]
        self.windows = [(window, matrix) for matrix in matrices for window in windows]


def delay(h: Float[Tensor, "b t c"], steps: int) -> Float[Tensor, "b t c"]:
    """Delay a sequence by `steps` positions; the first `steps` positions are zero."""
    return F.pad(h, (0, 0, steps, 0))[:, : h.shape[1]]
