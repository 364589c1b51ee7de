r"""Variations of given pictures, by a model that draws pictures of their embeddings, such as DALL-E 2.

    (z, x_T)     a picture is its embedding and the noise that DDIM inverts it to, which hold all of it
    variations   x_T with fresh noise in every step: what z says is kept, and the rest varies
    blend        arcs from z_1 to z_2, and from x_T of one picture to that of another
    text         an arc from z towards d = sqrt(E) (g(target) - g(source)) / |g(target) - g(source)|

Arcs are spherical (`slerp`), since an embedding is a direction. The decoder is given no caption.

Reference: Hierarchical text-conditional image generation with CLIP latents (DALL-E 2), Ramesh, Dhariwal,
Nichol, Chu & Chen, 2022, section 3.
"""

__all__ = ["blend", "text_difference", "varied_shape", "vary"]

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from morphogen.component import ConfigError
from morphogen.conditioning.caption import CAPTION, caption_bytes
from morphogen.conditioning.guidance import Guided
from morphogen.contract import Context, Unsupported
from morphogen.families.diffusion import DDIM, ddim_invert, ddim_sample
from morphogen.inference.latent_space import slerp
from morphogen.model import Model, evaluating
from morphogen.numerics.randomness import Rng
from morphogen.representations.contrastive_embedding import ContrastiveEmbedding
from morphogen.samples import Samples
from morphogen.wrong_calls import explains_calls

STEPS = 50  # of the inversion and of the decoder
BATCH = 64  # rows processed at a time


@explains_calls
def vary(
    model: Any, pictures: Any, n: int = 4, eta: float = 1.0, steps: int = STEPS, guidance: float = 1.0,
    seed: int = 0,
) -> Samples:  # fmt: skip
    """Draw n variations of each picture, in the order of the pictures.

    Variation v of a picture depends on (seed, v) and on the picture only.

    Arguments:
        model: a trained `Cascade` that draws pictures of embeddings, such as `dalle2`.
        pictures: in [-1, 1], [B, C, H, W], of the model's shape.
        n: variations per picture.
        eta: share of fresh noise in each step, from 0 (the picture, reconstructed) to 1 (as DDPM).
        steps: network calls of the inversion, and of the decoder.
        guidance: scale of guidance towards the embedding; 1: off.
        seed: random seed.

    Errors: Unsupported for other models; ConfigError for pictures of another shape, and numbers out of range.
    """
    if n < 1 or not 0 <= eta <= 1:
        raise ConfigError(f"vary: n={n}, eta={eta:g}: give n of at least 1 and eta from 0 to 1")
    drawing, rows = _Drawing.of(model, steps, guidance), model.representation.check(pictures)
    numbers = torch.arange(n).repeat(len(rows))
    z, noise = (part.repeat_interleave(n, 0) for part in drawing.invert(rows))
    return drawing.draw(z, noise, Rng(seed, numbers, ("vary",)), {"variants": n, "eta": eta, "seed": seed})


@explains_calls
def blend(
    model: Any, first: Any, second: Any, n: int = 8, steps: int = STEPS, guidance: float = 1.0, seed: int = 0
) -> Samples:  # fmt: skip
    """Draw n pictures on the way from one picture to another, both ends reconstructed.

    Arguments:
        model, steps, guidance: see `vary`.
        first, second: pictures [C, H, W].
        n: number of pictures, at least 2.
        seed: of the upsamplers, whose noise is the same for all of them.

    Errors: see `vary`.
    """
    drawing = _Drawing.of(model, steps, guidance)
    rows = model.representation.check(torch.stack([torch.as_tensor(first), torch.as_tensor(second)]))
    z, noise = (slerp(part[0], part[1], n) for part in drawing.invert(rows))
    return drawing.draw(z, noise, _same(seed, n), {"eta": 0.0, "seed": seed})


@explains_calls
def text_difference(
    model: Any, picture: Any, target: str, source: str = "", n: int = 8, strength: float = 0.4,
    steps: int = STEPS, guidance: float = 1.0, seed: int = 0,
) -> Samples:  # fmt: skip
    """Draw n pictures, each changed further from what the source says to what the target says.

    Arguments:
        model, steps, guidance: see `vary`.
        picture: [C, H, W], which is reconstructed first.
        target: what the last picture is to show.
        source: what the given picture shows; "": the empty caption.
        n: number of pictures, at least 2.
        strength: fraction of the arc at the last one, above 0, up to 1; 0.25 to 0.5 in the paper.
        seed: of the upsamplers, whose noise is the same for all of them.

    Errors: see `vary`; ConfigError for equal texts.
    """
    if not 0 < strength <= 1:
        raise ConfigError(f"text_difference: strength={strength:g}: give a number above 0, up to 1")
    drawing = _Drawing.of(model, steps, guidance)
    z, noise = drawing.invert(model.representation.check(torch.as_tensor(picture)[None]))
    path = slerp(z[0], drawing.direction(source, target), n, until=strength)
    record = {"eta": 0.0, "seed": seed, "source": source, "target": target, "strength": strength}
    return drawing.draw(path, noise.expand(n, *noise.shape[1:]), _same(seed, n), record)


