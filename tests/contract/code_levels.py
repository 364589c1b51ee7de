"""Two levels of codes of digits, by k-means, and a prior on each level: a VQ-VAE-2 without networks.

top      2 x 2 codes of the 4 x 4 picture of means, in patches of 2 x 2
bottom   4 x 4 codes of what the top leaves of the 8 x 8 picture, in patches of 2 x 2
"""

import math
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

import morphogen as mg
from morphogen.conditioning import Codes, Conditions
from morphogen.contract import Context, Encoded, Losses, Trainable
from morphogen.families.autoregressive import Autoregressive
from morphogen.networks.attention import Attention, CrossAttention
from morphogen.networks.blocks import Block
from morphogen.networks.feed_forward import FeedForward
from morphogen.networks.normalization import LayerNorm
from morphogen.networks.positions import LearnedPositions
from morphogen.networks.transformer import Transformer, Untied
from morphogen.numerics.distributions import logistic_log_mass
from morphogen.numerics.tensors import sum_except_batch
from morphogen.plan import Adam, AdamW, Cosine, Plan
from morphogen.representations import Latent, Pixels

PIXELS = Pixels(17, (1, 8, 8))
TOP, BOTTOM, WIDTH = 24, 16, 48


class TwoLevels(Trainable):
    """Codebooks of 2 x 2 patches, fitted by k-means; p(x | z) is a discretized logistic of fixed scale."""

    latent_shape: ClassVar = {"top": (2, 2), "bottom": (4, 4)}
    latent_vocabulary: ClassVar = {"top": TOP, "bottom": BOTTOM}
    codebook_top: Tensor
    codebook_bottom: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("codebook_top", torch.zeros(TOP, 4))
        self.register_buffer("codebook_bottom", torch.zeros(BOTTOM, 4))

    def players(self) -> dict[str, list[torch.nn.Parameter]]:
        return {"model": []}

    def prepare(self, x: Encoded, context: Context | None, rng: mg.Rng) -> None:
        for level, book in self.books().items():
            vectors = self.vectors(x.x)[level].flatten(0, 1).unique(dim=0)
            book.copy_(vectors[torch.arange(len(book)) * len(vectors) // len(book)])

    def losses(self, x: Encoded, context: Context | None, rng: mg.Rng, player: str) -> Losses:
        context, rng = self.receive_mask(x.mask, context, rng)
        codes, sums = self.codes(x.x), {}
        for level, vectors in self.vectors(x.x).items():
            chosen = F.one_hot(codes[level].flatten(), len(self.books()[level])).to(vectors.dtype)
            sums |= {level: chosen.t() @ vectors.flatten(0, 1), f"{level} count": chosen.sum(0)}
        return Losses({"error": (x.x - self.decode(codes)).square().flatten(1).mean(1)}, statistics=sums)

    def update_from_statistics(self, statistics: dict[str, Tensor], step: int) -> None:
        """The means of the patches of each code; an unused code remains."""
        for level, book in self.books().items():
            count = statistics[f"{level} count"][:, None]
            book.copy_(torch.where(count > 0, statistics[level] / count.clamp_min(1), book))

    def encode(self, x: Tensor, rng: mg.Rng) -> tuple[dict[str, Tensor], Tensor]:
        return self.codes(x), x.new_zeros(len(x))

    def log_conditional(self, x: Tensor, z: dict[str, Tensor]) -> Tensor:
        scale = x.new_full((), math.log(0.08))
        return sum_except_batch(logistic_log_mass(x, self.decode(z), scale, 17))

    def decode(self, z: dict[str, Tensor]) -> Tensor:
        return self.coarse(z["top"]) + unpatched(self.codebook_bottom[z["bottom"].flatten(1)])

    def coarse(self, top: Tensor) -> Tensor:
        """The 8 x 8 picture of the top level alone."""
        return F.interpolate(unpatched(self.codebook_top[top.flatten(1)]), scale_factor=2)

    def codes(self, x: Tensor) -> dict[str, Tensor]:
        return {
            level: nearest(vectors, self.books()[level]).unflatten(1, self.latent_shape[level])
            for level, vectors in self.vectors(x).items()
        }

    def vectors(self, x: Tensor) -> dict[str, Tensor]:
        """The patches of each level, [B, positions, 4]."""
        top = patched(F.avg_pool2d(x, 2))
        return {"top": top, "bottom": patched(x - self.coarse(nearest(top, self.codebook_top)))}

    def books(self) -> dict[str, Tensor]:
        return {"top": self.codebook_top, "bottom": self.codebook_bottom}


def nearest(vectors: Tensor, book: Tensor) -> Tensor:
    return (vectors[:, :, None] - book).square().sum(-1).argmin(-1)


def patched(x: Tensor) -> Tensor:
    return F.unfold(x, 2, stride=2).transpose(1, 2)


def unpatched(patches: Tensor) -> Tensor:
    side = 2 * math.isqrt(patches.shape[1])
    return F.fold(patches.transpose(1, 2), side, 2, stride=2)


def prior(level: str, cross: bool) -> Autoregressive:
    vocabulary, length = TwoLevels.latent_vocabulary[level], math.prod(TwoLevels.latent_shape[level])
    block = Block(
        Attention(WIDTH, 4),
        FeedForward(WIDTH, 2 * WIDTH),
        LayerNorm(WIDTH),
        CrossAttention(WIDTH, 4) if cross else None,
    )
    positions, head = LearnedPositions(length, WIDTH), Untied(vocabulary, WIDTH)
    return Autoregressive(Transformer(vocabulary, length, block, 2, positions, head, start=vocabulary))


def code_cascade(batch: int = 64) -> mg.Cascade:
    """The codebooks, the prior of the top codes, and that of the bottom codes given the top."""
    torch.manual_seed(0)
    first = mg.Model(TwoLevels(), PIXELS, plan=Plan(Adam(1e-3), batch=4 * batch))
    plan = Plan(AdamW(3e-3), batch=batch, schedule=Cosine(warmup=20), clip=1.0)
    condition = Conditions(top=Codes(TOP, (2, 2), WIDTH))
    return mg.Cascade(
        codes=first,
        top=mg.Model(prior("top", cross=False), Latent(first, "top"), plan=plan),
        bottom=mg.Model(prior("bottom", cross=True), Latent(first, "bottom"), condition, plan),
    )
