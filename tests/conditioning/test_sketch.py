"""Sketches: what an edge is, who hears it, and what is refused."""

import pytest
import torch
from torch import Tensor

from morphogen.component import ConfigError, build, describe
from morphogen.conditioning.guidance import Guided
from morphogen.conditioning.sketch import Sketch, agreement, edges
from morphogen.contract import Context
from morphogen.data import WithSketches, load
from morphogen.families.diffusion import DDIM, Diffusion, DiscretizedGaussian, LinearBetas
from morphogen.model import Model
from morphogen.networks.beside import Beside
from morphogen.networks.unet import UNet
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Pixels
from morphogen.testing import check_model


def test_an_edge_is_where_grey_changes() -> None:
    x = -torch.ones(1, 3, 6, 6)
    assert (edges(x) == 0).all()
    x[..., 3:] = 1.0
    assert (edges(x)[..., 2:4] == 1).all() and (edges(x)[..., [0, 1, 4, 5]] == 0).all()
    assert torch.allclose(edges(x.transpose(2, 3)), edges(x).transpose(2, 3))


def test_pictures_agree_with_their_own_sketches_and_not_with_others() -> None:
    batch = WithSketches(load("digits").train)[torch.arange(200)]
    assert batch.condition is not None and batch.condition.shape == (200, 1, 8, 8)
    own, other = agreement(batch.medium, batch.condition), agreement(batch.medium, batch.condition.roll(1, 0))
    assert torch.allclose(own, torch.ones(200), atol=1e-5) and other.mean() < 0.6
    assert agreement(torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)).item() == 0


def model() -> Model:
    torch.manual_seed(0)
    network = Beside(UNet((2, 8, 8), 8, (1, 2), blocks=1), 1)
    return Model(Diffusion(network, LinearBetas(1e-3, 0.4, 50), DiscretizedGaussian(17), bound_steps=8), Pixels(17, (1, 8, 8)), Sketch(0.2))


def test_a_model_of_sketches_keeps_every_law() -> None:
    check_model(model(), WithSketches(load("digits").train)[torch.arange(12)])


def test_a_sketch_is_heard_where_it_lies_and_guidance_pushes_towards_it() -> None:
    subject = model()
    with torch.no_grad():
        for parameter in subject.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    network = subject.objective.network
    x, t, drawn = torch.zeros(1, 1, 8, 8), torch.tensor([0.5]), torch.zeros(1, 1, 8, 8)
    other = drawn.clone()
    other[0, 0, 0, 0] = 1.0

    def answer(sketch: Tensor) -> Tensor:
        return network(x, t, Context(spatial=sketch)).detach()  # type: ignore[operator]

    change = (answer(other) - answer(drawn))[0, 0].abs()
    assert change[0, 0] > 0 and change[0, 0] > change[7, 7]
    sketches = WithSketches(load("digits").train)[torch.arange(3)].condition
    plain, pushed = (subject.sample(3, sketches, sampler).tensor for sampler in (DDIM(5), Guided(DDIM(5), 3.0)))
    assert not torch.equal(plain, pushed)


def test_a_share_of_the_rows_loses_its_sketch_and_null_knows_nothing_of_it() -> None:
    """n = 4000, seed 0: within 4 standard errors."""
    sketch = torch.rand(4000, 1, 2, 2)
    context = Sketch(0.2)(sketch, Rng(0, 4000))
    assert context.spatial is not None
    share = float((context.spatial == 0).flatten(1).all(1).float().mean())
    assert abs(share - 0.2) < 4 * (0.2 * 0.8 / 4000) ** 0.5
    null = Sketch()(sketch).null
    assert null is not None and null.spatial is not None and (null.spatial == 0).all()


@pytest.mark.parametrize("sketch", [torch.zeros(2, 8, 8), torch.zeros(2, 3, 8, 8), torch.full((2, 1, 8, 8), 1.5)])
def test_what_is_no_sketch_is_refused_in_a_line(sketch: Tensor) -> None:
    with pytest.raises(ConfigError, match="a sketch is") as error:
        model().sample(2, sketch, DDIM(2))
    assert "\n" not in str(error.value)


def test_a_sketch_of_another_size_is_refused_and_none_at_all_is_no_sketch() -> None:
    with pytest.raises(ConfigError, match=r"is \[2, 1, 4, 4\]; give one as large as the picture, \[2, 1, 8, 8\]"):
        model().sample(2, torch.zeros(2, 1, 4, 4), DDIM(2))
    assert model().sample(2, None, DDIM(2)).tensor.shape == (2, 1, 8, 8)


def test_it_is_its_config() -> None:
    assert describe(build(describe(Sketch(0.3)))) == describe(Sketch(0.3))
