r"""Discrete VAE: a categorical posterior at each place, relaxed so that its samples have a derivative.

    y = softmax((log q(. | x) + g) / tau),   g = -log(-log u),   u ~ U(0, 1)        Gumbel-softmax
    loss = -log p(x | y) + beta sum_i KL(q_i(. | x) || 1/K)

argmax(log q + g) is a sample of q, and y tends to it as tau tends to 0, while the variance of its gradient
grows; so tau decreases from 1 in training. The relaxed loss is not a bound; `log_prob` draws ids.

References: Categorical reparameterization with Gumbel-softmax, Jang, Gu & Poole, 2017; The concrete
distribution, Maddison, Mnih & Teh, 2017; Zero-shot text-to-image generation (DALL-E), Ramesh et al., 2021.
"""

__all__ = ["DiscreteVAE", "gumbel_softmax"]

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Losses
from morphogen.families.vae.annealing import Annealing
from morphogen.families.vae.code_autoencoder import CodeAutoencoder
from morphogen.families.vae.latent_variable_model import Reconstruction
from morphogen.families.vae.likelihoods import ObservationModel
from morphogen.families.vae.posteriors import PosteriorDraw
from morphogen.numerics.randomness import Rng, invert_cdf
from morphogen.numerics.tensors import sum_except_batch
from morphogen.numerics.trees import Tree
from morphogen.objective_values import check_result

DECAY = 0.99  # of the average of q, for the logged perplexity


class DiscreteVAE(CodeAutoencoder):
    r"""The dVAE of DALL-E (Ramesh et al. 2021): ids ~ Categorical(softmax(encoder(x))) at each place.

    Arguments:
        encoder: x, context -> logits [B, K, *sides].
        network: the decoder, one-hot or relaxed y [B, K, *sides], context -> h; its first layer embeds the
            codes.
        likelihood: the observation model p(x | h).
        codes: K, at least 2.
        sides: of the grid of codes, (h, w) for pictures.
        beta: weight of the KL term, at least 0 (6.6 for DALL-E).
        temperature: last tau, in (0, 1] (1/16 for DALL-E); the first is 1.
        annealing: number of steps until the last tau, geometrically; at least 1.
    """

    def __init__(
        self,
        encoder: nn.Module,
        network: nn.Module,
        likelihood: ObservationModel,
        codes: int,
        sides: tuple[int, ...],
        beta: float = 1.0,
        temperature: float = 0.0625,
        annealing: int = 1000,
    ):
        super().__init__(encoder, network, likelihood, codes, tuple(sides))
        if codes < 2 or beta < 0 or not 0 < temperature <= 1 or annealing < 1:
            raise ConfigError(
                "DiscreteVAE needs codes >= 2, beta >= 0, 0 < temperature <= 1, annealing >= 1; got "
                f"codes={codes}, beta={beta:g}, temperature={temperature:g}, annealing={annealing}"
            )
        self.codes, self.sides, self.beta = codes, tuple(sides), beta
        self.temperature, self.annealing, self.cooling = temperature, annealing, Annealing(annealing)
        self.register_buffer("mean_q", torch.full((codes,), 1 / codes))

    mean_q: Float[Tensor, " k"]  # over rows and places, averaged over the last steps

    @property
    def tau(self) -> Float[Tensor, ""]:
        """The temperature at the current step."""
        return self.temperature**self.cooling.fraction

    def reconstruct(self, x: Encoded, context: Context | None, rng: Rng) -> Reconstruction:
        context, rng = self.receive_mask(x.mask, context, rng)
        log_q = self.infer(x.x, context)
        y = gumbel_softmax(log_q, self.tau, rng.fork("gumbel").uniform(self.codes, *self.sides))
        h, q = self.network(y, context), log_q.exp()
        terms = {
            "reconstruction": -self.likelihood.log_prob(x.x, h),
            "kl": self.beta * sum_except_batch(q * (log_q + math.log(self.codes))),
        }
        figures = {"perplexity": torch.special.entr(self.mean_q).sum().exp(), "tau": self.tau}
        metrics = {name: value.expand(len(q)) for name, value in figures.items()}
        statistics = {"usage": q.detach().transpose(0, 1).flatten(1).sum(1)}
        return Reconstruction(Losses(terms, metrics=metrics, statistics=statistics), h)

    def update_from_statistics(self, statistics: dict[str, Tensor], step: int) -> None:
        usage = statistics["usage"]
        self.mean_q.lerp_(usage / usage.sum(), 1 - DECAY)
        self.cooling.finish(step)

    def noise(self, rng: Rng, *sizes: int) -> Float[Tensor, "b ..."]:
        """u ~ U(0, 1), one for each id."""
        return rng.uniform(*sizes, *self.sides)

    def infer(self, x: Tree, context: Context | None) -> Float[Tensor, "b k ..."]:
        """log q of every code at each place, in the precision of the weights."""
        logits = check_result(self.encoder, self.encoder(x, context), (len(x), self.codes, *self.sides))
        return logits.to(self.mean_q.dtype).log_softmax(1)

    def draw(
        self, inferred: Float[Tensor, "b k ..."], context: Context | None, eps: Float[Tensor, "b ..."]
    ) -> PosteriorDraw:
        log_q = inferred.movedim(1, -1)
        ids = invert_cdf(log_q.flatten(0, -2), eps.flatten()).view(eps.shape)
        return PosteriorDraw(ids, sum_except_batch(log_q.gather(-1, ids[..., None])[..., 0]))

    def embed(self, ids: Int[Tensor, "b ..."], context: Context | None = None) -> Float[Tensor, "b k ..."]:
        """One-hot codes."""
        return F.one_hot(ids, self.codes).movedim(-1, 1).to(self.mean_q.dtype)


def gumbel_softmax(
    logits: Float[Tensor, "b k ..."], tau: float | Float[Tensor, ""], u: Float[Tensor, "b k ..."]
) -> Float[Tensor, "b k ..."]:
    """A relaxed one-hot sample of softmax(logits), of uniform noise u; its argmax is an exact sample.

    >>> y = gumbel_softmax(torch.tensor([[0.0, 0.0]]), 0.1, torch.tensor([[0.5, 0.9]]))
    >>> y.argmax(1).item(), bool(y[0, 1] > 0.99)
    (1, True)
    """
    return ((logits - (-u.log()).log()) / tau).softmax(1)
