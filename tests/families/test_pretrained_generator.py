"""A generator without a critic: it is sampled, saved and loaded, and training refuses it."""

import pytest
import torch

import morphogen as mg
from morphogen.families.gan import GANSampler, PretrainedGenerator
from morphogen.networks.dcgan import DCGANGenerator
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Pixels

SHAPE = (1, 8, 8)


def faces() -> mg.Model:
    torch.manual_seed(0)
    return mg.Model(PretrainedGenerator(DCGANGenerator(4, SHAPE, 4), 4), Pixels(17, SHAPE)).eval()


@torch.no_grad()
def test_samples_are_the_generators_and_survive_saving(tmp_path) -> None:
    model = faces()
    sampler, rng = GANSampler(temperature=0.5), Rng(0, 3)
    expected = model.objective.network(0.5 * rng.fork("latent").normal(4))
    assert torch.equal(sampler(model.objective, SHAPE, None, rng), expected)
    mg.save(model, tmp_path / "model")
    again = mg.load(tmp_path / "model")  # in training mode, as every model that is loaded
    assert torch.equal(again.sample(3).tensor, model.sample(3).tensor)


def test_training_is_refused_in_one_line() -> None:
    data = mg.load_data("digits")
    with pytest.raises(mg.Unsupported, match=r"has no critic: .*Adversarial\(network, critic, 4") as error:
        mg.train(faces(), data.train, steps=1)
    assert "\n" not in str(error.value)
