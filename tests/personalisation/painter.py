"""A small diffusion of captioned pictures; its weights are random, so that every part acts on its samples."""

from typing import Any

import torch
from torch import Tensor

from morphogen.conditioning.caption import Caption, CaptionDropout, caption_bytes
from morphogen.conditioning.frozen import Frozen
from morphogen.contract import Batch
from morphogen.families.diffusion import DDIM, Diffusion, GaussianDecoder, LinearBetas
from morphogen.model import Model
from morphogen.networks.attention import Attention
from morphogen.networks.blocks import Block
from morphogen.networks.feed_forward import FeedForward
from morphogen.networks.normalization import LayerNorm
from morphogen.networks.text_transformer import TextTransformer
from morphogen.networks.unet import UNet
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Pixels
from morphogen.representations.text import Characters

ALPHABET = " abcdefghijklmnopqrstuvwxyz<>-"
SHAPE = (1, 4, 4)


def painter(frozen: bool = False) -> Model:
    """The model; `frozen`: with a frozen text encoder, as Stable Diffusion has."""
    torch.manual_seed(0)
    block = Block(Attention(8, 2), FeedForward(8, 16), LayerNorm(8))
    size = len(ALPHABET)
    encoder = TextTransformer(size + 2, 16, block, 1, size, size + 1)
    caption: Any = Caption(Characters(ALPHABET, 1), encoder)
    unet = UNet(SHAPE, 8, (1, 2), 1, (4,), 2, (0, 8), design="latent")
    for parameter in [*unet.parameters(), *encoder.parameters()]:
        parameter.data += 0.1 * torch.randn_like(parameter)
    objective = Diffusion(unet, LinearBetas(1e-3, 0.2, 20), GaussianDecoder(), sampler=DDIM(3), bound_steps=6)
    conditioner = CaptionDropout(Frozen(caption) if frozen else caption, 0.1)
    return Model(objective, Pixels(256, SHAPE), conditioner).eval()


def pictures(n: int, caption: str) -> Batch:
    """Random pictures, all with the same caption."""
    medium = Rng(n, n).integers(256, *SHAPE) * (2 / 255) - 1
    return Batch(medium, {"caption": caption_bytes([caption] * n)})


def drawn(model: Any, caption: str = "a dog") -> Tensor:
    """Two samples, before they are rounded to pixels."""
    x: Tensor = model.sample_batch(Rng(1, 2), {"caption": caption_bytes([caption] * 2)})
    return x


def weights(model: Model) -> dict[str, Tensor]:
    """A copy of all its tensors."""
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def unchanged(model: Model, before: dict[str, Tensor]) -> bool:
    """Whether all its tensors are those from before, bit for bit."""
    return all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
