"""The residual network of a coupling layer, from C to 2 C channels (Dinh et al. 2017, section 4.1)."""

__all__ = ["CouplingResNet"]

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.contract import Context
from morphogen.networks.positions import PositionBias
from morphogen.networks.residual import ResidualBlock, group_norm, norm_silu


class CouplingResNet(Component, nn.Module):
    """Residual network at one resolution; its output is zero at initialization, its coupling the identity.

    Differences to the paper: group instead of batch normalisation, and a position bias after the first layer,
    which may depend on `context.vector` (`PositionBias`), for images with centred content such as digits and
    faces.

    Arguments:
        shape: (C, H, W) of x.
        width: hidden channels.
        blocks: number of residual blocks, of two convolutions each.
        vector: width of `context.vector`, which modulates every block (0: unconditional).
        patch: patches of patch x patch pixels are folded into patch^2 C channels at the input and unfolded at
            the output.
        dropout: in the residual blocks.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        width: int,
        blocks: int,
        vector: int = 0,
        patch: int = 1,
        dropout: float = 0.0,
    ):
        super().__init__()
        c, h, w = shape
        self.shape, self.width, self.blocks, self.vector = (c, h, w), width, blocks, vector
        self.patch, self.dropout = patch, dropout
        self.stem = nn.Conv2d(c * patch**2, width, 3, padding=1)
        self.position_bias = PositionBias((h // patch, w // patch), width, vector)
        self.body = nn.ModuleList(ResidualBlock(width, width, vector, dropout=dropout) for _ in range(blocks))
        self.norm = group_norm(width)
        self.head = nn.Conv2d(width, 2 * c * patch**2, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, x: Float[Tensor, "b c h w"], context: Context | None) -> Float[Tensor, "b 2*c h w"]:
        vector = None if context is None else context.vector
        patches = rearrange(x, "b c (h p) (w q) -> b (c p q) h w", p=self.patch, q=self.patch)
        h = self.position_bias(self.stem(patches), vector)
        for block in self.body:
            h = block(h, vector)
        output = self.head(norm_silu(self.norm, h))
        return rearrange(output, "b (c p q) h w -> b c (h p) (w q)", p=self.patch, q=self.patch)
