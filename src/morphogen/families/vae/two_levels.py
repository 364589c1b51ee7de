r"""VQ-VAE-2: two grids of codes, a coarse one of the composition and a finer one of the details.

    h = encoder(x),   z_top = top_encoder(h),   g = top_decoder(e_top)
    z_bottom = bottom_encoder([h, g]),   p(x | top, bottom) = network([e_bottom, g])

The bottom codes are chosen given the top ones, so that they need not repeat them; so is their prior, the last
stage of a `Cascade`. The losses are those of `VQVAE`, summed over the levels.

Reference: Generating diverse high-fidelity images with VQ-VAE-2, Razavi, van den Oord & Vinyals, 2019.
"""

__all__ = ["TwoLevelVQVAE"]

from collections.abc import Mapping
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Losses, Trainable
from morphogen.families.vae.codebooks import Quantizer
from morphogen.families.vae.likelihoods import ObservationModel
from morphogen.families.vae.quantized import straight_through
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import sum_except_batch
from morphogen.objective_values import check_result

Ids = Mapping[str, Tensor]  # int64 [B, *sides] of "top" and "bottom"


class TwoLevelVQVAE(Trainable):
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

    usage: ClassVar[str] = "it is the first stage of Latent(model, 'top') and Latent(model, 'bottom')"

    def __init__(
        self, encoder: nn.Module, top_encoder: nn.Module, top_decoder: nn.Module, bottom_encoder: nn.Module,
        network: nn.Module, likelihood: ObservationModel, top: Quantizer, bottom: Quantizer,
        sides: Mapping[str, tuple[int, ...]], commitment: float = 0.25,
    ):  # fmt: skip
        super().__init__()
        if commitment <= 0:
            raise ConfigError(f"TwoLevelVQVAE: commitment={commitment:g} must be above 0")
        self.encoder, self.network, self.likelihood = encoder, network, likelihood
        self.top_encoder, self.top_decoder, self.bottom_encoder = top_encoder, top_decoder, bottom_encoder
        self.top, self.bottom = top, bottom
        self.sides, self.commitment = {name: tuple(side) for name, side in sides.items()}, commitment
        self.latent_shape = {
            "top": top.latent_shape(sides["top"]),
            "bottom": bottom.latent_shape(sides["bottom"]),
        }
        self.latent_vocabulary = {"top": top.codes, "bottom": bottom.codes}

    @property
    def levels(self) -> Mapping[str, Quantizer]:
        """The codebooks by name."""
        return {"top": self.top, "bottom": self.bottom}

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        context, rng = self.receive_mask(x.mask, context, rng)
        h, z_top = self._top(x.x, context)
        ids = {"top": self.top.encode(z_top)}
        codes = {"top": straight_through(z_top, self.top.decode(ids["top"]))}
        z = {"top": z_top, "bottom": self._bottom(h, codes["top"], context)}
        ids["bottom"] = self.bottom.encode(z["bottom"])
        codes["bottom"] = straight_through(z["bottom"], self.bottom.decode(ids["bottom"]))
        distance = [sum_except_batch((z[name] - codes[name].detach()).square()) for name in z]
        terms = {
            "reconstruction": -self.likelihood.log_prob(x.x, self._decoded(codes, context)),
            "commitment": self.commitment * torch.stack(distance).sum(0),
        }
        metrics: dict[str, Tensor] = {}
        statistics: dict[str, Tensor] = {}
        for name, book in self.levels.items():
            sums = book.statistics(z[name].detach(), ids[name], rng.fork("restart", name))
            statistics |= {f"{name} {key}": value for key, value in sums.items()}
            metrics |= {f"{name} {key}": value.expand(len(h)) for key, value in book.usage().items()}
        return Losses(terms, metrics=metrics, statistics=statistics)

    @torch.no_grad()
    def prepare(self, x: Encoded, context: Context | None, rng: Rng) -> None:
        """Check x, and initialize the codes. Errors: ConfigError for bad values, and for too few rows."""
        self.likelihood.check(x.x)
        h, z_top = self._top(x.x, context)
        self.top.prepare(z_top, rng.fork("top"))
        top = self.top.decode(self.top.encode(z_top))
        self.bottom.prepare(self._bottom(h, top, context), rng.fork("bottom"))

    def update_from_statistics(self, statistics: dict[str, Tensor], step: int) -> None:
        for name, book in self.levels.items():
            own = {key: value for key, value in statistics.items() if key.startswith(f"{name} ")}
            book.update({key.removeprefix(f"{name} "): value for key, value in own.items()})

    def encode(
        self, x: Float[Tensor, "b ..."], rng: Rng, context: Context | None = None
    ) -> tuple[Ids, Float[Tensor, " b"]]:
        """The ids of x, and log q(ids | x) = 0."""
        h, z_top = self._top(x, context)
        top = self.top.encode(z_top)
        bottom = self.bottom.encode(self._bottom(h, self.top.decode(top), context))
        return {"top": top, "bottom": bottom}, torch.zeros(len(h), device=h.device)

    def log_conditional(self, x: Float[Tensor, "b ..."], z: Ids) -> Float[Tensor, " b"]:
        """log p(x | z)."""
        return self.likelihood.log_prob(x, self._decoded(self.embed(z), None))

    def decode(self, z: Ids, context: Context | None = None) -> Float[Tensor, "b ..."]:
        """The median of p(x | z)."""
        return self.likelihood.median(self._decoded(self.embed(z), context))

    def embed(self, z: Ids) -> Mapping[str, Float[Tensor, "b d ..."]]:
        """The codes of both levels."""
        return {name: book.decode(z[name]) for name, book in self.levels.items()}

    def _top(self, x: Tensor, context: Context | None) -> tuple[Tensor, Float[Tensor, "b d ..."]]:
        """h and z_top."""
        h = self.encoder(x, context)
        shape = (len(x), self.top.width, *self.sides["top"])
        return h, check_result(self.top_encoder, self.top_encoder(h, context), shape)

    def _bottom(self, h: Tensor, top: Tensor, context: Context | None) -> Float[Tensor, "b d ..."]:
        """z_bottom given the top codes."""
        z = self.bottom_encoder(torch.cat([h, self.top_decoder(top, context)], 1), context)
        return check_result(self.bottom_encoder, z, (len(h), self.bottom.width, *self.sides["bottom"]))

    def _decoded(self, codes: Mapping[str, Tensor], context: Context | None) -> Tensor:
        """The parameters of p(x | codes)."""
        return self.network(torch.cat([codes["bottom"], self.top_decoder(codes["top"], context)], 1), context)
