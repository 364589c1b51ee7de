"""The U-Net with design "ddpm" against diffusers' UNet2DModel: equal outputs for equal weights (<= 1e-5)."""

import pytest
import torch
from torch import Tensor

from morphogen.networks.unet import UNet

pytest.importorskip("diffusers")
from benchmarks.peers.diffusers_unet import copy_weights, unet2d

SIZES = [((1, 32, 32), 64, (1, 2, 2), (16,)), ((3, 16, 16), 32, (1, 2, 2), (8, 4))]


def both(
    shape: tuple[int, int, int], channels: int, multipliers: tuple[int, ...], attention: tuple[int, ...]
) -> tuple[UNet, object]:
    torch.manual_seed(0)
    theirs = unet2d(shape, channels, multipliers, attention).eval()
    for parameter in theirs.parameters():  # biases initialized to 0 would hide a misplaced one
        parameter.data += 0.02 * torch.randn_like(parameter)
    heads = channels * multipliers[-1] // 8  # theirs has 8 channels per head
    ours = UNet(shape, channels, multipliers, attention=attention, heads=heads, design="ddpm").eval()
    copy_weights(theirs, ours)
    return ours, theirs


@torch.no_grad()
def max_difference(ours: UNet, theirs: object, shape: tuple[int, int, int]) -> float:
    x, t = torch.randn(4, *shape), torch.tensor([0, 7, 500, 999])
    expected: Tensor = theirs(x, t).sample  # type: ignore[operator]
    assert expected.std() > 0.05
    return (ours(x, t / 1000) - expected).abs().max().item()


@pytest.mark.parametrize("size", SIZES)
def test_the_same_weights_give_the_same_output(size: tuple) -> None:
    ours, theirs = both(*size)
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())  # type: ignore[attr-defined]
    assert max_difference(ours, theirs, size[0]) <= 1e-5


@torch.no_grad()
def test_swapped_sine_and_cosine_features_are_detected() -> None:
    ours, theirs = both(*SIZES[1])
    ours.time.inner.weight.copy_(ours.time.inner.weight.roll(16, 1))
    assert max_difference(ours, theirs, SIZES[1][0]) > 1e-3
