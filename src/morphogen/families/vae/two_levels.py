r"""VQ-VAE-2: two grids of codes, a coarse one of the composition and a finer one of the details.

    h = encoder(x),   z_top = top_encoder(h),   g = top_decoder(e_top)
    z_bottom = bottom_encoder([h, g]),   p(x | top, bottom) = network([e_bottom, g])

The bottom codes are chosen given the top ones, so that they need not repeat them; so is their prior, the last
stage of a `Cascade`. The losses are those of `VQVAE`, summed over the levels.

Reference: Generating diverse high-fidelity images with VQ-VAE-2, Razavi, van den Oord & Vinyals, 2019.
"""

__all__ = ["TwoLevelVQVAE"]

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Losses
from morphogen.families.vae.code_autoencoder import CodeAutoencoder, certain
from morphogen.families.vae.codebooks import Quantizer
from morphogen.families.vae.latent_variable_model import Reconstruction
from morphogen.families.vae.likelihoods import ObservationModel
from morphogen.families.vae.posteriors import PosteriorDraw
from morphogen.families.vae.quantized import straight_through
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import sum_except_batch
from morphogen.numerics.trees import Tree
from morphogen.objective_values import check_result

Ids = Mapping[str, Tensor]  # int64 [B, *sides] of "top" and "bottom"


class TwoLevelVQVAE(CodeAutoencoder):
    """An `Autoencoder` with two discrete latents, "top" and "bottom" (Razavi et al. 2019).

    Arguments:
        encoder: x, context -> h [B, W, *sides of the bottom].
        top_encoder: h -> z_top [B, D, *sides of the top].
        top_decoder: the top codes -> g [B, G, *sides of the bottom].
        bottom_encoder: [h, g] on axis 1 -> z_bottom [B, D, *sides of the bottom].
        network: the decoder, the bottom codes and g on axis 1 -> parameters of p(x | h).
        likelihood: the observation model p(x | h).
        top, bottom: the codebooks.
        sides: of the grids of codes, {"top": (h, w), "bottom": (h, w)}.
        commitment: weight of the commitment, above 0 (0.25 in the paper).
    """

    def __init__(
        self, encoder: nn.Module, top_encoder: nn.Module, top_decoder: nn.Module, bottom_encoder: nn.Module,
        network: nn.Module, likelihood: ObservationModel, top: Quantizer, bottom: Quantizer,
        sides: Mapping[str, tuple[int, ...]], commitment: float = 0.25,
    ):  # fmt: skip
        if commitment <= 0:
            raise ConfigError(f"TwoLevelVQVAE: commitment={commitment:g} must be above 0")
        books = {"top": top, "bottom": bottom}
        codes = {name: book.codes for name, book in books.items()}
        shape = {name: book.latent_shape(sides[name]) for name, book in books.items()}
        super().__init__(encoder, network, likelihood, codes, shape)
        self.top_encoder, self.top_decoder, self.bottom_encoder = top_encoder, top_decoder, bottom_encoder
        self.top, self.bottom = top, bottom
        self.sides, self.commitment = {name: tuple(side) for name, side in sides.items()}, commitment

    @property
    def levels(self) -> Mapping[str, Quantizer]:
        """The codebooks by name."""
        return {"top": self.top, "bottom": self.bottom}

    def reconstruct(self, x: Encoded, context: Context | None, rng: Rng) -> Reconstruction:
        context, rng = self.receive_mask(x.mask, context, rng)
        h, z_top = self.infer(x.x, context).values()
        ids = {"top": self.top.encode(z_top)}
        codes = {"top": straight_through(z_top, self.top.decode(ids["top"]))}
        z = {"top": z_top, "bottom": self._bottom(h, codes["top"], context)}
        ids["bottom"] = self.bottom.encode(z["bottom"])
        codes["bottom"] = straight_through(z["bottom"], self.bottom.decode(ids["bottom"]))
        distance = [sum_except_batch((z[name] - codes[name].detach()).square()) for name in z]
        parameters = self.network(self._joined(codes, context), context)
        terms = {
            "reconstruction": -self.likelihood.log_prob(x.x, parameters),
            "commitment": self.commitment * torch.stack(distance).sum(0),
        }
        metrics: dict[str, Tensor] = {}
        statistics: dict[str, Tensor] = {}
        for name, book in self.levels.items():
            sums = book.statistics(z[name].detach(), ids[name], rng.fork("restart", name))
            statistics |= {f"{name} {key}": value for key, value in sums.items()}
            metrics |= {f"{name} {key}": value.expand(len(h)) for key, value in book.usage().items()}
        return Reconstruction(Losses(terms, metrics=metrics, statistics=statistics), parameters)

    @torch.no_grad()
    def prepare(self, x: Encoded, context: Context | None, rng: Rng) -> None:
        """Check x, and initialize the codes. Errors: ConfigError for bad values, and for too few rows."""
        self.likelihood.check(x.x)
        h, z_top = self.infer(x.x, context).values()
        self.top.prepare(z_top, rng.fork("top"))
        top = self.top.decode(self.top.encode(z_top))
        self.bottom.prepare(self._bottom(h, top, context), rng.fork("bottom"))

    def update_from_statistics(self, statistics: dict[str, Tensor], step: int) -> None:
        for name, book in self.levels.items():
            own = {key: value for key, value in statistics.items() if key.startswith(f"{name} ")}
            book.update({key.removeprefix(f"{name} "): value for key, value in own.items()})

    def infer(self, x: Tree, context: Context | None) -> Mapping[str, Tensor]:
        """h and z_top."""
        h = self.encoder(x, context)
        shape = (len(x), self.top.width, *self.sides["top"])
        return {"h": h, "top": check_result(self.top_encoder, self.top_encoder(h, context), shape)}

    def draw(self, inferred: Mapping[str, Tensor], context: Context | None, eps: Tree) -> PosteriorDraw:
        top = self.top.encode(inferred["top"])
        bottom = self._bottom(inferred["h"], self.top.decode(top), context)
        return certain({"top": top, "bottom": self.bottom.encode(bottom)})

    def embed(self, ids: Ids, context: Context | None = None) -> Float[Tensor, "b d ..."]:
        return self._joined({name: book.decode(ids[name]) for name, book in self.levels.items()}, context)

    def _bottom(self, h: Tensor, top: Tensor, context: Context | None) -> Float[Tensor, "b d ..."]:
        """z_bottom given the top codes."""
        z = self.bottom_encoder(torch.cat([h, self.top_decoder(top, context)], 1), context)
        return check_result(self.bottom_encoder, z, (len(h), self.bottom.width, *self.sides["bottom"]))

    def _joined(self, codes: Mapping[str, Tensor], context: Context | None) -> Float[Tensor, "b d ..."]:
        """The decoder's input: the bottom codes and g."""
        return torch.cat([codes["bottom"], self.top_decoder(codes["top"], context)], 1)
