r"""Wasserstein GAN: a generator x = G(z), z ~ N(0, I), trained against a critic D.

    min_G max_D  E_data D(x) - E_z D(G(z)),   D 1-Lipschitz                       the Wasserstein distance

Two players with opposed losses ("Generative adversarial nets", Goodfellow et al. 2014; "Wasserstein GAN",
Arjovsky et al. 2017). The training loop alternates between them by `turns`. The model has no tractable
density, so `log_prob` is unsupported.

Example: with G(z) = z, D(x) = 2 x and data at 3, the penalty is (|dD/dx| - 1)^2 = 1 everywhere, and the term
D(G(z)) enters the two losses with opposite signs.

    >>> class Double(nn.Module):
    ...     def forward(self, x, context): return 2 * x[:, 0]
    >>> class Identity(nn.Module):
    ...     def forward(self, z, context): return z
    >>> from morphogen.families.gan import GradientPenalty
    >>> gan = Wasserstein(Identity(), Double(), latent=1, penalty=GradientPenalty(weight=1.0), critic_steps=2)
    >>> x, rng = Encoded(torch.full((4, 1), 3.0), torch.zeros(4), torch.ones(4)), Rng(seed=0, rows=4)
    >>> critic, generator = gan.losses(x, None, rng, "critic"), gan.losses(x, None, rng, "generator")
    >>> gan.turns, list(critic.terms), list(generator.terms)
    (('critic', 'critic', 'generator'), ['wasserstein', 'penalty'], ['adversarial'])
    >>> torch.allclose(critic.terms["wasserstein"], -6 - generator.total), critic.terms["penalty"].tolist()
    (True, [1.0, 1.0, 1.0, 1.0])
"""

__all__ = ["GANSampler", "Wasserstein"]

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.contract import Context, Encoded, Losses, Objective, Sampler, owned
from morphogen.families.gan.penalties import Penalty
from morphogen.numerics.randomness import Rng
from morphogen.objective_values import check_result


class Wasserstein(Objective):
    r"""Wasserstein GAN losses. Critic: D(G(z)) - D(x) + penalty; generator: -D(G(z)).

    With a gradient penalty this is WGAN-GP (Gulrajani et al. 2017, Algorithm 1). The conditioner's parameters
    belong to the generator, the first player. The critic receives a detached context, so that its loss does
    not train the embedding.

    Arguments:
        network: the generator, z [B, latent], context -> x.
        critic: x, context -> score [B]; it must treat rows independently (no batch normalisation).
        latent: dimension of z.
        penalty: regularisation of the critic.
        critic_steps: critic updates per generator update (5 in the paper); one iteration is critic_steps + 1
            training steps.
    """

    def __init__(
        self, network: nn.Module, critic: nn.Module, latent: int, penalty: Penalty, critic_steps: int = 5
    ):
        super().__init__()
        self.network, self.critic, self.latent = network, critic, latent
        self.penalty, self.critic_steps = penalty, critic_steps
        self.turns = ("critic",) * critic_steps + ("generator",)

    def players(self) -> dict[str, list[nn.Parameter]]:
        return {"generator": list(owned(self.network)), "critic": list(owned(self.critic))}

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        context, rng = self.receive_mask(x.mask, context, rng)
        detached = None if context is None else context.detach()
        if player == "generator":
            return Losses({"adversarial": -self.critic(self.fake(x.x, context, rng), detached)})
        with torch.no_grad():
            fake = self.fake(x.x, detached, rng)
        wasserstein = self.critic(fake, detached) - self.critic(x.x, detached)
        penalty = self.penalty(self.critic, x.x, fake, detached, rng.fork("penalty"))
        return Losses({"wasserstein": wasserstein, "penalty": penalty})

    def fake(self, x: Float[Tensor, "b ..."], context: Context | None, rng: Rng) -> Float[Tensor, "b ..."]:
        """One generated sample per row of `rng`, differentiable, of the shape of x."""
        fake = self.network(rng.fork("latent").normal(self.latent), context)
        return check_result(self.network, fake, (len(rng), *x.shape[1:]))

    def predict(self, z: Float[Tensor, "b z"], context: Context | None) -> Float[Tensor, "b ..."]:
        """x = G(z)."""
        return self.network(z, context)

    def default_sampler(self) -> "GANSampler":
        return GANSampler()


class GANSampler(Sampler):
    """Sample x = G(z), z ~ N(0, temperature^2 I) (Goodfellow et al. 2014).

    Arguments:
        temperature: 1 is the trained distribution; smaller values trade diversity for fidelity (Brock et al.
            2019 truncate z instead).
    """

    requires = "critic"

    def __init__(self, temperature: float = 1.0):
        self.temperature = temperature

    def __call__(
        self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng
    ) -> Float[Tensor, "b ..."]:
        self.check(objective)
        return objective.predict(self.temperature * rng.fork("latent").normal(objective.latent), context)
