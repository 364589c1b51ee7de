r"""A perceptual and an adversarial term around the reconstruction of an autoencoder.

    autoencoder      l(x) + w D d(x, y) - lambda u mean_patches C(y)      y = the median of p(x | z)
    discriminator    mean_patches (max(0, 1 - C(x)) + max(0, 1 + C(y))) / 2               the hinge loss

l is the loss of any autoencoder, such as a `VAE` or a `VQVAE`, d a distance of features, D the number of
subpixels, u a weight, and C a discriminator of patches. Independent pixels blur what the latent does not
determine: the adversarial term asks for one sharp image instead. lambda balances the gradients of the
decoder's last layer,

    lambda = || grad (l + w D d) || / (|| grad mean_patches C(y) || + delta)         Esser et al. 2021, eq. 7

A ratio of norms of a batch would couple its rows, so lambda is the ratio of the autoencoder's previous turn:
gradients are sums over rows, which micro-batches and ranks add up exactly. It is 0 in the first turn.

References: Taming transformers for high-resolution image synthesis, Esser, Rombach & Ommer, 2021;
Autoencoding beyond pixels using a learned similarity metric, Larsen et al., 2016; Geometric GAN, Lim & Ye,
2017 (the hinge loss).
"""

__all__ = ["AdversarialReconstruction"]

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Likelihood, Losses, Objective, Sampler, owned
from morphogen.families.vae.annealing import Annealing
from morphogen.families.vae.feature_distance import FeatureDistance
from morphogen.families.vae.latent_variable_model import LatentVariableModel
from morphogen.families.vae.likelihoods import ObservationModel
from morphogen.numerics.randomness import Rng
from morphogen.numerics.trees import Tree
from morphogen.objective_values import check_result

DELTA, LARGEST = 1e-4, 1e4  # delta, and the bound of lambda, as in the authors' code
RECONSTRUCTION, SCORE = "gradient of the reconstruction", "gradient of the score"


