r"""CycleGAN: translation between two kinds of pictures without pairs, by generators that invert each other.

    G: y -> x,  F: x -> y,     critics D_X of x and D_Y of y,     data x ~ p_X and y ~ p_Y, unrelated

    generator    game(D_X(G(y))) + game(D_Y(F(x)))                        what is generated looks like data
               + lambda |F(G(y)) - y| + lambda |G(F(x)) - x|              and can be translated back
               + lambda iota |G(x) - x| + lambda iota |F(y) - y|          what is of the kind already is kept
    critic       real(D_X(x)) + fake(D_X(G(y))) + real(D_Y(y)) + fake(D_Y(F(x)))

x is the picture that the model generates, and y the picture that is its condition. Each term is a function of
x or of y alone: which y is in the row of an x has no effect on the sum over a batch. The norms are means over
subpixels. Critics are trained on the current samples; the paper adds up to 50 earlier ones.

Reference: Unpaired image-to-image translation using cycle-consistent adversarial networks, Zhu, Park, Isola &
Efros, 2017 (equations 1 to 3; section 5.2 for iota).
"""

__all__ = ["CycleGAN"]

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Losses
from morphogen.families.gan.games import Game, LeastSquares
from morphogen.families.gan.implicit import CRITIC, GENERATOR, TwoPlayers, in_fp32
from morphogen.networks.concat_condition import required_planes
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import mean_except_batch
from morphogen.objective_values import check_result


class CycleGAN(TwoPlayers):
    """Losses of two generators and two critics of unpaired pictures (Zhu et al. 2017).

    `context.spatial` is y. The samples of the model are G(y); `to_source` has the other direction.

    Arguments:
        network: G, y [B, C', H, W] -> x [B, C, H, W].
        inverse: F, x -> y.
        critic: D_X, x -> scores [B], or [B, h, w] of patches.
        inverse_critic: D_Y, y -> scores.
        game: the adversarial losses; None: `LeastSquares`, as in the paper.
        cycle: lambda, weight of the cycle losses. The paper's 10 is relative to (D - 1)^2, of which
            `LeastSquares` is the half, as 5 is here.
        identity: iota, weight of the identity losses relative to lambda, 0.5 in the paper for paintings and
            photographs; x and y must have the same shape; 0: none.

    Errors: ConfigError for a negative weight; in the losses, for a condition that is no picture.
    """

    latent = 0

    def __init__(
        self, network: nn.Module, inverse: nn.Module, critic: nn.Module, inverse_critic: nn.Module,
        game: Game | None = None, cycle: float = 5.0, identity: float = 0.0,
    ):  # fmt: skip
        super().__init__()
        if cycle < 0 or identity < 0:
            raise ConfigError(f"CycleGAN: cycle={cycle:g}, identity={identity:g}: give weights of at least 0")
        self.network, self.inverse, self.critic, self.inverse_critic = (
            network,
            inverse,
            critic,
            inverse_critic,
        )
        self.game = LeastSquares() if game is None else game
        self.cycle, self.identity = cycle, identity
        self.turns = CRITIC, GENERATOR

    def networks(self) -> dict[str, list[nn.Module]]:
        return {
            GENERATOR: [self.network, self.inverse],
            CRITIC: [self.critic, self.inverse_critic],
        }

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        context, rng = self.receive_mask(x.mask, context, rng)
        y = required_planes(self, context)
        if len(y) != len(x.x):
            raise ConfigError(f"CycleGAN: {len(y)} source pictures for {len(x.x)} rows: give one for each")
        return self._generate(x.x, y) if player == GENERATOR else self._criticize(x.x, y)

    def predict(self, z: Float[Tensor, "b 0"], context: Context | None) -> Float[Tensor, "b ..."]:
        """x = G(y)."""
        return self.network(required_planes(self, context))

    @torch.no_grad()
    def to_source(self, x: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        """y = F(x), pictures of the other kind, both in [-1, 1]."""
        return self.inverse(x)

    def _generate(self, x: Float[Tensor, "b ..."], y: Float[Tensor, "b ..."]) -> Losses:
        """Losses of both generators."""
        fake_x = check_result(self.network, self.network(y), x.shape)
        fake_y = check_result(self.inverse, self.inverse(x), y.shape)
        terms = {
            "adversarial": self._adversarial(self.critic, fake_x),
            "adversarial, inverse": self._adversarial(self.inverse_critic, fake_y),
            "cycle": self.cycle * _distance(self.inverse(fake_x), y),
            "cycle, inverse": self.cycle * _distance(self.network(fake_y), x),
        }
        if self.identity:
            weight = self.cycle * self.identity
            terms["identity"] = weight * _distance(self.network(x), x)
            terms["identity, inverse"] = weight * _distance(self.inverse(y), y)
        return Losses(terms, statistics=self.variation.statistics(x, fake_x))

    def _criticize(self, x: Float[Tensor, "b ..."], y: Float[Tensor, "b ..."]) -> Losses:
        """Losses of both critics."""
        with torch.no_grad():
            fake_x, fake_y = self.network(y), self.inverse(x)
        terms = {
            "real": mean_except_batch(self.game.real(in_fp32(self.critic(x)))),
            "fake": mean_except_batch(self.game.fake(in_fp32(self.critic(fake_x)))),
            "real, inverse": mean_except_batch(self.game.real(in_fp32(self.inverse_critic(y)))),
            "fake, inverse": mean_except_batch(self.game.fake(in_fp32(self.inverse_critic(fake_y)))),
        }
        return Losses(terms, statistics={CRITIC: x.new_tensor(float(len(x)))})

    def _adversarial(self, critic: nn.Module, fake: Float[Tensor, "b ..."]) -> Float[Tensor, " b"]:
        return mean_except_batch(self.game.generator(in_fp32(critic(fake))))


def _distance(a: Float[Tensor, "b ..."], b: Float[Tensor, "b ..."]) -> Float[Tensor, " b"]:
    """The mean absolute difference."""
    return mean_except_batch((a - b).abs())
