"""PixelCNN, PixelRNN and PixelCNN++ are causal, and their caches equal the forward pass."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from morphogen.component import ConfigError, from_config, to_config
from morphogen.contract import Causal, Context
from morphogen.families.autoregressive import Recompute
from morphogen.networks import pixel_stack
from morphogen.networks.masked_conv import MaskedConv
from morphogen.networks.pixel_stack import PixelStack, Residual
from morphogen.networks.pixelcnn_pp import PixelCNNPP
from morphogen.networks.pixelrnn import DiagonalBiLSTM, RowLSTM
from morphogen.numerics.tensors import raster

LAYERS = [Residual, RowLSTM, DiagonalBiLSTM]
SHAPES = [(1, 5, 4), (3, 3, 4), (5, 4)]
# shapes with even and with odd sides, and the number of resolutions
STREAMS = [((1, 4, 4), 1), ((1, 7, 5), 3), ((3, 4, 3), 2)]


def stack(layer: Any, shape: tuple[int, ...], vector: int = 0, layers: int = 2, first: int = 3) -> PixelStack:
    torch.manual_seed(1)
    colours = shape[0] if len(shape) == 3 else 1
    return perturbed(
        PixelStack(shape, 5, tuple(layer(12, colours=colours) for _ in range(layers)), first, vector)
    )


def streams(shape: tuple[int, ...], scales: int, vector: int = 0) -> PixelCNNPP:
    torch.manual_seed(1)
    return perturbed(PixelCNNPP(shape, 5, 7, width=6, resnets=1, scales=scales, dropout=0.5, vector=vector))


def perturbed(network: Any) -> Any:
    for p in network.parameters():
        p.data += 0.1 * torch.randn_like(p)
    return network.eval()


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_logit_has_no_gradient_to_its_own_or_later_symbols(layer: Any, shape: tuple[int, ...]) -> None:
    assert not dependencies(stack(layer, shape)).triu().any()


def test_a_first_layer_with_mask_type_b_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        pixel_stack, "MaskedConv", lambda a, b, kernel, kind, colours: MaskedConv(a, b, kernel, "B", colours)
    )
    assert dependencies(stack(Residual, (1, 5, 4))).triu().any()


def test_diagonal_layers_miss_the_last_pixel_above_and_masked_kernels_have_a_blind_spot() -> None:
    shape, earlier = (1, 5, 4), torch.ones(20, 20).tril(-1).bool()
    unseen = (~dependencies(stack(DiagonalBiLSTM, shape)) & earlier).nonzero().tolist()
    # the first kernel, of width 3, covers it from columns 2 and 3
    assert unseen == [[4 * y + x, 4 * y - 1] for y in range(1, 5) for x in (0, 1)]
    blind = ~dependencies(stack(Residual, shape, layers=6)) & earlier
    assert blind[8, 3]  # row 2, first pixel, does not depend on row 0, last pixel


def dependencies(network: PixelStack) -> Tensor:
    """[N, N], whether the logits of symbol i have a gradient to symbol j."""
    shape, values = (
        network.shape,
        network.values(torch.randint(5, (1, *network.image_shape))).requires_grad_(),
    )
    logits = (
        network.logits(network.features(values, None))
        .unflatten(1, (network.image_shape[0], -1))
        .movedim(2, -1)
    )
    rows = []
    for logit in raster(logits.reshape(1, *shape, -1), shape)[0]:
        (gradient,) = torch.autograd.grad(logit.square().sum(), values, retain_graph=True)
        rows.append(raster(gradient.reshape(1, *shape), shape)[0] != 0)
    return torch.stack(rows)


@pytest.mark.parametrize(("shape", "scales"), STREAMS)
def test_streams_depend_on_earlier_pixels_only(shape: tuple[int, ...], scales: int) -> None:
    net, n = streams(shape, scales), shape[1] * shape[2]
    x = torch.randint(5, (1, *shape))
    parameters = net(x, None).flatten(2)[0]
    depends = torch.zeros(n, n, dtype=torch.bool)
    with torch.no_grad():
        for j in range(n):
            other = x.clone().flatten(2)
            other[..., j] = (other[..., j] + 2) % 5
            depends[:, j] = (net(other.view_as(x), None).flatten(2)[0] - parameters).abs().amax(0) > 0
    assert not depends.triu().any() and all(depends[i, i - 1] for i in range(1, n))
    if scales > 1:  # distant rows are in the receptive field of the lower resolutions
        assert depends[-1, : shape[2]].any()


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_cached_decoding_equals_the_forward_pass(layer: Any, shape: tuple[int, ...]) -> None:
    net, context, previous = stack(layer, shape, vector=3), Context(vector=torch.randn(2, 3)), None
    assert isinstance(net, Causal)
    cache, naive = net.make_cache(2, context), Recompute(net, 2, shape, context)
    with torch.no_grad():
        for _ in range(torch.Size(shape).numel()):
            torch.testing.assert_close(cache.step(previous), naive.step(previous), atol=1e-5, rtol=0)
            previous = torch.randint(5, (2,))


@pytest.mark.parametrize(("shape", "scales"), STREAMS)
def test_cached_streams_equal_the_forward_pass(shape: tuple[int, ...], scales: int) -> None:
    net, context, x = (
        streams(shape, scales, vector=3),
        Context(vector=torch.randn(2, 3)),
        torch.randint(5, (2, *shape)),
    )
    with torch.no_grad():
        expected, cache, previous = net(x, context).flatten(2), net.make_cache(2, context), None
        for i, pixel in enumerate(x.flatten(2).unbind(2)):
            torch.testing.assert_close(cache.step(previous), expected[..., i], atol=1e-5, rtol=0)
            previous = pixel


@pytest.mark.parametrize(
    "net",
    [*(stack(layer, (3, 3, 4), 3) for layer in LAYERS), streams((3, 4, 3), 2, 3)],
    ids=lambda net: type(net).__name__,
)
def test_every_parameter_has_a_gradient_and_the_config_rebuilds_the_network(net: nn.Module) -> None:
    x = torch.randint(5, (2, *net.shape))
    net(x, Context(vector=torch.randn(2, 3))).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())
    again = from_config(to_config(net)).eval()
    again.load_state_dict(net.state_dict())
    assert torch.equal(again(x, None), net(x, None))


def test_invalid_arguments_raise() -> None:
    with pytest.raises(ConfigError, match="take 12"):
        RowLSTM(10, colours=3)
    with pytest.raises(ConfigError, match="of 3 colours"):
        PixelStack((3, 4, 4), 5, (Residual(12),))
    with pytest.raises(ConfigError, match="one or more of equal width"):
        PixelStack((1, 4, 4), 5, ())
    with pytest.raises(ConfigError, match="both must be at least 1"):
        PixelCNNPP((1, 4, 4), 5, 7, resnets=0)
