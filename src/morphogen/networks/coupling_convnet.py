r"""The networks of Glow, from one half of the channels to parameters of the other (Kingma & Dhariwal 2018).

    of a coupling       theta = conv_3x3(relu(conv_1x1(relu(conv_3x3([y, s])))))        (appendix B)
                        y = a tanh(x / a),   s: a spatial condition, if there is one
    of a split prior    theta = conv_3x3(x)

y is bounded, and x near 0: without it, inputs far from all data have parameters so large that a chain of
couplings cannot be inverted in floating point.
"""

__all__ = ["CouplingConvNet", "ZeroConv"]

from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.contract import Context
from morphogen.networks.concat_condition import with_planes
from morphogen.networks.residual import FiLM
from morphogen.numerics.tensors import expand_like

BOUND = 3.0  # a, in standard deviations of the channels after actnorm


class CouplingConvNet(Component, nn.Module):
    """Three convolutions with ReLUs; the output is zero at initialization.

    Arguments:
        channels_in, channels_out: of x [B, channels_in, H, W] and of the output.
        width: hidden channels (512 in the paper).
        vector: width of `context.vector`, which modulates both hidden layers by FiLM (0: unconditional).
        spatial: channels of `context.spatial`, which is concatenated to y (0: none).
    """

    def __init__(self, channels_in: int, channels_out: int, width: int, vector: int = 0, spatial: int = 0):
        super().__init__()
        self.channels_in, self.channels_out, self.width = channels_in, channels_out, width
        self.vector, self.spatial = vector, spatial
        self.stem = nn.Conv2d(channels_in + spatial, width, 3, padding=1)
        self.hidden = nn.Conv2d(width, width, 1)
        self.head = _zero_conv(width, channels_out)
        self.films = nn.ModuleList(FiLM(vector, width) for _ in range(2)) if vector else None

    def forward(self, x: Float[Tensor, "b c h w"], context: Context | None) -> Float[Tensor, "b e h w"]:
        vector = None if context is None else context.vector
        y = BOUND * (x.to(self.stem.weight.dtype) / BOUND).tanh()
        y = with_planes(y, context, self.spatial) if self.spatial else y
        h = self._modulated(0, self.stem(y), vector).relu_()
        h = self._modulated(1, self.hidden(h), vector).relu_()
        return self.head(h)

    def _modulated(self, layer: int, h: Tensor, vector: Tensor | None) -> Tensor:
        return h if self.films is None or vector is None else self.films[layer](h, vector)


class ZeroConv(Component, nn.Module):
    """One convolution, and a linear map of the context's vector; both are zero at initialization.

    Arguments:
        channels_in, channels_out: of x [B, channels_in, H, W] and of the output.
        vector: width of `context.vector` (0: unconditional).
    """

    def __init__(self, channels_in: int, channels_out: int, vector: int = 0):
        super().__init__()
        self.channels_in, self.channels_out, self.vector = channels_in, channels_out, vector
        self.conv = _zero_conv(channels_in, channels_out)
        self.condition = nn.Linear(vector, channels_out, bias=False) if vector else None
        if self.condition is not None:
            nn.init.zeros_(self.condition.weight)

    def forward(self, x: Float[Tensor, "b c h w"], context: Context | None) -> Float[Tensor, "b e h w"]:
        h, vector = self.conv(x.to(self.conv.weight.dtype)), None if context is None else context.vector
        return h if self.condition is None or vector is None else h + expand_like(self.condition(vector), h)


def _zero_conv(channels_in: int, channels_out: int) -> nn.Conv2d:
    conv = nn.Conv2d(channels_in, channels_out, 3, padding=1)
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv
