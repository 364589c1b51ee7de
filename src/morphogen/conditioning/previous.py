r"""What an earlier stage of a `Cascade` sampled, as the condition of a later stage.

    LowResolution    a smaller picture, as spatial planes (upsampling)
    Codes            the codes of a higher level, as tokens (hierarchies of codes)

Cascaded diffusion models for high fidelity image generation, Ho et al., 2022; Generating diverse
high-fidelity images with VQ-VAE-2, Razavi, van den Oord & Vinyals, 2019.
"""

__all__ = ["Codes", "LowResolution"]

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import ConfigError
from morphogen.contract import Conditioner, Context
from morphogen.networks.blur import gaussian_blur
from morphogen.numerics.randomness import Rng


class LowResolution(Conditioner):
    r"""A smaller picture as `context.spatial`, with noise and blur of random strength in training.

        z' = sqrt(1 - s^2) (z * N(0, b^2)) + s eps,     eps ~ N(0, I)
        s ~ U(0, noise),  b ~ U(0, blur) in training, else 0

    They hide the details in which samples of the earlier stage differ from data ("conditioning augmentation",
    Ho et al. 2022; by blur, Ramesh et al. 2022). The planes are z', resized to the picture (bilinear), s, and
    ones, which show that the condition is given.

    Arguments:
        shape: (channels, height, width) of the picture to which z is resized.
        noise: the largest strength, in [0, 1); 0: no noise.
        blur: the largest standard deviation of the blur, in pixels of z; 0: no blur.

    Errors: ConfigError for a strength outside [0, 1) or a negative blur; in `forward`, for a z of other
    channels.
    """

    name = "low"

    def __init__(self, shape: tuple[int, int, int], noise: float = 0.0, blur: float = 0.0):
        super().__init__()
        if not 0 <= noise < 1:
            raise ConfigError(f"LowResolution: noise={noise:g} must be at least 0 and below 1")
        if not 0 <= blur < math.inf:
            raise ConfigError(f"LowResolution: blur={blur:g} must be at least 0 and finite")
        self.shape, self.noise, self.blur = tuple(shape), noise, blur
        self.widths = {"spatial": self.shape[0] + 2}

    def forward(self, condition: Float[Tensor, "b ..."], rng: Rng | None = None) -> Context:
        if condition.ndim != 4 or condition.shape[1] != self.shape[0]:
            raise ConfigError(
                f"a smaller picture has the shape [B, {self.shape[0]}, h, w], not {list(condition.shape)}"
            )
        z, strength = condition, condition.new_zeros(len(condition), 1, 1, 1)
        if rng is not None and self.blur:
            std = self.blur * rng.fork("blur").uniform(1)[:, 0]
            z = gaussian_blur(z, std, reach=math.ceil(3 * self.blur))
        if rng is not None and self.noise:
            strength = self.noise * rng.fork("strength").uniform(1, 1, 1)
            noise = rng.fork("noise").normal(*z.shape[1:])
            z = (1 - strength.square()).sqrt() * z + strength * noise
        resized = F.interpolate(z, self.shape[1:], mode="bilinear")
        planes = [strength.expand_as(resized[:, :1]), torch.ones_like(resized[:, :1])]
        return Context(spatial=torch.cat([resized, *planes], 1))


class Codes(Conditioner):
    """The codes of a higher level as `context.tokens [B, T, width]`, embedded with their positions.

    The networks attend to them, as the lower priors of Razavi et al. 2019 and of Jukebox (Dhariwal et al.
    2020) are conditioned on the level above.

    Arguments:
        vocabulary: number of codes.
        shape: of the codes of one row, such as (height, width); T is their number.
        width: of the embedding.
    """

    name = "top"

    def __init__(self, vocabulary: int, shape: tuple[int, ...], width: int):
        super().__init__()
        self.vocabulary, self.shape, self.width = vocabulary, tuple(shape), width
        self.widths = {"tokens": width}
        self.embedding = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(torch.zeros(math.prod(self.shape), width))

    def forward(self, condition: Int[Tensor, "b ..."], rng: Rng | None = None) -> Context:
        """Errors: ConfigError for codes of another shape."""
        if tuple(condition.shape[1:]) != self.shape:
            raise ConfigError(f"codes have the shape {list(self.shape)}, not {list(condition.shape[1:])}")
        return Context(tokens=self.embedding(condition.flatten(1)) + self.positions)
