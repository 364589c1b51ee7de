"""The U-Net of Imagen's upsamplers, which works at low resolution."""

import pytest
import torch

from morphogen.component import ConfigError
from morphogen.contract import Context
from morphogen.networks.efficient_unet import EfficientUNet
from morphogen.networks.residual import ResidualBlock


def unet(shape: tuple[int, int, int] = (3, 16, 16)) -> EfficientUNet:
    torch.manual_seed(0)
    network = EfficientUNet(shape, 8, (1, 2), (1, 3), attention=(4,), heads=2, vector=(5, 6))
    torch.nn.init.normal_(network.out.weight, std=0.1)
    return network


def test_no_block_works_at_the_resolution_of_x_and_most_at_the_lowest() -> None:
    network, heights = unet(), list[int]()
    for part in network.modules():
        if isinstance(part, ResidualBlock):
            part.register_forward_hook(lambda _, arguments, __: heights.append(arguments[0].shape[2]))
    network(torch.randn(1, 3, 16, 16), torch.rand(1))
    assert heights == [8, 4, 4, 4, 4, 4, 4, 8]


def test_skip_connections_are_scaled_by_the_root_of_two() -> None:
    """The first block of a level on the way up gets the features of the way down, divided by it."""
    network, seen = unet(), dict[str, torch.Tensor]()
    network.down_levels[1].register_forward_hook(lambda _, __, output: seen.update(down=output))
    network.up_levels[1].register_forward_pre_hook(lambda _, arguments: seen.update(up=arguments[0]))
    network(torch.randn(1, 3, 16, 16), torch.rand(1))
    h, skip = seen["up"].chunk(2, 1)
    assert torch.equal(h, seen["down"]) and torch.allclose(skip * 2**0.5, h)


def test_it_is_zero_at_initialization_and_reads_time_vector_and_tokens_afterwards() -> None:
    x, t = torch.randn(2, 3, 16, 16), torch.rand(2)
    vector, tokens = torch.randn(2, 5), torch.randn(2, 4, 6)
    assert not EfficientUNet((3, 16, 16), 8, (1, 2), (1, 1))(x, t).any()
    network = unet()
    for part in network.modules():
        for parameter in part.parameters(recurse=False):
            torch.nn.init.normal_(parameter, std=0.1)
    outputs = [network(x, t), network(x, t / 2), network(x, t, Context(vector, tokens))]
    outputs += [network(x, t, Context(-vector, tokens)), network(x, t, Context(vector, -tokens))]
    assert all(not torch.allclose(outputs[i], outputs[j]) for i in range(5) for j in range(i))


def test_sides_that_the_levels_do_not_divide_are_padded() -> None:
    network, x = unet((3, 9, 14)), torch.randn(2, 3, 9, 14)
    assert network(x, torch.rand(2)).shape == x.shape


def test_blocks_of_another_number_of_levels_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"blocks \(1, 2\) are not one number for each of \(1, 2, 4\)"):
        EfficientUNet((3, 8, 8), 8, (1, 2, 4), (1, 2))
