"""A VAE with the true posterior and decoder of a linear-Gaussian world, so that its bound is known."""

__all__ = ["TRUTH", "AffineNetwork", "PlainPoints", "linear"]

import torch
from torch import Tensor, nn

from morphogen.closed_form import LinearGaussian
from morphogen.component import Component
from morphogen.contract import Context, Encoded, Representation
from morphogen.families.vae import VAE, Gaussian
from morphogen.numerics.randomness import Rng

# Orthogonal columns, so that the true posterior is a diagonal Gaussian, like q.
TRUTH = LinearGaussian(
    torch.tensor([[1.0, 0.5], [2.0, -0.25], [-1.0, 0.0]]), torch.tensor([0.3, -1.0, 2.0]), sigma=0.7
)


class AffineNetwork(Component, nn.Module):
    """x -> a x + b, optionally concatenated with constants."""

    def __init__(self, weight: Tensor, bias: Tensor, constants: Tensor | None = None):
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight.float()), bias.float()
        self.constants = constants

    def forward(self, x: Tensor, context: Context | None = None) -> Tensor:
        y = x @ self.weight.T + self.bias
        return y if self.constants is None else torch.cat([y, self.constants.float().expand(len(x), -1)], 1)


class PlainPoints(Representation):
    """The identity representation of points."""

    discrete = medium_discrete = False

    def __init__(self, shape: tuple[int, ...]):
        super().__init__()
        self.shape = shape

    def encode(self, medium: Tensor, rng: Rng, measure: bool = True) -> Encoded:
        return Encoded(medium, torch.zeros(len(medium)), torch.full((len(medium),), float(medium[0].numel())))

    def decode(self, x: Tensor) -> Tensor:
        return x

    def present(self, medium: Tensor) -> list:
        return medium.tolist()


def linear(shift: float = 0.0, log_scale: float = 0.0, samples: int = 1) -> VAE:
    """A VAE with the true decoder and the true posterior, shifted by `shift` and scaled by exp(log_scale)."""
    inverse = torch.linalg.inv(
        TRUTH.weight.T @ TRUTH.weight + TRUTH.sigma**2 * torch.eye(2, dtype=torch.float64)
    )
    gain = inverse @ TRUTH.weight.T
    log_sigma = 0.5 * (TRUTH.sigma**2 * inverse).diagonal().log() + log_scale
    encoder = AffineNetwork(gain, -gain @ TRUTH.mean + shift, log_sigma)
    return VAE(
        encoder, AffineNetwork(TRUTH.weight, TRUTH.mean), Gaussian(TRUTH.sigma), (2,), bound_samples=samples
    )
