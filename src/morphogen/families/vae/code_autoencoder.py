r"""Autoencoders with discrete latents: N ids, each of one of K codes.

    log p(x) >= log p(x | ids) + log p(ids) - log q(ids | x),   ids ~ q,   p(ids) = K^-N

They differ in the posterior and in how it is trained, since an id has no derivative: `VQVAE` takes the
nearest code and copies its gradient, `DiscreteVAE` relaxes a categorical distribution. A second model learns
the prior of the ids: `Latent(first)` is its representation, of integers.

Reference: Neural discrete representation learning, van den Oord, Vinyals & Kavukcuoglu, 2017.
"""

__all__ = ["CodeAutoencoder"]

from abc import abstractmethod

from jaxtyping import Float, Int
from torch import Tensor, nn

from morphogen.contract import Context, Encoded, Likelihood, Objective, Sampler
from morphogen.families.vae.likelihoods import ObservationModel
from morphogen.families.vae.priors import UniformCodes
from morphogen.families.vae.sampler import VAESampler
from morphogen.numerics.randomness import Rng


class CodeAutoencoder(Objective):
    """An `Autoencoder` with a discrete latent, so that `Latent` can use it as a first stage.

    Arguments:
        encoder: of x, with the output that the subclass needs.
        network: the decoder, `embed(ids)`, context -> h [B, likelihood.outputs(C), ...].
        likelihood: the observation model p(x | h).
        codes: K.
        latent_shape: shape of the ids of one x.
    """

    def __init__(
        self,
        encoder: nn.Module,
        network: nn.Module,
        likelihood: ObservationModel,
        codes: int,
        latent_shape: tuple[int, ...],
    ):
        super().__init__()
        self.encoder, self.network, self.likelihood = encoder, network, likelihood
        self.latent_shape, self.latent_vocabulary = latent_shape, codes
        self.prior = UniformCodes(codes)

    @abstractmethod
    def draw(
        self, x: Float[Tensor, "b ..."], context: Context | None, rng: Rng
    ) -> tuple[Int[Tensor, "b ..."], Float[Tensor, " b"]]:
        """ids ~ q(ids | x), and log q(ids | x)."""

    @abstractmethod
    def embed(self, ids: Int[Tensor, "b ..."]) -> Float[Tensor, "b d ..."]:
        """The decoder's input."""

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        """The lower bound of the uniform prior of the ids, which a learned prior of them raises."""
        self.likelihood.check(x.x)
        context, rng = self.receive_mask(x.mask, context, rng)
        ids, log_q = self.draw(x.x, context, rng.fork("posterior"))
        nats = self.log_conditional(x.x, ids, context) + self.prior.log_prob(ids, context) - log_q
        return Likelihood(nats, x.dims, "lower_bound", self.likelihood.measure)

    def predict(self, z: Int[Tensor, "b ..."], context: Context | None) -> Float[Tensor, "b ..."]:
        """Parameters of p(x | z), z the ids."""
        return self.network(self.embed(z), context)

    def sample_latents(self, context: Context | None, rng: Rng, temperature: float) -> Int[Tensor, "b ..."]:
        """Draw ids from the uniform prior."""
        return self.prior.sample(self.latent_shape, context, rng, temperature)

    def default_sampler(self) -> Sampler:
        return VAESampler()

    def encode(
        self, x: Float[Tensor, "b ..."], rng: Rng, context: Context | None = None
    ) -> tuple[Int[Tensor, "b ..."], Float[Tensor, " b"]]:
        """ids ~ q(ids | x), and log q(ids | x)."""
        return self.draw(x, context, rng)

    def log_conditional(
        self, x: Float[Tensor, "b ..."], z: Int[Tensor, "b ..."], context: Context | None = None
    ) -> Float[Tensor, " b"]:
        """log p(x | z)."""
        return self.likelihood.log_prob(x, self.predict(z, context))

    def decode(self, z: Int[Tensor, "b ..."], context: Context | None = None) -> Float[Tensor, "b ..."]:
        """The median of p(x | z)."""
        return self.likelihood.median(self.predict(z, context))
