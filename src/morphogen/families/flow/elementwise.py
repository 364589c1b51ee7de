r"""Elementwise maps: z_i = f(x_i; theta_i), invertible in x_i; a network says what theta_i is.

    Additive       z = x + t                                        (Dinh, Krueger & Bengio 2015)
    Affine         z = x exp(s) + t,   s = scale tanh(s')           (Dinh, Sohl-Dickstein & Bengio 2017)
    SigmoidAffine  z = (x + t) s,   s = sigmoid(s' + 2)             (Kingma & Dhariwal 2018)

The Jacobian is diagonal, so its log-determinant is a sum over the entries. A coupling applies such a map to
one half of x with parameters computed from the other half; a masked autoregressive flow to every entry, with
parameters computed from the earlier ones.
"""

__all__ = ["Additive", "Affine", "Elementwise", "SigmoidAffine"]

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component, ConfigError


class Elementwise(Component, nn.Module, ABC):
    """An invertible map of each entry of x [B, C, ...] with its own parameters theta [B, outputs C, ...].

    Attributes:
        outputs: parameters of an entry; theta holds the first ones of all channels, then the second ones, ...
    """

    outputs: int

    @abstractmethod
    def forward(
        self, x: Float[Tensor, " b *x"], theta: Float[Tensor, " b *p"]
    ) -> tuple[Float[Tensor, " b *x"], Float[Tensor, " b *x"]]:
        """Return z and log|dz_i/dx_i| of each entry."""

    @abstractmethod
    def inverse(self, z: Float[Tensor, " b *x"], theta: Float[Tensor, " b *p"]) -> Float[Tensor, " b *x"]:
        """The inverse of `forward`."""

    def seen(self, x: Float[Tensor, " b *x"]) -> Float[Tensor, " b *x"]:
        """x as the network that computes theta of other entries receives it; unchanged by default."""
        return x


class Affine(Elementwise):
    """z = x exp(s) + t; the tanh with a learned scale bounds exp(s) (Dinh et al. 2017, section 4.1)."""

    outputs = 2

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(
        self, x: Float[Tensor, " b *x"], theta: Float[Tensor, " b *p"]
    ) -> tuple[Float[Tensor, " b *x"], Float[Tensor, " b *x"]]:
        s, t = self._scale_and_shift(theta)
        return torch.addcmul(t, x, s.exp()), s

    def inverse(self, z: Float[Tensor, " b *x"], theta: Float[Tensor, " b *p"]) -> Float[Tensor, " b *x"]:
        s, t = self._scale_and_shift(theta)
        return (z - t) / s.exp()

    def _scale_and_shift(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        raw, t = theta.chunk(2, 1)
        return self.scale * raw.tanh(), t


class Additive(Elementwise):
    """z = x + t, which preserves volume (NICE, Dinh, Krueger & Bengio 2015, section 3.2)."""

    outputs = 1

    def forward(
        self, x: Float[Tensor, " b *x"], theta: Float[Tensor, " b *p"]
    ) -> tuple[Float[Tensor, " b *x"], Float[Tensor, " b *x"]]:
        return x + theta, torch.zeros_like(x)

    def inverse(self, z: Float[Tensor, " b *x"], theta: Float[Tensor, " b *p"]) -> Float[Tensor, " b *x"]:
        return z - theta


class SigmoidAffine(Elementwise):
    """z = (x + t) s with s = least + (1 - least) sigmoid(s' + 2), the affine map of Glow if least = 0.

    Since s < 1, z does not explode. A lower bound does the same for the inverse, which floating point errors
    would otherwise destroy (Behrmann, Vicol, Wang, Grosse & Jacobsen 2021, "Understanding and mitigating
    exploding inverses in invertible neural networks"); actnorm makes up for the scale.

    Arguments:
        least: lower bound of s, in (0, 1); 0.5 as in Behrmann et al.

    Raises:
        ConfigError: for a bound outside (0, 1).
    """

    outputs = 2

    def __init__(self, least: float = 0.5):
        super().__init__()
        if not 0 < least < 1:
            raise ConfigError(f"SigmoidAffine: least={least:g} is not in (0, 1), so that it has no inverse")
        self.least = least

    def forward(
        self, x: Float[Tensor, " b *x"], theta: Float[Tensor, " b *p"]
    ) -> tuple[Float[Tensor, " b *x"], Float[Tensor, " b *x"]]:
        s, t = self._scale_and_shift(theta)
        return (x + t) * s, s.log()

    def inverse(self, z: Float[Tensor, " b *x"], theta: Float[Tensor, " b *p"]) -> Float[Tensor, " b *x"]:
        s, t = self._scale_and_shift(theta)
        return z / s - t

    def _scale_and_shift(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        raw, t = theta.chunk(2, 1)
        return self.least + (1 - self.least) * (raw + 2).sigmoid(), t