def varied_shape(model: Any) -> tuple[int, int, int]:
    """(C, H, W) of the pictures that a model varies. Errors: Unsupported for a model that does not."""
    _chain(model)
    return tuple(model.representation.source.shape)


@dataclass(frozen=True)
class _Drawing:
    """The stages of a cascade from an embedding to a picture, and how they are sampled.

    Arguments:
        model: the cascade.
        prior, decoder: the names of its first two stages.
        steps, guidance: see `vary`.
    """

    model: Any
    prior: str
    decoder: str
    steps: int
    guidance: float

    @classmethod
    def of(cls, model: Any, steps: int, guidance: float) -> "_Drawing":
        """Errors: Unsupported for a model of another kind; ConfigError for fewer than 2 steps."""
        prior, decoder = _chain(model)
        limit = int(model.models[decoder].objective.schedule.t_max)
        if steps < 2:
            raise ConfigError(f"steps={steps}: give at least 2, such as {STEPS}")
        return cls(model, prior, decoder, min(steps, limit), guidance)

    def invert(
        self, pictures: Float[Tensor, "n c h w"]
    ) -> tuple[Float[Tensor, "n e"], Float[Tensor, "n ..."]]:
        """The embedding and the noise of each picture."""
        prior, decoder = (self.model.models[name] for name in (self.prior, self.decoder))
        rng, parts = Rng(0, len(pictures), ("invert",)).to(self.model.device), []
        with evaluating(self.model), torch.no_grad():
            for rows in torch.arange(len(pictures)).split(BATCH):
                medium = pictures[rows].to(self.model.device)
                z = prior.representation.encode(medium, rng[rows], measure=False).x
                x = decoder.representation.encode(medium, rng[rows], measure=False).x
                noise = ddim_invert(
                    decoder.objective, x, self._context(decoder, z), DDIM(self.steps, clip=None)
                )
                parts.append((z, noise))
        z, noise = (torch.cat(part) for part in zip(*parts, strict=True))
        return z, noise

    def direction(self, source: str, target: str) -> Float[Tensor, " e"]:
        """The difference of two texts, as long as an embedding. Errors: ConfigError for equal ones."""
        prior, captions = self.model.models[self.prior], caption_bytes([source, target])
        prior.conditioner.check(captions)
        with evaluating(self.model), torch.no_grad():
            vector = prior.context({CAPTION: captions.to(self.model.device)}, 2).vector
        difference = vector[1] - vector[0]
        if not difference.any():
            raise ConfigError(f"text_difference: {source!r} and {target!r} mean the same: change one")
        return len(difference) ** 0.5 * F.normalize(difference, dim=0)

    def draw(
        self, z: Float[Tensor, "n e"], noise: Float[Tensor, "n ..."], rng: Rng, record: dict[str, Any]
    ) -> Samples:
        """Pictures of embeddings from the decoder's noise, upsampled."""
        model, decoder = self.model, self.model.models[self.decoder]
        sampler: Any = DDIM(self.steps, eta=record["eta"])
        sampler = sampler if self.guidance == 1 else Guided(sampler, self.guidance)
        rng, parts = rng.to(model.device), []
        with evaluating(model), torch.no_grad():
            for rows in torch.arange(len(z)).split(BATCH):
                stream, context = rng[rows], self._context(decoder, z[rows])
                x = ddim_sample(decoder.objective, noise[rows], context, stream.fork(self.decoder), sampler)
                given = {self.prior: z[rows], self.decoder: x}
                parts.append(model.decode(model.sample_batch(stream, given)))
        settings = {"indices": list(range(len(z))), "sampler": repr(sampler), **record}
        return Samples(torch.cat(parts), {}, model.representation, settings)

    def _context(self, decoder: Model, z: Float[Tensor, "n e"]) -> Context | None:
        return decoder.context({self.prior: z}, len(z))


def _chain(model: Any) -> tuple[str, str]:
    """The names of the prior and of the decoder. Errors: Unsupported for a model without them."""
    chain = getattr(model, "chain", [])
    if len(chain) < 2 or not isinstance(model.models[chain[0]].representation, ContrastiveEmbedding):
        raise Unsupported(
            f"{type(model).__name__} does not draw pictures of embeddings, but dalle2 and its kind do: "
            "morphogen train dalle2"
        )
    return chain[0], chain[1]


def _same(seed: int, n: int) -> Rng:
    """The random stream of one row, n times."""
    return Rng(seed, torch.zeros(n, dtype=torch.int64), ("vary",))
