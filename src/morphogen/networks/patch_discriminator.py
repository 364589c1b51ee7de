"""PatchGAN: a convolutional discriminator whose scores judge overlapping patches of an image.

    x -- conv, leaky ReLU -- [conv, norm, leaky ReLU], of stride 2 and lastly 1 -- conv -- scores [B, h, w]

Image-to-image translation with conditional adversarial networks, Isola, Zhu, Zhou & Efros, 2017 (section
3.2.2, appendix 6.1.2). Batch normalisation would couple the rows of a batch: there is group normalisation
instead. By default the convolutions of stride 1 have 3 x 3 weights, not 4 x 4, which keeps the sides of small
images.
"""

__all__ = ["PatchDiscriminator"]

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.networks.leaky_relu import LeakyReLU
from morphogen.networks.residual import group_norm


class PatchDiscriminator(Component, nn.Module):
    """Scores of patches: `forward(x, context)`, [B, C, H, W] -> [B, h, w] (Isola et al. 2017).

    The sides are halved by every hidden convolution except the last one; a score sees 54 x 54 pixels with the
    default widths, and 12 x 12 with two. The context is not used.

    Arguments:
        shape: (channels, height, width) of the image.
        widths: channels of each hidden convolution, at least one.
        kernel: side of the kernels of the two convolutions of stride 1: 3, or 4 as published, where a score
            sees 70 x 70 pixels.

    Errors: ConfigError if the image is too small.
    """

    def __init__(
        self, shape: tuple[int, int, int], widths: tuple[int, ...] = (64, 128, 256, 512), kernel: int = 3
    ):
        super().__init__()
        self.shape, self.widths, self.kernel = tuple(shape), tuple(widths), kernel
        halvings = len(widths) - 1
        if min(shape[1:]) < 2**halvings:
            raise ConfigError(
                f"PatchDiscriminator: an image of {shape[1]} x {shape[2]} cannot be halved {halvings} times: "
                "give fewer widths"
            )
        self.body = nn.ModuleList()
        for i, (before, width) in enumerate(pairwise((shape[0], *widths))):
            halve = nn.Conv2d(before, width, 4, stride=2, padding=1)
            conv = halve if i < halvings else nn.Conv2d(before, width, kernel, padding=1)
            norm = group_norm(width) if i else nn.Identity()
            self.body.append(nn.Sequential(conv, norm, LeakyReLU()))
        # a bias would have no gradient while no score is beyond its margin; the norm before it has one
        self.head = nn.Conv2d(widths[-1], 1, kernel, padding=1, bias=False)

    def forward(self, x: Float[Tensor, "b c h w"], context: Context | None = None) -> Float[Tensor, "b u v"]:
        return self.head(self.features(x)[-1])[:, 0]

    def features(self, x: Float[Tensor, "b c h w"]) -> list[Float[Tensor, "b d ..."]]:
        """The output of every hidden layer, from the finest to the coarsest."""
        outputs = []
        for layer in self.body:
            x = layer(x)
            outputs.append(x)
        return outputs
