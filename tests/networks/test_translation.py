"""The generators of pix2pix and CycleGAN: dropout by latents, skip connections, published sizes."""

import pytest
import torch
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.conditioning.specs import Sketches
from morphogen.contract import Context
from morphogen.networks.concat_condition import ConcatCritic
from morphogen.networks.patch_discriminator import PatchDiscriminator
from morphogen.networks.translation_resnet import TranslationResNet
from morphogen.networks.translation_unet import TranslationUNet
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Pixels
from morphogen.systems.cyclegan import cyclegan
from morphogen.systems.pix2pix import pix2pix


def unet(dropped: int = 2) -> TranslationUNet:
    torch.manual_seed(0)
    return TranslationUNet((3, 16, 24), 1, (4, 8, 8), dropped)


def latents(network: TranslationUNet, rows: int, temperature: float = 1.0) -> dict[str, Tensor]:
    return {n: temperature * Rng(1, rows).fork(n).normal(*shape) for n, shape in network.latent.items()}


def test_the_shape_of_the_output_and_that_the_condition_reaches_it_through_the_skips() -> None:
    network, c = unet(), Rng(0, 2).uniform(1, 16, 24)
    assert network.latent == {"dropout 0": (8, 4, 6), "dropout 1": (4, 8, 12)}
    out = network(latents(network, 2), Context(spatial=c))
    assert out.shape == (2, 3, 16, 24) and out.abs().max() <= 1
    changed = c.clone()
    changed[0, 0, 3, 5] += 1
    other = network(latents(network, 2), Context(spatial=changed))
    assert torch.equal(out[1], other[1]) and (out - other)[0].abs().max() > 1e-4


def test_latents_are_dropout_with_probability_a_half() -> None:
    """n = 4000 values, seed 1: the fraction that is kept is 0.5 to 4 standard errors, each with factor 2."""
    network = TranslationUNet((1, 4, 4), 1, (2, 2), dropped=1)
    factors = 1 + latents(network, 500)["dropout 0"].sign()
    assert set(factors.unique().tolist()) == {0.0, 2.0} and factors.numel() == 4000
    assert abs((factors > 0).float().mean() - 0.5) < 4 * 0.5 / 4000**0.5


def test_temperature_0_is_the_network_without_dropout() -> None:
    dropping, plain = unet(2), unet(0)
    plain.load_state_dict(dropping.state_dict())
    context = Context(spatial=Rng(0, 2).uniform(1, 16, 24))
    at_zero = dropping(latents(dropping, 2, temperature=0.0), context)
    assert torch.equal(at_zero, plain({}, context))
    assert not torch.equal(at_zero, dropping(latents(dropping, 2), context))


def test_a_residual_generator_keeps_the_sides_and_rows_are_independent() -> None:
    torch.manual_seed(0)
    network, x = TranslationResNet((3, 8, 12), 1, (4, 8), 1, 3), Rng(0, 3).uniform(1, 8, 12)
    out = network(x)
    assert out.shape == (3, 3, 8, 12) and torch.allclose(network(x[1:2]), out[1:2], atol=1e-6)


def test_the_published_numbers_of_parameters() -> None:
    """Those of the public implementations, in millions, within 0.1 %: 54.414 and 2.769, 11.378 and 2.765."""

    def millions(network: torch.nn.Module) -> float:
        return sum(p.numel() for p in network.parameters()) / 1e6

    with torch.device("meta"):
        colour = Pixels(256, (3, 256, 256))
        generator = pix2pix(colour, Sketches(), "paper").objective.network
        assert millions(TranslationUNet(generator.shape, 3, generator.widths)) == pytest.approx(54.414, 1e-3)
        critic = ConcatCritic(PatchDiscriminator((6, 256, 256), kernel=4), 3)
        assert millions(critic) == pytest.approx(2.769, 1e-3)
        objective = cyclegan(colour, colour, "paper").objective
        assert millions(objective.network) == pytest.approx(11.378, 1e-3)
        assert millions(objective.critic) == pytest.approx(2.765, 1e-3)
        assert PatchDiscriminator((3, 256, 256), kernel=4)(torch.zeros(1, 3, 256, 256)).shape == (1, 30, 30)


def test_invalid_arguments_are_refused() -> None:
    with pytest.raises(ConfigError, match="cannot be halved"):
        TranslationUNet((1, 6, 6), 1, (4, 4))
    with pytest.raises(ConfigError, match="dropped=2: give 0 to 1"):
        TranslationUNet((1, 8, 8), 1, (4, 4), dropped=2)
    with pytest.raises(ConfigError, match="TranslationUNet translates pictures, and none is given"):
        unet(0)({}, None)
