r"""ControlNet: a second encoder that steers a trained U-Net by a spatial condition.

    feature_i + Z_i copy_i(stem(x) + Z hint(c))          for each skip connection i, and the middle

The trained network is frozen. A copy of its encoder sees the condition c, such as a sketch, a mask or depth,
and is added to the features of the frozen one by convolutions Z that are 0 at first: training starts from the
frozen model itself, and cannot lose what it has learned.

Adding conditional control to text-to-image diffusion models, Zhang, Rao & Agrawala, 2023.
"""

__all__ = ["ControlNet"]

import copy
from typing import Any, Self

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.contract import Boundary, Context
from morphogen.networks.axes import conv_class
from morphogen.networks.concat_condition import planes_of
from morphogen.networks.unet import UNet


class ControlNet(Component, nn.Module):
    """(x [B, C, ...], t [B], context) -> the output of the model's U-Net, steered by `context.spatial`.

    At initialization, and where the planes Z are 0, it is the output of the model's network bit for bit. It
    takes the place of that network in an objective of the same target; Zhang et al. 2023, section 3.

    Arguments:
        model: a trained diffusion model with a `UNet`, which is not trained any further.
        channels: of `context.spatial`; zeros are used without a condition.

    Errors: ConfigError for a model without a U-Net.
    """

    def __init__(self, model: Any, channels: int):
        super().__init__()
        network = getattr(getattr(model, "objective", None), "network", None)
        if not isinstance(network, UNet) or not isinstance(model, Boundary):
            raise ConfigError(
                f"ControlNet steers a diffusion model with a U-Net, and {type(model).__name__} has none: "
                "train ddpm or v_diffusion, and give its model"
            )
        self.model: Any = model
        self.channels = channels
        self.encoder = copy.deepcopy(network)
        del self.encoder.up_blocks, self.encoder.norm, self.encoder.out
        conv, inputs = conv_class(network.axes), channels * network.patch**network.axes
        self.hint = nn.Sequential(conv(inputs, network.channels, 3, padding=1), nn.SiLU())
        self.hint_zero = _zero(conv(network.channels, network.channels, 1))
        widths = [*network.skip_channels, network.skip_channels[-1]]
        self.zeros = nn.ModuleList(_zero(conv(width, width, 1)) for width in widths)
        self.model.eval()

    def forward(
        self, x: Float[Tensor, "b c *n"], t: Float[Tensor, " b"], context: Context | None = None
    ) -> Float[Tensor, "b c *n"]:
        """Errors: ConfigError for a condition of another shape."""
        frozen: UNet = self.model.objective.network
        planes, folded = planes_of(x, context, self.channels), frozen.fold(x)
        with torch.no_grad():
            vector = frozen.embed(t, context)
            features = frozen.encode(frozen.stem(folded), vector, context)
        own = self.encoder.embed(t, context)
        h = self.encoder.stem(folded) + self.hint_zero(self.hint(self.encoder.fold(planes)))
        steps = zip(features, self.zeros, self.encoder.encode(h, own, context), strict=True)
        steered = [feature + zero(step) for feature, zero, step in steps]
        return frozen.decode(steered, vector, context, tuple(x.shape[2:]))

    @torch.no_grad()
    def copy_trained(self) -> None:
        """Start the copy from the model's weights, as stages do once their base is trained."""
        trained = dict(self.model.objective.network.named_parameters())
        for name, parameter in self.encoder.named_parameters():
            parameter.copy_(trained[name])

    def train(self, mode: bool = True) -> Self:
        """Set the mode; the model itself stays in evaluation mode."""
        super().train(mode)
        self.model.eval()
        return self


def _zero(conv: nn.Module) -> nn.Module:
    """A convolution that is 0 at initialization."""
    for parameter in conv.parameters():
        nn.init.zeros_(parameter)
    return conv
