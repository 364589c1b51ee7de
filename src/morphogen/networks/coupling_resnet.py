"""The residual network inside a coupling: a picture in, twice its channels out (Dinh et al. 2017, section 4.1)."""

__all__ = ["CouplingResNet"]

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.contract import Context
from morphogen.networks.positions import Places
from morphogen.networks.residual import ResidualBlock, activated, groups


class CouplingResNet(Component, nn.Module):
    """Residual blocks at one resolution, zero at the start, so that a coupling starts as the identity.

    It differs from the paper's in group for batch normalisation and in knowing where it is, and what is asked there (`Places`
    after its first layer), for pictures that are centred (digits, faces).

    Arguments:
        shape: of x, (C, H, W).
        width: channels inside.
        blocks: residual blocks of two convolutions.
        vector: width of `context.vector`, heard in every block (0: none).
        patch: patch x patch places are read as one place of patch^2 C channels, and written back.
        dropout: inside the blocks.
    """

    def __init__(self, shape: tuple[int, int, int], width: int, blocks: int, vector: int = 0, patch: int = 1, dropout: float = 0.0):
        super().__init__()
        c, h, w = shape
        self.shape, self.width, self.blocks, self.vector = (c, h, w), width, blocks, vector
        self.patch, self.dropout = patch, dropout
        self.enter = nn.Conv2d(c * patch**2, width, 3, padding=1)
        self.places = Places((h // patch, w // patch), width, vector)
        self.body = nn.ModuleList(ResidualBlock(width, width, vector, dropout=dropout) for _ in range(blocks))
        self.norm = groups(width)
        self.leave = nn.Conv2d(width, 2 * c * patch**2, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, x: Float[Tensor, "b c h w"], context: Context | None) -> Float[Tensor, "b 2*c h w"]:
        vector = None if context is None else context.vector
        h = self.places(self.enter(rearrange(x, "b c (h p) (w q) -> b (c p q) h w", p=self.patch, q=self.patch)), vector)
        for block in self.body:
            h = block(h, vector)
        out = self.leave(activated(self.norm, h))
        return rearrange(out, "b (c p q) h w -> b c (h p) (w q)", p=self.patch, q=self.patch)
