"""The networks of StyleGAN2: modulated convolutions, styles, noise, and the deviation of a minibatch."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import ConfigError, from_config, to_config
from morphogen.context import Context
from morphogen.model import parameters
from morphogen.networks.blur import Blur
from morphogen.networks.equalized import LEAKY_GAIN, EqualizedConv2d, EqualizedLinear
from morphogen.networks.leaky_relu import leaky_relu
from morphogen.networks.minibatch_std import MinibatchStd
from morphogen.networks.modulated_conv import EPS, ModulatedConv2d
from morphogen.networks.stylegan2 import MappingNetwork, StyleGAN2Critic, StyleGAN2Generator, unit_rms
from morphogen.numerics.randomness import Rng

SHAPE = (1, 8, 8)


def normals(network: StyleGAN2Generator, rows: int | Tensor = 4, seed: int = 0) -> dict[str, Tensor]:
    rng = Rng(seed, rows)
    return {name: rng.fork(name).normal(*shape) for name, shape in network.latents.items()}


@pytest.fixture
def generator() -> StyleGAN2Generator:
    """A generator whose noise has an effect, and that mixes no styles."""
    torch.manual_seed(0)
    network = StyleGAN2Generator(6, SHAPE, (3, 5), depth=2)
    for name, parameter in network.named_parameters():
        if name.endswith("strength"):
            nn.init.constant_(parameter, 0.3)
    return network.eval()


def grouped(conv: ModulatedConv2d, x: Tensor, w: Tensor) -> Tensor:
    """The definition: a convolution of each row with weights of its own, after bilinear interpolation."""
    weight = conv.affine(w)[:, None, :, None, None] * conv.weight / math.sqrt(conv.weight[0].numel())
    if conv.demodulate:
        weight = weight / (weight.square().sum((2, 3, 4), keepdim=True) + EPS).sqrt()
    if conv.blur is not None:  # zeros between the pixels; a transposed convolution has flipped weights
        zeros = x.new_zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
        zeros[:, :, ::2, ::2] = x
        x, weight = zeros, weight.flip(3, 4)
    pad = conv.kernel // 2 if conv.blur is None else 0
    x = x if conv.blur is None else F.pad(x, (2, 1, 2, 1))
    y = F.conv2d(x.flatten(0, 1)[None], weight.flatten(0, 1), padding=pad, groups=len(x))
    y = y[0].unflatten(0, (len(w), -1))
    return conv.gain * (y if conv.blur is None else conv.blur(y))


@torch.no_grad()
@pytest.mark.parametrize("options", [{}, {"up": True}, {"kernel": 1, "demodulate": False}, {"gain": 2.0}])
def test_modulated_convolution_equals_a_convolution_with_weights_of_each_row(options: dict) -> None:
    torch.manual_seed(1)
    conv, x, w = ModulatedConv2d(3, 4, style=5, **options), torch.randn(2, 3, 6, 8), torch.randn(2, 5)
    assert torch.allclose(conv(x, w), grouped(conv, x, w), atol=1e-5)


@torch.no_grad()
def test_demodulation_keeps_a_variance_of_one() -> None:
    """Inputs N(0, 1), large styles, 36,992 outputs of seed 0: 1 within 3 %, above 5 without demodulation."""
    torch.manual_seed(0)
    conv, w = ModulatedConv2d(16, 8, style=5), 10 * torch.randn(4, 5)
    variances = {}
    for conv.demodulate in (True, False):
        y = conv(torch.randn(4, 16, 36, 36), w)[:, :, 1:-1, 1:-1]  # the zeros at the border have none
        variances[conv.demodulate] = y.var().item()
    assert variances[True] == pytest.approx(1, abs=0.03) and variances[False] > 5


@torch.no_grad()
def test_doubling_is_bilinear_interpolation_followed_by_a_convolution() -> None:
    torch.manual_seed(2)
    conv, x, w = (
        ModulatedConv2d(2, 3, style=4, up=True, demodulate=False),
        torch.randn(1, 2, 8, 8),
        torch.randn(1, 4),
    )
    big = F.interpolate(x * conv.affine(w)[:, :, None, None], scale_factor=2, mode="bilinear")
    expected = F.conv2d(big, conv.weight.flip(2, 3) / math.sqrt(18), padding=1)
    inside = (..., slice(3, -3), slice(3, -3))
    assert torch.allclose(conv(x, w)[inside], expected[inside], atol=1e-5)


@torch.no_grad()
def test_layers_keep_the_second_moment_and_have_an_equalized_learning_rate() -> None:
    """1,000 rows of 64 features, seed 0: the second moment is 1 within 10 %, for any factor on the rate."""
    torch.manual_seed(0)
    x = torch.randn(1000, 64)
    for lr in (1.0, 0.01):
        layer = EqualizedLinear(64, 64, lr=lr, gain=LEAKY_GAIN)
        assert leaky_relu(layer(x)).square().mean() == pytest.approx(1, rel=0.1)
        assert layer.weight.std() == pytest.approx(1 / lr, rel=0.05)
        before = layer(x)
        layer.weight += 1.0
        assert torch.allclose(layer(x) - before, LEAKY_GAIN * lr / 8 * x.sum(1, keepdim=True), atol=1e-3)
    conv = EqualizedConv2d(8, 4, 3, gain=2.0)
    assert conv(torch.randn(8, 8, 20, 20))[..., 1:-1, 1:-1].var() == pytest.approx(4, rel=0.3)


@torch.no_grad()
def test_the_mapping_sees_only_the_direction_of_z() -> None:
    torch.manual_seed(0)
    z = torch.randn(3, 6)
    assert torch.allclose(unit_rms(z).square().mean(1), torch.ones(3), atol=1e-5)
    for vector, given in ((0, None), (2, torch.eye(2)[[0, 1, 1]])):
        mapping = MappingNetwork(6, 3, vector)
        assert torch.allclose(mapping(z, given), mapping(5 * z, given), atol=1e-5)
        assert not torch.allclose(mapping(z, given), mapping(-z, given), atol=1e-2)


@torch.no_grad()
def test_blur_keeps_the_mean_and_removes_the_highest_frequency() -> None:
    checkered = (-1.0) ** torch.arange(8) * torch.ones(1, 1, 8, 1)
    assert torch.allclose(Blur(padding=0)(torch.ones(1, 2, 8, 8)), torch.ones(1, 2, 5, 5))
    assert torch.allclose(Blur(padding=0)(checkered), torch.zeros(1, 1, 5, 5), atol=1e-6)


@pytest.mark.parametrize(("rows", "size"), [(8, 4), (6, 3), (5, 1), (2, 2)])
def test_minibatch_deviation_is_that_of_the_groups(rows: int, size: int) -> None:
    x = torch.randn(rows, 3, 2, 4, generator=torch.Generator().manual_seed(0))
    y = MinibatchStd(4)(x)
    for row in range(rows):
        group = x[row % (rows // size) :: rows // size]
        assert len(group) == size
        expected = (group.var(0, unbiased=False) + 1e-8).sqrt().mean()
        assert torch.allclose(y[row, 3], expected.expand(2, 4), atol=1e-6)
    assert torch.equal(y[:, :3], x) and MinibatchStd.coupled_rows


@torch.no_grad()
@pytest.mark.parametrize("side", [8, 28, 32, 64])
def test_pictures_of_any_side(side: int) -> None:
    widths = {8: (4, 4), 28: (2, 4, 4), 32: (2, 2, 4, 4), 64: (2, 2, 2, 4, 4)}[side]
    network, critic = (
        StyleGAN2Generator(4, (3, side, side), widths, 1),
        StyleGAN2Critic((3, side, side), widths),
    )
    x = network(normals(network))
    assert x.shape == (4, 3, side, side) and critic(x).shape == (4,)
    layers = 2 * len(widths)
    assert (
        len(network.noise_sizes) == layers - 1 and network.styles(torch.randn(1, 4), None).shape[1] == layers
    )


def test_a_picture_that_cannot_be_halved_is_refused() -> None:
    with pytest.raises(ConfigError, match="fewer widths"):
        StyleGAN2Generator(4, (1, 6, 6), (4, 4, 4))
    with pytest.raises(ConfigError, match="fewer widths"):
        StyleGAN2Critic((1, 6, 6), (4, 4, 4))


@torch.no_grad()
def test_mixing_replaces_the_style_of_the_later_layers_in_training_only(
    generator: StyleGAN2Generator,
) -> None:
    z = normals(generator)
    second = z | {"z": z["second_z"]}
    z["crossover"] = torch.tensor([[-9.0, 0.0], [9.0, 0.0], [-9.0, -9.0], [-9.0, 9.0]])  # u is 0, 1/2 or 1
    assert torch.equal(generator(z), generator(z | {"crossover": -z["crossover"]}))
    assert generator._mixed(z["crossover"]).int().tolist() == [[0, 0, 1, 1], [0] * 4, [0, 1, 1, 1], [0] * 4]
    plain, other = generator(z), generator(second)
    mixed = generator.train()(z)
    assert torch.allclose(mixed[[1, 3]], plain[[1, 3]], atol=1e-5)  # convolutions round rows differently
    for row in (0, 2):
        assert not torch.allclose(mixed[row], plain[row]) and not torch.allclose(mixed[row], other[row])
    generator.mixing = 0.0
    assert torch.equal(generator(z), plain)


@torch.no_grad()
def test_rows_are_mixed_with_the_given_probability(generator: StyleGAN2Generator) -> None:
    """2,000 rows of seed 3: a fraction 0.9 +- 0.02 (3 sigma), the first mixed layer uniform in 1, 2, 3."""
    mixed = generator._mixed(Rng(3, 2000).normal(2))
    assert mixed.any(1).float().mean() == pytest.approx(0.9, abs=0.02)
    counts = mixed.sum(1).bincount(minlength=5)
    assert counts[4] == 0 and (counts[1:4] - 600).abs().max() < 62


@torch.no_grad()
def test_truncation_moves_the_style_towards_its_mean(generator: StyleGAN2Generator) -> None:
    z = normals(generator)
    still = {"z": z["z"]}
    mean = generator.truncated(still, None, 0.0)
    assert torch.allclose(mean, mean[:1].expand_as(mean), atol=1e-5)
    styles = generator.mean_style(None)[:, None].expand(-1, 4, -1)
    assert torch.allclose(mean[:1], generator.synthesis(styles), atol=1e-6)
    assert torch.allclose(generator.truncated(z, None, 1.0), generator(z), atol=1e-5)
    spread = [generator.truncated(still, None, psi).var(0).sum() for psi in (0.3, 0.6, 1.0)]
    assert spread == sorted(spread)
    exact = generator.mapping(Rng(5, 100_000).normal(6)).mean(
        0
    )  # 1,024 fixed z: within 5 deviations of the mean
    assert torch.allclose(generator.mean_style(None)[0], exact, atol=5 / 32)


@torch.no_grad()
def test_the_mean_style_of_a_row_is_that_of_its_condition() -> None:
    torch.manual_seed(0)
    network = StyleGAN2Generator(6, SHAPE, (3, 5), depth=2, vector=3).eval()
    context = Context(vector=torch.eye(3)[[2, 0, 2, 1]])
    means = network.mean_style(context)
    assert torch.equal(means[0], means[2]) and not torch.allclose(means[0], means[1], atol=1e-3)
    assert torch.allclose(means[1:2], network.mean_style(context[1:2]), atol=1e-6)
    z = normals(network)
    one = {name: part[1:2] for name, part in z.items()}
    alone = network.truncated(one, context[1:2], 0.7)
    assert torch.allclose(network.truncated(z, context, 0.7)[1:2], alone, atol=1e-5)


@torch.no_grad()
def test_noise_has_no_effect_before_training_and_is_that_of_the_row(generator: StyleGAN2Generator) -> None:
    z, other = normals(generator), normals(generator, seed=1)
    changed = generator(z | {"noise": other["noise"]})
    assert not torch.allclose(changed, generator(z))
    fresh = StyleGAN2Generator(6, SHAPE, (3, 5), depth=2).eval()
    assert torch.equal(fresh(z), fresh({"z": z["z"]}))
    rows = torch.tensor([2, 0])
    assert torch.allclose(generator(normals(generator, rows)), generator(z)[rows], atol=1e-5)


@pytest.mark.parametrize("vector", [0, 3])
def test_gradients_reach_every_parameter(vector: int) -> None:
    torch.manual_seed(0)
    network = StyleGAN2Generator(6, SHAPE, (3, 5), depth=2, vector=vector)
    critic = StyleGAN2Critic(SHAPE, (3, 5), vector=vector)
    context = Context(vector=torch.eye(3)[[0, 1, 2, 0]]) if vector else None
    F.softplus(-critic(network(normals(network), context), context)).sum().backward()
    for part in (network, critic):
        for name, parameter in part.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@torch.no_grad()
def test_the_critic_projects_the_condition_and_sees_the_variety_of_its_group() -> None:
    torch.manual_seed(0)
    critic, x = StyleGAN2Critic(SHAPE, (3, 5), vector=3), torch.randn(4, *SHAPE)
    contexts = [Context(vector=torch.eye(3)[[label] * 4]) for label in range(3)]
    scores = [critic(x, context) for context in (None, *contexts)]
    assert all(not torch.allclose(a, b) for i, a in enumerate(scores) for b in scores[:i])
    same = x[:1].expand(4, -1, -1, -1)
    assert not torch.allclose(critic(same)[:1], critic(x)[:1], atol=1e-4)
    apart = StyleGAN2Critic(SHAPE, (3, 5), group=0)
    assert torch.allclose(apart(same)[:1], apart(x)[:1], atol=1e-5)


def test_config_and_weights_rebuild_the_networks(generator: StyleGAN2Generator) -> None:
    for network in (generator, StyleGAN2Critic(SHAPE, (3, 5), group=2, vector=3)):
        rebuilt = from_config(to_config(network)).eval()
        rebuilt.load_state_dict(network.state_dict())
        assert to_config(rebuilt) == to_config(network)
    again = from_config(to_config(generator)).eval()
    again.load_state_dict(generator.state_dict())
    z = normals(generator)
    assert torch.equal(again(z), generator(z))


def test_networks_at_1024_pixels_have_the_parameters_of_the_authors() -> None:
    """Their code lists 28,794,124 and 29,012,513 with two layers in the mapping; config F has eight."""
    widths = (32, 64, 128, 256, 512, 512, 512, 512, 512)
    with torch.device("meta"):
        network, critic = (
            StyleGAN2Generator(512, (3, 1024, 1024), widths),
            StyleGAN2Critic((3, 1024, 1024), widths),
        )
        shallow = StyleGAN2Generator(512, (3, 1024, 1024), widths, depth=2)
    assert (parameters(shallow), parameters(critic)) == (28_794_124, 29_012_513)
    assert parameters(network) == 30_370_060
