r"""Generative adversarial networks: a generator x = G(z), z ~ N(0, I), trained against a critic D.

    critic       mean [real(D(x)) + fake(D(G(z)))] + penalty          generator    mean [generator(D(G(z)))]

Two players with opposed losses ("Generative adversarial nets", Goodfellow et al. 2014), which the training
loop alternates by `turns`. The losses are those of a `Game`. The model has no tractable density, so
`log_prob` is unsupported.

Example: with G(z) = z, D(x) = 2 x and data at 3, the penalty is (|dD/dx| - 1)^2 = 1 everywhere, and the term
D(G(z)) enters the two losses with opposite signs.

    >>> class Double(nn.Module):
    ...     def forward(self, x, context): return 2 * x[:, 0]
    >>> class Identity(nn.Module):
    ...     def forward(self, z, context): return z
    >>> from morphogen.families.gan import GradientPenalty, Wasserstein
    >>> penalty = GradientPenalty(weight=1.0)
    >>> gan = Adversarial(Identity(), Double(), 1, Wasserstein(), penalty, critic_steps=2)
    >>> x, rng = Encoded(torch.full((4, 1), 3.0), torch.zeros(4), torch.ones(4)), Rng(seed=0, rows=4)
    >>> critic, generator = gan.losses(x, None, rng, "critic"), gan.losses(x, None, rng, "generator")
    >>> gan.turns, list(critic.terms), list(generator.terms)
    (('critic', 'critic', 'generator'), ['real', 'fake', 'penalty'], ['adversarial'])
    >>> torch.allclose(critic.terms["fake"], -generator.total), critic.terms["penalty"].tolist()
    (True, [1.0, 1.0, 1.0, 1.0])
"""

__all__ = ["Adversarial"]

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Losses
from morphogen.families.gan.augment import DiffAugment
from morphogen.families.gan.games import Game
from morphogen.families.gan.implicit import CRITIC, GENERATOR, TwoPlayers, in_fp32
from morphogen.families.gan.penalties import Penalty
from morphogen.networks.normalization import first_statistics
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import mean_except_batch
from morphogen.objective_values import check_result


class Adversarial(TwoPlayers):
    r"""Losses of a generator and a critic, which play a `Game` (Goodfellow et al. 2014).

    The critic receives a detached context, so that its loss does not train the embedding.

    Arguments:
        network: the generator, z, context -> x.
        critic: x, context -> scores [B], or [B, h, w] of patches, whose losses are averaged.
        latent: dimension of z, or the shapes of its parts by name, which the generator takes as a mapping.
        game: the losses.
        penalty: regularization of the critic; None: none.
        critic_steps: critic updates per generator update (5 in the WGAN paper); one iteration is
            critic_steps + 1 training steps.
        augment: differentiable augmentation of what the critic sees; None: none.
        l1: weight of sum |x - G(z, c)| / dims in the generator's loss, for a condition c that determines much
            of x (100 in pix2pix, Isola et al. 2017); 0: none.

    Errors: ConfigError for numbers out of range, and for a penalty that batch statistics make wrong.
    """

    def __init__(
        self, network: nn.Module, critic: nn.Module, latent: int | Mapping[str, tuple[int, ...]], game: Game,
        penalty: Penalty | None = None, critic_steps: int = 1, augment: DiffAugment | None = None,
        l1: float = 0.0,
    ):  # fmt: skip
        super().__init__()
        if critic_steps < 1 or l1 < 0:
            raise ConfigError(
                f"Adversarial: critic_steps={critic_steps}, l1={l1:g}: give critic_steps >= 1 and l1 >= 0"
            )
        if penalty is not None:
            penalty.check(critic)
        self.network, self.critic, self.latent, self.game = network, critic, latent, game
        self.penalty, self.critic_steps, self.augment, self.l1 = penalty, critic_steps, augment, l1
        self.turns = (CRITIC,) * critic_steps + (GENERATOR,)

    def networks(self) -> dict[str, list[nn.Module]]:
        return {GENERATOR: [self.network], CRITIC: [self.critic]}

    @torch.no_grad()
    def prepare(self, x: Encoded, context: Context | None, rng: Rng) -> None:
        """Start the generator's running batch statistics at those of the first batch."""
        with first_statistics(self.network):
            self.fake(x.x, context, rng)

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        context, rng = self.receive_mask(x.mask, context, rng)
        return (self._generate if player == GENERATOR else self._criticize)(x, context, rng)

    def fake(self, x: Float[Tensor, "b ..."], context: Context | None, rng: Rng) -> Float[Tensor, "b ..."]:
        """One generated sample per row of `rng`, differentiable, of the shape of x."""
        fake = self.network(self.draw_latents(rng.fork("latent")), context)
        return check_result(self.network, fake, (len(rng), *x.shape[1:]))

    def generator_terms(
        self, real: Float[Tensor, "b ..."], fake: Float[Tensor, "b ..."], context: Context | None
    ) -> dict[str, Float[Tensor, " b"]]:
        """Further losses of the generator, by name, beside that of the game."""
        return {"l1": self.l1 * mean_except_batch((real - fake).abs())} if self.l1 else {}

    def _criticize(self, x: Encoded, context: Context | None, rng: Rng) -> Losses:
        """Losses of the critic."""
        context = None if context is None else context.detach()
        with torch.no_grad():
            fake = self.fake(x.x, context, rng)
        real = self._score(x.x, context, rng.fork("augment real"))
        generated = self._score(fake, context, rng.fork("augment fake"))
        terms = {
            "real": mean_except_batch(self.game.real(real)),
            "fake": mean_except_batch(self.game.fake(generated)),
        }
        if self.penalty is not None:
            terms["penalty"] = self.penalty(self.critic, x.x, fake, context, rng.fork("penalty"))
        metrics = {"score of data": mean_except_batch(real), "score of samples": mean_except_batch(generated)}
        return Losses(terms, metrics=metrics, statistics={CRITIC: real.new_tensor(float(len(real)))})

    def _generate(self, x: Encoded, context: Context | None, rng: Rng) -> Losses:
        """Losses of the generator."""
        fake = self.fake(x.x, context, rng)
        score = self._score(fake, None if context is None else context.detach(), rng.fork("augment fake"))
        terms = {
            "adversarial": mean_except_batch(self.game.generator(score)),
            **self.generator_terms(x.x, fake, context),
        }
        return Losses(terms, statistics=self.variation.statistics(x.x, fake))

    def _score(self, x: Float[Tensor, "b ..."], context: Context | None, rng: Rng) -> Float[Tensor, "b ..."]:
        """The critic's scores of augmented rows, in fp32."""
        return in_fp32(self.critic(x if self.augment is None else self.augment(x, rng), context))
