r"""Generative adversarial networks: draws x = G(z), z ~ N(0, I), made indistinguishable from data to a critic D.

    min_G max_D  E_data D(x) - E_z D(G(z)),   D 1-Lipschitz                              the Wasserstein distance

Two players with opposed losses ("Generative adversarial nets", Goodfellow et al. 2014; "Wasserstein GAN", Arjovsky et al.
2017): the training loop knows nothing of it but `turns`. The law has no density anyone can evaluate, and says so.

The two steps, with G(z) = z, D(x) = 2 x and data at 3: the penalty is (|dD/dx| - 1)^2 = 1 everywhere, and what the critic gains
by a smaller D(G(z)) the generator loses.

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

__all__ = ["Push", "Wasserstein"]

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.contract import Context, Encoded, Losses, Objective, Sampler, owned
from morphogen.families.gan.penalties import Penalty
from morphogen.numerics.randomness import Rng


class Wasserstein(Objective):
    r"""critic: D(G(z)) - D(x) + penalty;  generator: -D(G(z)).

    WGAN-GP (Gulrajani et al. 2017, Algorithm 1). The condition's parameters belong to the generator, the first player; the
    critic sees the context detached, or it would train the embedding it is judged by.

    Arguments:
        network: the generator, z [B, latent], context -> x.
        critic: x, context -> score [B]; its rows must not mix (no batch normalisation).
        latent: numbers in z.
        penalty: what keeps the critic smooth.
        critic_steps: the critic's turns before each of the generator's (5 in the paper): so many more steps are one iteration.
    """

    def __init__(self, network: nn.Module, critic: nn.Module, latent: int, penalty: Penalty, critic_steps: int = 5):
        super().__init__()
        self.network, self.critic, self.latent, self.penalty, self.critic_steps = network, critic, latent, penalty, critic_steps
        self.turns = ("critic",) * critic_steps + ("generator",)

    def players(self) -> dict[str, list[nn.Parameter]]:
        return {"generator": list(owned(self.network)), "critic": list(owned(self.critic))}

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        seen = None if context is None else context.detach()
        if player == "generator":
            return Losses({"adversarial": -self.critic(self.fake(x.x, context, rng), seen)})
        with torch.no_grad():
            fake = self.fake(x.x, seen, rng)
        wasserstein = self.critic(fake, seen) - self.critic(x.x, seen)
        return Losses({"wasserstein": wasserstein, "penalty": self.penalty(self.critic, x.x, fake, seen, rng.fork("penalty"))})

    def fake(self, x: Float[Tensor, "b ..."], context: Context | None, rng: Rng) -> Float[Tensor, "b ..."]:
        """One draw for each row of `rng`, with gradient; x itself is not looked at."""
        return self.network(rng.fork("latent").normal(self.latent), context)

    def sampler(self) -> "Push":
        return Push()


class Push(Sampler):
    """x = G(z), z ~ N(0, temperature^2 I): the normal law pushed through the generator (Goodfellow et al. 2014).

    Arguments:
        temperature: 1 is the law that was trained; below 1, surer and less varied (Brock et al. 2019 truncate instead).
    """

    def __init__(self, temperature: float = 1.0):
        self.temperature = temperature

    def __call__(self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng) -> Float[Tensor, "b ..."]:
        return objective.network(self.temperature * rng.fork("latent").normal(objective.latent), context)
