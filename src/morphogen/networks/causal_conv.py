r"""Convolutions over time that look back in leaps: two taps, `dilation` positions apart.

    y_t = W_old h_(t-d) + W_new h_t + b,      h_t = 0 for t < 0

Layers of d = 1, 2, 4, ..., 2^(n-1) see 2^n positions at the price of n: the past is a binary tree, each layer halving what is left of it.
Drawing one position needs h_(t-d) of every layer, which was computed d steps ago: `Taps` keeps it, in a ring of d places.

Reference: WaveNet: A generative model for raw audio, van den Oord, Dieleman, Zen, Simonyan, Vinyals, Graves, Kalchbrenner, Senior &
Kavukcuoglu, 2016 (section 2.1, figure 3); the ring is that of Fast WaveNet generation algorithm, Le Paine et al., 2016.
"""

__all__ = ["CausalConv", "Taps", "past"]

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class CausalConv(nn.Module):
    """A dilated convolution of two taps, `[B, T, in] -> [B, T, out]`: y_t depends on h_(t-d) and h_t alone.

    The taps stand side by side as one matrix, so that a layer is one product in training and one at a step of drawing.

    Arguments:
        channels_in, channels_out: features of a position.
        dilation: d, positions between the taps.
    """

    def __init__(self, channels_in: int, channels_out: int, dilation: int):
        super().__init__()
        self.dilation = dilation
        self.taps = nn.Linear(2 * channels_in, channels_out)  # of h_(t-d), then of h_t

    def forward(self, h: Float[Tensor, "b t c"]) -> Float[Tensor, "b t d"]:
        return self.taps(torch.cat([past(h, self.dilation), h], -1))


class Taps:
    """The two taps of one `CausalConv` at each step, without moving anything: d pairs, of which h_t fills a half.

    At step t the pair is t mod d, and h_t goes into its half (t div d) mod 2, over h_(t-2d); the other half is h_(t-d). A pair is
    therefore old and new, or new and old, and the matrix is laid out for both. All of it repeats after 2d steps.

    Arguments:
        conv: whose taps.
        rows: sequences side by side.
    """

    def __init__(self, conv: CausalConv, rows: int):
        weight, d, size = conv.taps.weight.detach(), conv.dilation, conv.taps.in_features // 2
        old, new = weight.t().split(size)
        matrices = torch.cat([new, old]), torch.cat([old, new])
        self.period = 2 * d
        self.pairs = weight.new_zeros(d, rows, 2 * size)
        pairs = self.pairs.unbind(0)
        self.slots = [half for side in (slice(0, size), slice(size, None)) for pair in pairs for half in [pair[:, side]]]
        self.windows = [(pair, matrix) for matrix in matrices for pair in pairs]


def past(h: Float[Tensor, "b t c"], steps: int) -> Float[Tensor, "b t c"]:
    """h as it was so many steps ago; zeros before the beginning."""
    return F.pad(h, (0, 0, steps, 0))[:, : h.shape[1]]
