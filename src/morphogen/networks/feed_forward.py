r"""Position-wise feed-forward networks of a transformer.

FeedForward   W_2 act(W_1 h)                act: ReLU (Vaswani et al. 2017), GELU (Hendrycks & Gimpel 2016)
              quick-GELU: h sigmoid(1.702 h), an approximation of GELU (ibid., section 2)
SwiGLU        W_2 (silu(W_g h) * W_1 h)     Shazeer 2020, "GLU variants improve transformer"
GEGLU         W_2 (gelu(W_g h) * W_1 h)     the same paper
"""

__all__ = ["GEGLU", "FeedForward", "SwiGLU"]

from collections.abc import Callable
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component, ConfigError

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "gelu-tanh": lambda: nn.GELU(approximate="tanh"),
    "quick-gelu": lambda: QuickGELU(),
}


class FeedForward(Component, nn.Module):
    """Two linear layers with an activation in between (Vaswani et al. 2017, section 3.3).

    Arguments:
        width: D of h [..., D].
        hidden: hidden features, 4 D in most papers.
        activation: "relu", "gelu", or one of its approximations: GPT-2's "gelu-tanh", CLIP's "quick-gelu".
        bias: whether the linear layers have a bias.
    """

    def __init__(
        self,
        width: int,
        hidden: int,
        activation: Literal["relu", "gelu", "gelu-tanh", "quick-gelu"] = "gelu-tanh",
        bias: bool = True,
    ):
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ConfigError(f"unknown activation {activation!r}: use {', '.join(ACTIVATIONS)}")
        self.width, self.hidden, self.activation, self.bias = width, hidden, activation, bias
        self.act = ACTIVATIONS[activation]()
        self.inner, self.out = nn.Linear(width, hidden, bias), nn.Linear(hidden, width, bias)

    def forward(self, h: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        return self.out(self.act(self.inner(h)))


class SwiGLU(Component, nn.Module):
    """Gated feed-forward network with a SiLU gate (Shazeer 2020).

    The projections to gates and to features are one matrix, gates first.

    Arguments:
        width: D of h [..., D].
        hidden: gated features; 8/3 D costs as much as a `FeedForward` with 4 D.
        bias: whether the linear layers have a bias.
    """

    def __init__(self, width: int, hidden: int, bias: bool = False):
        super().__init__()
        self.width, self.hidden, self.bias = width, hidden, bias
        self.gates_features, self.out = nn.Linear(width, 2 * hidden, bias), nn.Linear(hidden, width, bias)

    def forward(self, h: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        gates, features = self.gates_features(h).chunk(2, -1)
        return self.out(F.silu(gates) * features)


class GEGLU(Component, nn.Module):
    """Gated feed-forward network with a GELU gate (Shazeer 2020).

    The projections to gates and to features are one matrix, gates first.

    Arguments:
        width: D of h [..., D].
        hidden: gated features.
        bias: whether the linear layers have a bias.
    """

    def __init__(self, width: int, hidden: int, bias: bool = True):
        super().__init__()
        self.width, self.hidden, self.bias = width, hidden, bias
        self.gates_features, self.out = nn.Linear(width, 2 * hidden, bias), nn.Linear(hidden, width, bias)

    def forward(self, h: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        gates, features = self.gates_features(h).chunk(2, -1)
        return self.out(F.gelu(gates) * features)


class QuickGELU(nn.Module):
    """h sigmoid(1.702 h), the approximation of GELU by Hendrycks & Gimpel (2016), which CLIP uses."""

    def forward(self, h: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        return h * (1.702 * h).sigmoid()
