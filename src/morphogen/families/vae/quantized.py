r"""Vector-quantized autoencoder: the latents are ids, those of the codes nearest to the encoder's output.

    loss = -log p(x | z_q) + beta || z_e(x) - sg[z_q] ||^2,   z_q = e_ids,   dz_q / dz_e = 1

sg stops the gradient. The nearest code has no derivative, so the decoder's gradient is copied to the encoder
("straight-through", Bengio et al. 2013), and the second term, the commitment, keeps the encoder's output near
the codes, where the copy is accurate. The codes follow the encoder by moving averages (`codebooks.py`).

The posterior is one code per position, log q = 0, and the prior uniform, so that

    log p(x) >= log p(x | z_q) - N log K                                         for N codes

A second model learns the prior of the codes: `Latent(first)` is its representation, of integers.

Reference: Neural discrete representation learning, van den Oord, Vinyals & Kavukcuoglu, 2017.
"""

__all__ = ["VQVAE", "straight_through"]

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Losses
from morphogen.families.vae.code_autoencoder import CodeAutoencoder, certain
from morphogen.families.vae.codebooks import Quantizer
from morphogen.families.vae.latent_variable_model import Reconstruction
from morphogen.families.vae.likelihoods import ObservationModel
from morphogen.families.vae.posteriors import PosteriorDraw
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import sum_except_batch
from morphogen.numerics.trees import Tree
from morphogen.objective_values import check_result


class VQVAE(CodeAutoencoder):
    r"""An autoencoder whose latents are ids of the nearest codes (van den Oord et al. 2017).

    Arguments:
        encoder: x, context -> z_e [B, D, *sides], with D the width of the codes.
        network: the decoder, z_q [B, D, *sides], context -> h [B, likelihood.outputs(C), ...].
        likelihood: the observation model p(x | h).
        quantizer: a `Codebook`, or several as a `ResidualQuantizer`.
        sides: of the grid of codes, (h, w) for pictures.
        commitment: beta, above 0 (0.25 in the paper).
    """

    def __init__(
        self,
        encoder: nn.Module,
        network: nn.Module,
        likelihood: ObservationModel,
        quantizer: Quantizer,
        sides: tuple[int, ...],
        commitment: float = 0.25,
    ):
        super().__init__(encoder, network, likelihood, quantizer.codes, quantizer.latent_shape(sides))
        if commitment <= 0:
            raise ConfigError(f"VQVAE: commitment={commitment:g} must be above 0")
        self.quantizer, self.sides, self.commitment = quantizer, tuple(sides), commitment

    def reconstruct(self, x: Encoded, context: Context | None, rng: Rng) -> Reconstruction:
        context, rng = self.receive_mask(x.mask, context, rng)
        z = self.infer(x.x, context)
        ids = self.quantizer.encode(z)
        quantized = self.quantizer.decode(ids)
        h = self.network(straight_through(z, quantized), context)
        terms = {
            "reconstruction": -self.likelihood.log_prob(x.x, h),
            "commitment": self.commitment * sum_except_batch((z - quantized).square()),
        }
        bound = self.prior.log_prob(ids, context) - terms["reconstruction"].detach()
        usage = {name: value.expand(len(z)) for name, value in self.quantizer.usage().items()}
        statistics = self.quantizer.statistics(z.detach(), ids, rng.fork("restart"))
        return Reconstruction(Losses(terms, metrics={"bound": bound, **usage}, statistics=statistics), h)

    @torch.no_grad()
    def prepare(self, x: Encoded, context: Context | None, rng: Rng) -> None:
        """Check x, and initialize the codes. Errors: ConfigError for bad values, and for too few rows."""
        self.likelihood.check(x.x)
        self.quantizer.prepare(self.infer(x.x, context), rng.fork("codes"))

    def update_from_statistics(self, statistics: dict[str, Tensor], step: int) -> None:
        self.quantizer.update(statistics)

    def draw(self, inferred: Float[Tensor, "b d ..."], context: Context | None, eps: Tree) -> PosteriorDraw:
        return certain(self.quantizer.encode(inferred))

    def embed(self, ids: Int[Tensor, "b ..."], context: Context | None = None) -> Float[Tensor, "b d ..."]:
        return self.quantizer.decode(ids)

    def infer(self, x: Tree, context: Context | None) -> Float[Tensor, "b d ..."]:
        """The encoder's output z_e."""
        shape = (len(x), self.quantizer.width, *self.sides)
        return check_result(self.encoder, self.encoder(x, context), shape)


def straight_through(z: Float[Tensor, "*x"], quantized: Float[Tensor, "*x"]) -> Float[Tensor, "*x"]:
    """The quantized values, with the gradient of z.

    >>> z = torch.tensor([0.2, 0.9], requires_grad=True)
    >>> y = straight_through(z, z.round())
    >>> y.tolist(), torch.autograd.grad((y * torch.tensor([2.0, 3.0])).sum(), z)[0].tolist()
    ([0.0, 1.0], [2.0, 3.0])
    """
    return quantized.detach() + (z - z.detach())
