"""Inversion recovers latents of samples, and keeps a distance to what cannot be generated."""

import pytest
import torch
from torch import Tensor, nn

from linear_vae import PlainPoints
from morphogen.catalogue import build_system
from morphogen.component import Component, ConfigError
from morphogen.conditioning.specs import Classes
from morphogen.contract import Context, Unsupported
from morphogen.families.gan import Adversarial, NonSaturating
from morphogen.inference import LatentSpace, invert
from morphogen.model import Model
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Pixels


class PlaneGenerator(Component, nn.Module):
    """x = (z_1, 2 z_2, 0): a plane in space."""

    def forward(self, z: Tensor, context: Context | None = None) -> Tensor:
        return torch.stack([z[:, 0], 2 * z[:, 1], 0 * z[:, 0]], 1)


class FirstCoordinate(Component, nn.Module):
    """D(x) = x_1."""

    def forward(self, x: Tensor, context: Context | None = None) -> Tensor:
        return x[:, 0]


PLANE = Model(Adversarial(PlaneGenerator(), FirstCoordinate(), 2, NonSaturating()), PlainPoints((3,)))


def test_latents_of_samples_are_recovered() -> None:
    z = Rng(3, 6).normal(2)
    x = PLANE.objective.predict(z, None)
    found = invert(PLANE, x, steps=400, weight=0.0, starts=2)
    assert torch.allclose(found.z, z, atol=0.02) and found.distance.max() < 0.02
    assert torch.allclose(found.samples.tensor, x, atol=0.05)


def test_an_example_off_the_plane_keeps_its_distance() -> None:
    """The nearest point of the plane to (1, 2, 3) is (1, 2, 0): the root mean square is 3 / sqrt 3."""
    found = invert(PLANE, torch.tensor([[1.0, 2.0, 3.0]]), steps=400, weight=0.0)
    assert torch.allclose(found.z, torch.tensor([[1.0, 1.0]]), atol=0.02)
    assert found.distance.item() == pytest.approx(3**0.5, abs=0.01)


def test_rows_are_inverted_independently() -> None:
    x = PLANE.objective.predict(Rng(3, 4).normal(2), None)
    together, alone = invert(PLANE, x, steps=20), invert(PLANE, x[:1], steps=20)
    assert torch.allclose(together.z[:1], alone.z, atol=1e-5)


def test_generators_with_classes_and_named_latents_are_inverted() -> None:
    torch.manual_seed(0)
    model = build_system("stylegan2", Pixels(17, (1, 8, 8)), {}, "tiny")
    target = model.sample(2, seed=1)
    found = invert(model, target.tensor, steps=5, starts=1)
    assert set(found.z) == set(model.objective.latent) and found.distance.shape == (2,)
    assert all(p.grad is None for p in model.parameters())


def test_samples_are_inverted_with_their_own_condition() -> None:
    torch.manual_seed(0)
    model = build_system("dcgan", Pixels(17, (1, 8, 8)), {"label": Classes(3)}, "tiny")
    samples = model.sample(2, condition=["1", "2"])
    found = invert(model, samples, steps=1, starts=1)
    assert found.samples.condition["label"].tolist() == [1, 2]
    again = LatentSpace(model).decode(found.z, found.samples.condition)
    assert torch.equal(again.tensor, found.samples.tensor)


def test_a_latent_space_of_a_gan_decodes_and_names_invert_to_encode() -> None:
    space, z = LatentSpace(PLANE), torch.tensor([[1.0, 2.0]])
    assert space.decode(z).tensor.tolist() == [[1.0, 4.0, 0.0]]
    with pytest.raises(Unsupported, match=r"Adversarial has no encoder; mg.inference.invert\(model, x\)"):
        space.encode(torch.zeros(1, 3))


def test_what_has_no_generator_is_refused() -> None:
    vae = build_system("vae", Pixels(17, (1, 8, 8)), {}, "tiny")
    with pytest.raises(Unsupported, match="VAE has no generator to invert"):
        invert(vae, torch.zeros(1, 1, 8, 8))
    with pytest.raises(ConfigError, match="starts=0"):
        invert(PLANE, torch.zeros(1, 3), starts=0)