class AdversarialReconstruction(Objective):
    """An autoencoder trained with a perceptual distance and against a discriminator (Esser et al. 2021).

    It encodes, decodes and samples as the autoencoder does, has its likelihood, and is a first stage of
    `Latent` like it. The discriminator is trained from the first step on, so that it has features for the
    distance; its score enters the autoencoder's loss after `start` steps.

    Arguments:
        autoencoder: its decoder `network` ends in a layer `head`, and its loss evaluates one z of each row.
        discriminator: x, context -> scores [B] or [B, h, w]; it must treat rows independently.
        distance: d; `FeatureDistance(discriminator)` needs no other weights.
        perceptual: w, at least 0.
        adversarial: u, at least 0 (0.8 for VQGAN, 0.5 for latent diffusion).
        start: number of finished steps, of both players, before the adversarial term.

    Errors: ConfigError for another decoder and for negative numbers.
    """

    turns = ("autoencoder", "discriminator")
    balance: Float[Tensor, ""]  # lambda

    def __init__(
        self,
        autoencoder: LatentVariableModel,
        discriminator: nn.Module,
        distance: FeatureDistance,
        perceptual: float = 1.0,
        adversarial: float = 0.5,
        start: int = 0,
    ):
        super().__init__()
        if min(perceptual, adversarial, start) < 0:
            values = f"perceptual={perceptual:g}, adversarial={adversarial:g}, start={start}"
            raise ConfigError(f"AdversarialReconstruction: {values}: give values of at least 0")
        self.autoencoder: Any = autoencoder
        self.discriminator, self.distance = discriminator, distance
        self.perceptual, self.adversarial, self.start = perceptual, adversarial, start
        if not hasattr(self.autoencoder.network, "head"):
            kind = type(self.autoencoder.network).__name__
            raise ConfigError(
                f"AdversarialReconstruction needs a decoder with `head`, its last layer, not {kind}"
            )
        self.latent_shape = self.autoencoder.latent_shape
        self.latent_vocabulary = self.autoencoder.latent_vocabulary
        self.before = Annealing(start)
        self.register_buffer("balance", torch.zeros(()))

    @property
    def likelihood(self) -> ObservationModel:
        """The observation model of the autoencoder."""
        return self.autoencoder.likelihood

    @property
    def weight(self) -> Float[Tensor, ""]:
        """lambda u at the current step, 0 until `start`."""
        return self.adversarial * self.balance * (self.before.fraction >= 1)

    def players(self) -> dict[str, list[nn.Parameter]]:
        parts = {"autoencoder": self.autoencoder, "discriminator": self.discriminator}
        return {name: list(owned(part)) for name, part in parts.items()}

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        if player == "discriminator":
            return self._discriminate(x, context, rng)
        own, h = self.autoencoder.reconstruct(x, context, rng)
        if h is None:
            kind = type(self.autoencoder.bound).__name__
            raise ConfigError(f"AdversarialReconstruction needs one z of each row, not {kind}: give ELBO()")
        y = check_result("the median of p(x | z)", self.likelihood.median(h), x.x.shape)
        score, perceptual = self._mean(y, context), self.perceptual * x.dims * self.distance(x.x, y)
        statistics = {
            "rows": score.new_tensor(float(len(score))),
            RECONSTRUCTION: self._last_gradient(own.total + perceptual),
            SCORE: self._last_gradient(score),
        }
        terms = {"perceptual": perceptual, "adversarial": -self.weight * score}
        metrics = own.metrics | {"lambda": self.balance.expand(len(score))}
        return Losses(own.terms | terms, own.weight, metrics, own.statistics | statistics)

    @torch.no_grad()
    def update_from_statistics(self, statistics: dict[str, Tensor], step: int) -> None:
        own = dict(statistics)
        rows = own.pop("rows")
        reconstruction, score = (
            torch.linalg.vector_norm(own.pop(name) / rows) for name in (RECONSTRUCTION, SCORE)
        )
        self.balance.copy_((reconstruction / (score + DELTA)).clamp(max=LARGEST))
        self.before.finish(step)
        self.autoencoder.update_from_statistics(own, step)

    def prepare(self, x: Encoded, context: Context | None, rng: Rng) -> None:
        self.autoencoder.prepare(x, context, rng)

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        return self.autoencoder.log_prob(x, context, rng)

    def predict(self, z: Tree, context: Context | None) -> Tree:
        """Parameters of p(x | z)."""
        return self.autoencoder.predict(z, context)

    def sample_latents(self, context: Context | None, rng: Rng, temperature: float) -> Tree:
        """Draw z from the prior."""
        return self.autoencoder.sample_latents(context, rng, temperature)

    def default_sampler(self) -> Sampler:
        return self.autoencoder.default_sampler()

    def encode(self, x: Tree, rng: Rng, context: Context | None = None) -> tuple[Tree, Float[Tensor, " b"]]:
        """Sample z ~ q(z | x); returns z and log q(z | x)."""
        return self.autoencoder.encode(x, rng, context)

    def log_conditional(self, x: Tree, z: Tree, context: Context | None = None) -> Float[Tensor, " b"]:
        """log p(x | z)."""
        return self.autoencoder.log_conditional(x, z, context)

    def decode(self, z: Tree, context: Context | None = None) -> Tree:
        """The median of p(x | z)."""
        return self.autoencoder.decode(z, context)

    def _discriminate(self, x: Encoded, context: Context | None, rng: Rng) -> Losses:
        """The losses of the discriminator."""
        context, rng = self.autoencoder.receive_mask(x.mask, context, rng)
        with torch.no_grad():
            y = self.decode(self.encode(x.x, rng.fork("posterior"), context)[0], context)
        real, fake = self._mean(x.x, context, margin=1), self._mean(y, context, margin=-1)
        return Losses({"real": real / 2, "fake": fake / 2})

    def _mean(self, x: Tree, context: Context | None, margin: int = 0) -> Float[Tensor, " b"]:
        """The mean over patches of C(x), or of max(0, 1 - C(x)) and max(0, 1 + C(x)) for margins 1 and -1."""
        scores = self.discriminator(x, None if context is None else context.detach())
        return (F.relu(1 - margin * scores) if margin else scores).flatten(1).mean(1)

    def _last_gradient(self, term: Float[Tensor, " b"]) -> Float[Tensor, "..."]:
        """The gradient of the sum over rows with respect to the weights of the decoder's last layer."""
        weights = self.autoencoder.network.head.weight
        if not (term.requires_grad and weights.requires_grad):  # evaluated without training
            return torch.zeros_like(weights)
        return torch.autograd.grad(term.sum(), weights, retain_graph=True)[0]
