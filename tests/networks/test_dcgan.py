"""DCGAN: equal to the public PyTorch example, and which rows and conditions an output depends on."""

import pytest
import torch
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Context
from morphogen.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from morphogen.ownership import coupled_parts

SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 24, 16)]
NZ, NGF = 100, 64  # of the example


def example_generator(nz: int = NZ, f: int = NGF) -> nn.Sequential:
    """The generator for 64 x 64 of the paper's figure 1, as the public PyTorch example writes it."""
    return nn.Sequential(
        nn.ConvTranspose2d(nz, f * 8, 4, 1, 0, bias=False), nn.BatchNorm2d(f * 8), nn.ReLU(True),
        nn.ConvTranspose2d(f * 8, f * 4, 4, 2, 1, bias=False), nn.BatchNorm2d(f * 4), nn.ReLU(True),
        nn.ConvTranspose2d(f * 4, f * 2, 4, 2, 1, bias=False), nn.BatchNorm2d(f * 2), nn.ReLU(True),
        nn.ConvTranspose2d(f * 2, f, 4, 2, 1, bias=False), nn.BatchNorm2d(f), nn.ReLU(True),
        nn.ConvTranspose2d(f, 3, 4, 2, 1, bias=False), nn.Tanh(),
    )  # fmt: skip


def example_discriminator(f: int = NGF) -> nn.Sequential:
    """The discriminator, without the sigmoid."""
    return nn.Sequential(
        nn.Conv2d(3, f, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(f, f * 2, 4, 2, 1, bias=False), nn.BatchNorm2d(f * 2), nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(f * 2, f * 4, 4, 2, 1, bias=False), nn.BatchNorm2d(f * 4), nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(f * 4, f * 8, 4, 2, 1, bias=False), nn.BatchNorm2d(f * 8), nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(f * 8, 1, 4, 1, 0, bias=False),
    )  # fmt: skip


def randomized(network: nn.Module) -> nn.Module:
    """Normalizations other than the identity, so that every tensor matters."""
    generator = torch.Generator().manual_seed(0)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            for tensor, mean in ((part.weight, 1.0), (part.bias, 0.0), (part.running_mean, 0.0)):
                tensor.data.normal_(mean, 0.2, generator=generator)
            part.running_var.uniform_(0.5, 1.5, generator=generator)
    return network


def in_our_layout(reference: nn.Sequential, names: list[str], linear: str) -> dict[str, Tensor]:
    """The tensors of the example by our names: a convolution of a whole image, or of a pixel, is linear."""
    values = dict(zip(names, reference.state_dict().values(), strict=True))
    return values | {linear: values[linear].flatten(1)}


@pytest.mark.parametrize("training", [False, True])
@torch.no_grad()
def test_both_equal_the_public_example(training: bool) -> None:
    torch.manual_seed(0)
    generator, discriminator = DCGANGenerator(NZ, (3, 64, 64)), DCGANDiscriminator((3, 64, 64))
    theirs = randomized(example_generator()), randomized(example_discriminator())
    names = list(generator.state_dict())
    values = in_our_layout(theirs[0], names, "stem.weight")
    generator.load_state_dict(values | {"stem.weight": values["stem.weight"].T})
    discriminator.load_state_dict(in_our_layout(theirs[1], list(discriminator.state_dict()), "head.weight"))
    sizes = [sum(p.numel() for p in network.parameters()) for network in (generator, discriminator)]
    assert sizes == [3_576_704, 2_765_568]
    for network in (generator, discriminator, *theirs):
        network.train(training)
    z, x = torch.randn(4, NZ), torch.rand(4, 3, 64, 64) * 2 - 1
    assert (generator(z) - theirs[0](z[:, :, None, None])).abs().max() <= 1e-5
    assert (discriminator(x) - theirs[1](x).flatten()).abs().max() <= 1e-5


@pytest.mark.parametrize("shape", SHAPES)
def test_every_size_of_image_is_generated_and_scored(shape: tuple[int, int, int]) -> None:
    generator, discriminator = DCGANGenerator(5, shape, 8, vector=3), DCGANDiscriminator(shape, 8, vector=3)
    x = generator(torch.randn(4, 5), Context(vector=torch.eye(3)[[0, 1, 2, 0]]))
    scores = discriminator(x)
    scores.sum().backward()
    assert x.shape == (4, *shape) and x.abs().max() < 1 and scores.shape == (4,)
    assert all(p.grad is not None for network in (generator, discriminator) for p in network.parameters())


@torch.no_grad()
def test_a_sample_depends_on_its_own_row_in_evaluation_only() -> None:
    torch.manual_seed(0)
    generator, z = DCGANGenerator(4, (1, 8, 8), 8), torch.randn(6, 4)
    together = generator(z)
    assert coupled_parts(generator) and not torch.allclose(generator(z[:2]), together[:2], atol=1e-3)
    generator.eval()
    assert torch.allclose(generator(z[:2]), generator(z)[:2], atol=1e-6)


@pytest.mark.parametrize("norm", ["batch", "group", "none"])
@torch.no_grad()
def test_only_batch_normalization_couples_scores(norm: str) -> None:
    torch.manual_seed(0)
    discriminator, x = DCGANDiscriminator((1, 16, 16), 8, norm=norm), torch.randn(6, 1, 16, 16)
    alone, together = discriminator(x[:2]), discriminator(x)[:2]
    assert torch.allclose(alone, together, rtol=1e-4) == (norm != "batch")
    assert bool(coupled_parts(discriminator)) == (norm == "batch")


@torch.no_grad()
def test_both_depend_on_the_condition_of_each_row() -> None:
    torch.manual_seed(0)
    generator = DCGANGenerator(4, (1, 8, 8), 8, vector=2).eval()
    discriminator = DCGANDiscriminator((1, 8, 8), 8, vector=2).eval()
    z, x, labels = torch.randn(1, 4).expand(3, 4), torch.randn(1, 1, 8, 8).expand(3, 1, 8, 8), torch.eye(2)
    for network, given in ((generator, z), (discriminator, x)):
        first, second, third = network(given, Context(vector=labels[[0, 1, 0]]))
        assert torch.equal(first, third) and not torch.allclose(first, second)
        zeros = network(given, Context(vector=torch.zeros(3, 2)))
        assert torch.equal(network(given), zeros)
        assert torch.equal(network(given, Context()), zeros)


def test_weights_are_drawn_as_in_the_paper() -> None:
    torch.manual_seed(0)
    for network in (DCGANGenerator(50, (3, 32, 32), 32), DCGANDiscriminator((3, 32, 32), 32)):
        for name, p in network.named_parameters():
            mean = float(p.dim() == 1 and name.endswith("weight"))  # 1 for batch normalization
            std = 0.0 if name.endswith("bias") else 0.02
            assert abs(p.mean().item() - mean) < 0.01 and abs(p.std().item() - std) < 0.006, name


def test_a_wrong_size_and_an_unknown_norm_raise() -> None:
    for shape in ((1, 9, 9), (1, 4, 4)):
        with pytest.raises(ConfigError, match=f"image of {shape[1]} x {shape[2]} cannot be halved"):
            DCGANGenerator(4, shape)
        with pytest.raises(ConfigError, match="give even sides"):
            DCGANDiscriminator(shape)
    with pytest.raises((ConfigError, TypeError), match="batch"):
        DCGANDiscriminator((1, 8, 8), norm="layer")
