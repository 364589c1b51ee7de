"""Spatial conditioning by concatenation: the condition as additional input channels of a network.

    network([x, context.spatial])[:C]         of a network whose output has the shape of x
    critic([x, context.spatial])              of a critic, which judges whether x and the condition fit

References: Palette: image-to-image diffusion models, Saharia et al., 2022; Image-to-image translation with
conditional adversarial networks, Isola, Zhu, Zhou & Efros, 2017.
"""

__all__ = ["ConcatCondition", "ConcatCritic", "planes_of", "required_planes", "with_planes"]

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.contract import Context


class ConcatCondition(Component, nn.Module):
    """Concatenate the spatial condition to x: (x [B, C, ...], t [B], context) -> [B, C, ...].

    Saharia et al. 2022; for images or signals.

    Arguments:
        network: maps C + S channels to C + S channels; the last S output channels are discarded.
        channels: S, channels of `context.spatial`; zeros are used without a condition.
    """

    def __init__(self, network: nn.Module, channels: int):
        super().__init__()
        self.network, self.channels = network, channels

    def forward(
        self, x: Float[Tensor, "b c *n"], t: Float[Tensor, " b"], context: Context | None = None
    ) -> Float[Tensor, "b c *n"]:
        """Errors: ConfigError for a condition of another shape."""
        return self.network(with_planes(x, context, self.channels), t, context)[:, : x.shape[1]]


class ConcatCritic(Component, nn.Module):
    """Scores of x and its spatial condition: (x [B, C, ...], context) -> scores [B, ...] (Isola et al. 2017).

    Arguments:
        network: the critic, x of C + S channels, context -> scores.
        channels: S, channels of `context.spatial`; zeros are used without a condition.
    """

    def __init__(self, network: nn.Module, channels: int):
        super().__init__()
        self.network, self.channels = network, channels

    def forward(self, x: Float[Tensor, "b c *n"], context: Context | None = None) -> Float[Tensor, "b ..."]:
        """Errors: ConfigError for a condition of another shape."""
        return self.network(with_planes(x, context, self.channels), context)


def planes_of(x: Float[Tensor, "b c *n"], context: Context | None, channels: int) -> Float[Tensor, "b s *n"]:
    """The spatial condition of x, of this many channels; 0 if there is none.

    Errors: ConfigError for one of another shape.
    """
    expected = [len(x), channels, *x.shape[2:]]
    given = None if context is None else context.spatial
    return (x.new_zeros(expected) if given is None else _checked(given, expected)).to(x.dtype)


def required_planes(
    owner: object, context: Context | None, shape: tuple[int, ...] | None = None
) -> Float[Tensor, "b s ..."]:
    """The spatial condition of a model of pictures that needs one.

    Arguments:
        owner: the part that needs it, for errors.
        context: that has it.
        shape: of the condition, (S, ...); None: any.

    Errors: ConfigError if there is none, or for one of another shape.
    """
    if context is None or context.spatial is None:
        raise ConfigError(
            f"{type(owner).__name__} translates pictures, and none is given: give one for each sample, "
            "sample(n, condition=pictures)"
        )
    given = context.spatial
    return given if shape is None else _checked(given, [len(given), *shape])


def with_planes(
    x: Float[Tensor, "b c *n"], context: Context | None, channels: int
) -> Float[Tensor, "b e *n"]:
    """x with the spatial condition as further channels, zeros without one.

    Arguments:
        x: of the network.
        context: that has the condition, if there is one.
        channels: of the condition.

    Errors: ConfigError for a condition of another shape.
    """
    return torch.cat([x, planes_of(x, context, channels)], 1)


def _checked(condition: Tensor, expected: list[int]) -> Tensor:
    """The condition. Errors: ConfigError if it has another shape."""
    if list(condition.shape) != expected:
        raise ConfigError(
            f"the spatial condition has shape {list(condition.shape)}: it must match x, {expected}"
        )
    return condition
