r"""A perceptual and an adversarial term around the reconstruction of an autoencoder.

    autoencoder      l(x) + w D d(x, y) - lambda u mean_patches C(y)      y = the median of p(x | z)
    discriminator    mean_patches (max(0, 1 - C(x)) + max(0, 1 + C(y))) / 2               the hinge loss

l is the loss of any autoencoder, a `VAE` or a `VQVAE`, d a distance of features, D the number of subpixels,
u a weight, and C a discriminator of patches. Independent pixels blur what the latent does not determine: the
adversarial term asks for one sharp image instead. lambda balances the gradients at the decoder's last layer,

    lambda = || grad of l_rec + w D d || / (|| grad of -C(y) || + delta)                    Esser et al., eq. 7

A ratio of norms of a batch would couple its rows, so lambda is the ratio of the last turn of the autoencoder:
gradients are sums over rows, which micro-batches and ranks add up exactly. It is 0 before the first such turn.

References: Taming transformers for high-resolution image synthesis, Esser, Rombach & Ommer, 2021; Autoencoding
beyond pixels using a learned similarity metric, Larsen et al., 2016; Geometric GAN, Lim & Ye, 2017 (hinge).
"""

__all__ = ["AdversarialReconstruction"]

from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Likelihood, Losses, Objective, Sampler, owned
from morphogen.families.vae.feature_distance import FeatureDistance
from morphogen.numerics.randomness import Rng
from morphogen.objective_values import check_result

DELTA, LARGEST = 1e-4, 1e4  # delta, and the bound of lambda, as in the paper's code
GRADIENTS = ("gradient of the reconstruction", "gradient of the adversary")


