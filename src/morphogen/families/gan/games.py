r"""Games: the losses of the critic and the generator as functions of the critic's score s = D(x).

                    real             fake             generator        optimal critic
    Minimax         softplus(-s)     softplus(s)      -softplus(s)     log p_data / p_G
    NonSaturating   softplus(-s)     softplus(s)      softplus(-s)     log p_data / p_G
    LeastSquares    (s - 1)^2 / 2    s^2 / 2          (s - 1)^2 / 2    p_data / (p_data + p_G)
    Wasserstein     -s               s                -s               a Kantorovich potential
    Hinge           max(0, 1 - s)    max(0, 1 + s)    -s               sign(p_data - p_G)

With s the logit of the probability P that x is real, softplus(-s) = -log P and softplus(s) = -log(1 - P).
The minimax generator minimizes log(1 - P), whose gradient vanishes where the critic is certain; the
non-saturating one maximizes log P and has the same fixed point.

References: Generative adversarial nets, Goodfellow et al., 2014 (minimax, non-saturating); Least squares
generative adversarial networks, Mao et al., 2017; Wasserstein GAN, Arjovsky, Chintala & Bottou, 2017;
Geometric GAN, Lim & Ye, 2017 (hinge).
"""

__all__ = ["Game", "Hinge", "LeastSquares", "Minimax", "NonSaturating", "Wasserstein"]

from abc import ABC, abstractmethod
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from morphogen.component import Component

Scores = Float[Tensor, "b ..."]


class Game(Component, ABC):
    """The three losses of a two-player game, elementwise in the scores [B, ...].

    Attributes:
        logits: whether the sigmoid of a score is the probability that x is real.
    """

    logits: ClassVar[bool] = False

    @abstractmethod
    def real(self, s: Scores) -> Scores:
        """The critic's loss at data."""

    @abstractmethod
    def fake(self, s: Scores) -> Scores:
        """The critic's loss at generated samples."""

    @abstractmethod
    def generator(self, s: Scores) -> Scores:
        """The generator's loss at its samples."""


class Minimax(Game):
    """The zero-sum game of min_G max_D E log D(x) + E log(1 - D(G(z))) (Goodfellow et al. 2014, eq. 1)."""

    logits = True

    def real(self, s: Scores) -> Scores:
        return F.softplus(-s)

    def fake(self, s: Scores) -> Scores:
        return F.softplus(s)

    def generator(self, s: Scores) -> Scores:
        return -F.softplus(s)


class NonSaturating(Game):
    """The critic of `Minimax`; the generator maximizes log D(G(z)) (Goodfellow et al. 2014, section 3)."""

    logits = True

    def real(self, s: Scores) -> Scores:
        return F.softplus(-s)

    def fake(self, s: Scores) -> Scores:
        return F.softplus(s)

    def generator(self, s: Scores) -> Scores:
        return F.softplus(-s)


class LeastSquares(Game):
    """Regression of the scores to 1 for data and 0 for samples (Mao et al. 2017, eq. 9)."""

    def real(self, s: Scores) -> Scores:
        return 0.5 * (s - 1).square()

    def fake(self, s: Scores) -> Scores:
        return 0.5 * s.square()

    def generator(self, s: Scores) -> Scores:
        return 0.5 * (s - 1).square()


class Wasserstein(Game):
    """The dual form of the Wasserstein-1 distance, for a 1-Lipschitz critic (Arjovsky et al. 2017, eq. 2)."""

    def real(self, s: Scores) -> Scores:
        return -s

    def fake(self, s: Scores) -> Scores:
        return s

    def generator(self, s: Scores) -> Scores:
        return -s


class Hinge(Game):
    """Margins of 1: scores beyond them do not train the critic (Lim & Ye 2017, eq. 7 and 8)."""

    def real(self, s: Scores) -> Scores:
        return F.relu(1 - s)

    def fake(self, s: Scores) -> Scores:
        return F.relu(1 + s)

    def generator(self, s: Scores) -> Scores:
        return -s
