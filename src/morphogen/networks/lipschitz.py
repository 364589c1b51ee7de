r"""Critics with a bounded Lipschitz constant: clipped weights and spectral normalization.

    ClippedWeights          w <- min(max(w, -c), c)                  after each update
    SpectrallyNormalized    W / sigma(W) in place of W,   sigma(W) = max over |h| = 1 of |W h|

sigma is estimated by the power iteration v <- W^T u / |W^T u|, u <- W v / |W v|, sigma = u^T W v. It advances
once after each update of the weights, and not in the forward pass: the forward pass remains a function of
weights and input, for any number of micro-batches and evaluations.

References: Wasserstein GAN, Arjovsky, Chintala & Bottou, 2017 (Algorithm 1); Spectral normalization for
generative adversarial networks, Miyato, Kataoka, Koyama & Yoshida, 2018 (Algorithm 1).
"""

__all__ = ["ClippedWeights", "Constrained", "SpectrallyNormalized", "constrain_parts"]

from functools import lru_cache
from typing import Any, Protocol, cast, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.ownership import own_modules, owned

FIRST_ITERATIONS = 15  # of random u and v, before training
LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d)


@runtime_checkable
class Constrained(Protocol):
    """A network that must be projected, or otherwise brought up to date, after each update of its weights."""

    def constrain(self) -> None:
        """Bring it up to date; without gradient, deterministic."""


def constrain_parts(network: nn.Module) -> None:
    """Bring the `Constrained` parts of a network up to date."""
    for part in own_modules(network):
        kind: Any = type(part)
        if _is_constrained(kind):
            cast(Constrained, part).constrain()


class ClippedWeights(Component, nn.Module):
    """A network whose weights are clipped to [-bound, bound] after each update (Arjovsky et al. 2017).

    Arguments:
        network: x, context -> scores.
        bound: c, 0.01 in the paper.

    Errors: ConfigError for a bound that is not positive.
    """

    def __init__(self, network: nn.Module, bound: float = 0.01):
        super().__init__()
        if not bound > 0:
            raise ConfigError(f"ClippedWeights: bound={bound:g}: give a positive number")
        self.network, self.bound = network, bound

    def forward(self, x: Float[Tensor, "b ..."], context: Context | None = None) -> Float[Tensor, "b ..."]:
        return self.network(x, context)

    @torch.no_grad()
    def constrain(self) -> None:
        """Clip the weights."""
        for p in owned(self.network):
            p.clamp_(-self.bound, self.bound)


class SpectrallyNormalized(Component, nn.Module):
    """A network whose linear and convolutional layers have spectral norm 1 (Miyato et al. 2018).

    A convolution is normalized as the matrix [outputs, inputs * kernel] of its weights, as in the paper.

    Arguments:
        network: x, context -> scores; its layers are changed in place.
        iterations: power iterations after each update, 1 in the paper.

    Errors: ConfigError for a network without such layers.
    """

    def __init__(self, network: nn.Module, iterations: int = 1):
        super().__init__()
        self.network, self.iterations = network, iterations
        layers = [part for part in own_modules(network) if isinstance(part, LAYERS)]
        if not layers:
            raise ConfigError(
                f"SpectrallyNormalized: {type(network).__name__} has no linear or convolutional layer"
            )
        for layer in layers:
            outputs = 1 if isinstance(layer, nn.ConvTranspose2d) else 0  # the axis of the output channels
            parametrize.register_parametrization(layer, "weight", _UnitSpectralNorm(layer.weight, outputs))

    def forward(self, x: Float[Tensor, "b ..."], context: Context | None = None) -> Float[Tensor, "b ..."]:
        with parametrize.cached():
            return self.network(x, context)

    @torch.no_grad()
    def constrain(self) -> None:
        """Advance the power iterations."""
        for part in own_modules(self.network):
            if parametrize.is_parametrized(part, "weight"):
                parametrization: Any = part.parametrizations["weight"]  # type: ignore[index]
                parametrization[0].iterate(parametrization.original, self.iterations)


class _UnitSpectralNorm(nn.Module):
    """W / (u^T W v)."""

    u: Float[Tensor, " m"]
    v: Float[Tensor, " n"]

    def __init__(self, weight: Float[Tensor, "..."], outputs: int):
        super().__init__()
        self.outputs = outputs
        rows, columns = self._matrix(weight).shape
        self.register_buffer("u", F.normalize(torch.randn(rows, device=weight.device), dim=0))
        self.register_buffer("v", F.normalize(torch.randn(columns, device=weight.device), dim=0))
        with torch.no_grad():
            self.iterate(weight, FIRST_ITERATIONS)

    def forward(self, weight: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        # a sum of products, which autocast keeps in fp32
        return weight / (self._matrix(weight) * self.u[:, None] * self.v).sum()

    def iterate(self, weight: Float[Tensor, "..."], times: int) -> None:
        """Power iterations of u and v."""
        matrix = self._matrix(weight)
        for _ in range(times):
            self.v.copy_(F.normalize(matrix.T @ self.u, dim=0))
            self.u.copy_(F.normalize(matrix @ self.v, dim=0))

    def _matrix(self, weight: Float[Tensor, "..."]) -> Float[Tensor, "m n"]:
        """The weights as a matrix [outputs, inputs * kernel]."""
        return weight.movedim(self.outputs, 0).flatten(1)


@lru_cache
def _is_constrained(kind: type) -> bool:
    """Whether a class is `Constrained`; remembered, since it is asked of every part in every step."""
    return issubclass(kind, Constrained)