class AdversarialReconstruction(Objective):
    """An autoencoder trained with a perceptual distance and against a discriminator (Esser et al. 2021).

    It encodes, decodes, samples and has the likelihood of the autoencoder, and is a first stage of `Latent`
    like it. The discriminator is trained from the first step, so that it has features for the distance, and
    its score enters the autoencoder's loss after `start` steps.

    Arguments:
        autoencoder: an objective with continuous or discrete latents of one tensor x, whose decoder
            `network` ends in a layer `head` and whose loss evaluates `likelihood` at one z of each row.
        discriminator: x, context -> scores [B] or [B, h, w]; it must treat rows independently.
        distance: d; `FeatureDistance(discriminator)` needs no other weights.
        perceptual: w, at least 0.
        adversarial: u, at least 0 (0.8 in the paper's experiments, 0.5 for latent diffusion).
        start: number of finished steps, of both players, after which the adversarial term begins.

    Errors: ConfigError for another decoder and for negative numbers.
    """

    turns = ("autoencoder", "discriminator")
    steps: Int[Tensor, ""]  # finished
    balance: Float[Tensor, ""]  # lambda

    def __init__(
        self,
        autoencoder: Objective,
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
                f"AdversarialReconstruction needs a decoder with a last layer `head`, not {kind}"
            )
        self.latent_shape = self.autoencoder.latent_shape
        self.latent_vocabulary = self.autoencoder.latent_vocabulary
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self.register_buffer("balance", torch.zeros(()))

    @property
    def likelihood(self) -> Any:
        """The observation model of the autoencoder."""
        return self.autoencoder.likelihood

    def players(self) -> dict[str, list[nn.Parameter]]:
        return {
            "autoencoder": list(owned(self.autoencoder)),
            "discriminator": list(owned(self.discriminator)),
        }

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        if player == "discriminator":
            return self._discriminate(x, context, rng)
        own, y = self._reconstruct(x, context, rng)
        scores = self._scores(y, context)
        terms = {"perceptual": self.perceptual * x.dims * self.distance(x.x, y), "adversarial": -scores}
        statistics = {"rows": scores.new_tensor(float(len(scores)))}
        # the other terms of the autoencoder do not reach the decoder's last layer
        for name, term in zip(GRADIENTS, (own.total + terms["perceptual"], -scores), strict=True):
            statistics[name] = self._last_gradient(term)
        terms["adversarial"] = self.weight * terms["adversarial"]
        metrics = own.metrics | {"lambda": self.weight.expand(len(scores))}
        return Losses(own.terms | terms, own.weight, metrics, own.statistics | statistics)

    @property
    def weight(self) -> Float[Tensor, ""]:
        """lambda u at the current step, 0 up to `start`."""
        return self.adversarial * torch.where(self.steps >= self.start, self.balance, 0.0)

    @torch.no_grad()
    def update_from_statistics(self, statistics: dict[str, Tensor], step: int) -> None:
        own = dict(statistics)
        rows = own.pop("rows")
        rec, adv = (torch.linalg.vector_norm(own.pop(name) / rows) for name in GRADIENTS)
        self.balance.copy_((rec / (adv + DELTA)).clamp(max=LARGEST))
        self.steps.fill_(step + 1)
        self.autoencoder.update_from_statistics(own, step)

    def prepare(self, x: Encoded, context: Context | None, rng: Rng) -> None:
        self.autoencoder.prepare(x, context, rng)

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        return self.autoencoder.log_prob(x, context, rng)

    def predict(self, z: Shaped[Tensor, "b ..."], context: Context | None) -> Float[Tensor, "b ..."]:
        """Parameters of p(x | z)."""
        return self.autoencoder.predict(z, context)

    def sample_latents(
        self, context: Context | None, rng: Rng, temperature: float
    ) -> Shaped[Tensor, "b ..."]:
        """Draw z from the prior."""
        return self.autoencoder.sample_latents(context, rng, temperature)

    def default_sampler(self) -> Sampler:
        return self.autoencoder.default_sampler()

    def encode(
        self, x: Shaped[Tensor, "b ..."], rng: Rng, context: Context | None = None
    ) -> tuple[Shaped[Tensor, "b ..."], Float[Tensor, " b"]]:
        """Sample z ~ q(z | x); returns z and log q(z | x)."""
        return self.autoencoder.encode(x, rng, context)

    def log_conditional(self, x: Shaped[Tensor, "b ..."], z: Shaped[Tensor, "b ..."]) -> Float[Tensor, " b"]:
        """log p(x | z)."""
        return self.autoencoder.log_conditional(x, z)

    def decode(self, z: Shaped[Tensor, "b ..."], context: Context | None = None) -> Shaped[Tensor, "b ..."]:
        """The median of p(x | z)."""
        return self.autoencoder.decode(z, context)

    def _discriminate(self, x: Encoded, context: Context | None, rng: Rng) -> Losses:
        """The losses of the discriminator."""
        context, rng = self.autoencoder.receive_mask(x.mask, context, rng)
        with torch.no_grad():
            y = self.decode(self.encode(x.x, rng.fork("posterior"), context)[0], context)
        real, fake = self._hinge(x.x, 1, context), self._hinge(y, -1, context)
        return Losses({"real": real / 2, "fake": fake / 2})

    def _hinge(self, x: Tensor, sign: int, context: Context | None) -> Float[Tensor, " b"]:
        """The mean over patches of max(0, 1 - sign C(x))."""
        detached = None if context is None else context.detach()
        return F.relu(1 - sign * self.discriminator(x, detached)).flatten(1).mean(1)

    def _scores(self, y: Tensor, context: Context | None) -> Float[Tensor, " b"]:
        """The mean over patches of C(y)."""
        detached = None if context is None else context.detach()
        return self.discriminator(y, detached).flatten(1).mean(1)

    def _reconstruct(self, x: Encoded, context: Context | None, rng: Rng) -> tuple[Losses, Tensor]:
        """The autoencoder's losses, and the median of the p(x | z) that they evaluate."""
        recorded = _Recorded(self.likelihood)
        twin = object.__new__(type(self.autoencoder))
        twin.__dict__ = self.autoencoder.__dict__ | {"likelihood": recorded}
        losses = twin.losses(x, context, rng, self.autoencoder.turns[0])
        y = self.likelihood.median(recorded.h)
        return losses, check_result("the reconstruction", y, x.x.shape)

    def _last_gradient(self, term: Float[Tensor, " b"]) -> Float[Tensor, "..."]:
        """The gradient of the sum over rows with respect to the weights of the decoder's last layer."""
        weights = self.autoencoder.network.head.weight
        if not term.requires_grad or not weights.requires_grad:  # evaluated outside a training step
            return torch.zeros_like(weights)
        return torch.autograd.grad(term.sum(), weights, retain_graph=True)[0]


class _Recorded:
    """A likelihood that keeps the h of which it last gave the log-probability."""

    def __init__(self, likelihood: Any):
        self.likelihood = likelihood

    def log_prob(self, x: Tensor, h: Tensor) -> Float[Tensor, " b"]:
        self.h = h
        return self.likelihood.log_prob(x, h)
