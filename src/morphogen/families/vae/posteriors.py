r"""Posteriors q(z | x): an encoder's output and standard normal noise, mapped to z and its log-density.

    DiagonalGaussian()                  z = mu + sigma eps
    InverseAutoregressive(networks)     the same, then steps  z <- g_t z + (1 - g_t) m_t,  g_t and m_t of z, h

The map is differentiable in the encoder's output (the reparameterization trick of Kingma & Welling 2013), so
dz/dmu = 1 and dz/dlog sigma = sigma eps = z - mu:

    >>> import torch
    >>> parameters = torch.tensor([[0.5, -1.0]], requires_grad=True)    # mu, log sigma
    >>> draw = DiagonalGaussian().draw(parameters, torch.tensor([[0.7]]))
    >>> gradient = torch.autograd.grad(draw.z.sum(), parameters)[0]
    >>> gradient[0, 0].item(), torch.equal(gradient[0, 1], draw.z[0, 0] - 0.5)
    (1.0, True)
"""

__all__ = ["DiagonalGaussian", "InverseAutoregressive", "Posterior", "PosteriorDraw"]

from abc import ABC, abstractmethod
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component, ConfigError
from morphogen.contract import Context, Unsupported
from morphogen.numerics.distributions import gaussian_log_prob
from morphogen.numerics.tensors import sum_except_batch
from morphogen.numerics.trees import Tree
from morphogen.objective_values import check_result


@dataclass(frozen=True)
class PosteriorDraw:
    """One z ~ q(z | x) of each row."""

    z: Tree
    log_q: Float[Tensor, " b"]
    # mu and log sigma, if q is a diagonal Gaussian, whose divergences have closed forms
    gaussian: tuple[Float[Tensor, "b ..."], Float[Tensor, "b ..."]] | None = None


class Posterior(Component, nn.Module, ABC):
    """A reparameterised distribution of z given the encoder's output."""

    @abstractmethod
    def outputs(self, channels: int) -> int:
        """Number of channels of the encoder's output for z with `channels` channels."""

    @abstractmethod
    def draw(self, parameters: Float[Tensor, "b ..."], eps: Float[Tensor, "b ..."]) -> PosteriorDraw:
        """z as a function of the encoder's output [B, outputs(D), ...] and of eps ~ N(0, I), [B, D, ...]."""

    def log_prob(self, parameters: Float[Tensor, "b ..."], z: Float[Tensor, "b ..."]) -> Float[Tensor, " b"]:
        """log q(z | x) of any z. Errors: Unsupported for a posterior that only has that of its own draws."""
        raise Unsupported(f"{type(self).__name__} has the density of its own draws only")


class DiagonalGaussian(Posterior):
    """q(z | x) = N(mu(x), diag sigma(x)^2); the encoder returns mu and log sigma (Kingma & Welling 2013)."""

    def outputs(self, channels: int) -> int:
        return 2 * channels

    def draw(self, parameters: Float[Tensor, "b ..."], eps: Float[Tensor, "b ..."]) -> PosteriorDraw:
        mean, log_sigma = parameters.chunk(2, 1)
        z = mean + log_sigma.exp() * eps
        return PosteriorDraw(z, self.log_prob(parameters, z), (mean, log_sigma))

    def log_prob(self, parameters: Float[Tensor, "b ..."], z: Float[Tensor, "b ..."]) -> Float[Tensor, " b"]:
        return sum_except_batch(gaussian_log_prob(z, *parameters.chunk(2, 1)))


class InverseAutoregressive(Posterior):
    r"""Inverse autoregressive flow (Kingma, Salimans, Jozefowicz, Chen et al. 2016, eqs. 13, 14).

        z_0 = mu + sigma eps,   s_t, m_t = network_t(z_(t-1), h),   z_t = g_t z_(t-1) + (1 - g_t) m_t,
        log q(z_T | x) = log N(z_0; mu, sigma^2) - sum_t sum_i log g_ti,    g_t = sigmoid(s_t + 2)

    h, a third output of the encoder, conditions every step. The Jacobian of a step is triangular, since m and
    s of an entry depend on the earlier entries only; the order of the entries is reversed between steps. The
    shift of s starts the gates near 1 ("a forget gate bias of +1 or +2", section 4).

    Arguments:
        networks: `step_1=network, ...`: z [B, D], context with h as its vector -> s and m concatenated on
            axis 1, [B, 2 D], autoregressive in the entries of z, such as `MADE(D, 2, 64, 1, vector=D)`.

    Errors: ConfigError for a feature map as latent, whose entries have no order.
    """

    def __init__(self, **networks: nn.Module):
        super().__init__()
        self.networks = nn.ModuleDict(networks)

    def outputs(self, channels: int) -> int:
        return 3 * channels

    def draw(self, parameters: Float[Tensor, "b ..."], eps: Float[Tensor, "b ..."]) -> PosteriorDraw:
        if eps.ndim != 2:
            shape = tuple(eps.shape[1:])
            raise ConfigError(f"InverseAutoregressive orders the entries of a vector: give (D,), not {shape}")
        mean, log_sigma, h = parameters.chunk(3, 1)
        z, context = mean + log_sigma.exp() * eps, Context(vector=h)
        log_q = sum_except_batch(gaussian_log_prob(z, mean, log_sigma))
        for i, network in enumerate(self.networks.values()):
            z = z.flip(1) if i else z
            s, m = check_result(network, network(z, context), (len(z), 2 * z.shape[1])).chunk(2, 1)
            log_gate = F.logsigmoid(s + 2)
            z = m + log_gate.exp() * (z - m)
            log_q = log_q - log_gate.sum(1)
        return PosteriorDraw(z, log_q)
