"""Sketches: edge maps, their effect as a spatial condition, and invalid input."""

import pytest
import torch
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.guidance import Guided
from morphogen.conditioning.sketch import Sketch, edge_correlation, edges
from morphogen.contract import Context
from morphogen.data import WithSketches, load_data
from morphogen.families.diffusion import DDIM, Diffusion, DiscretizedGaussian, LinearBetas
from morphogen.model import Model
from morphogen.networks.concat_condition import ConcatCondition
from morphogen.networks.unet import UNet
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Pixels
from morphogen.testing import check_model


def test_edges_are_where_grey_values_change() -> None:
    x = -torch.ones(1, 3, 6, 6)
    assert (edges(x) == 0).all()
    x[..., 3:] = 1.0
    assert (edges(x)[..., 2:4] == 1).all() and (edges(x)[..., [0, 1, 4, 5]] == 0).all()
    assert torch.allclose(edges(x.transpose(2, 3)), edges(x).transpose(2, 3))


def test_images_correlate_with_their_own_sketch_and_not_with_others() -> None:
    batch = WithSketches(load_data("digits").train)[torch.arange(200)]
    assert batch.condition["sketch"].shape == (200, 1, 8, 8)
    own, other = (
        edge_correlation(batch.medium, batch.condition["sketch"]),
        edge_correlation(batch.medium, batch.condition["sketch"].roll(1, 0)),
    )
    assert torch.allclose(own, torch.ones(200), atol=1e-5) and other.mean() < 0.6
    assert edge_correlation(torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)).item() == 0


def model() -> Model:
    torch.manual_seed(0)
    network = ConcatCondition(UNet((2, 8, 8), 8, (1, 2), blocks=1), 1)
    return Model(
        Diffusion(network, LinearBetas(1e-3, 0.4, 20), DiscretizedGaussian(17), bound_steps=8),
        Pixels(17, (1, 8, 8)),
        ConditionDropout(Sketch(), 0.2),
    )


@pytest.mark.slow
def test_a_model_with_sketches_satisfies_every_law() -> None:
    check_model(model(), WithSketches(load_data("digits").train)[torch.arange(12)])


def test_a_sketch_acts_locally_and_guidance_changes_samples() -> None:
    subject = model()
    with torch.no_grad():
        for parameter in subject.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    network = subject.objective.network
    x, t, empty = torch.zeros(1, 1, 8, 8), torch.tensor([0.5]), torch.zeros(1, 1, 8, 8)
    other = empty.clone()
    other[0, 0, 0, 0] = 1.0

    def prediction(sketch: Tensor) -> Tensor:
        return network(x, t, Context(spatial=sketch)).detach()  # type: ignore[operator]

    change = (prediction(other) - prediction(empty))[0, 0].abs()
    assert change[0, 0] > 0 and change[0, 0] > change[7, 7]
    sketches = WithSketches(load_data("digits").train)[torch.arange(3)].condition["sketch"]
    plain, guided = (
        subject.sample(3, sketches, sampler).tensor for sampler in (DDIM(5), Guided(DDIM(5), 3.0))
    )
    assert not torch.equal(plain, guided)
    context, once = subject.context({"sketch": sketches}, 3), DDIM(1, clip=None)
    null, conditional, guided = (
        sampler(subject.objective, (1, 8, 8), given, Rng(0, 3))
        for sampler, given in ((once, context.null), (once, context), (Guided(once, 3.0), context))
    )
    assert torch.allclose(guided, null + 3 * (conditional - null), rtol=1e-3, atol=1e-3)


def test_sketches_are_dropped_with_probability_p_and_null_has_none() -> None:
    """n = 4000, seed 0: within 4 standard errors."""
    sketch = torch.rand(4000, 1, 2, 2)
    context = ConditionDropout(Sketch(), 0.2)(sketch, Rng(0, 4000))
    assert context.spatial is not None
    dropped = float((context.spatial == 0).flatten(1).all(1).float().mean())
    assert abs(dropped - 0.2) < 4 * (0.2 * 0.8 / 4000) ** 0.5
    null = ConditionDropout(Sketch())(sketch).null
    assert null is not None and null.spatial is not None and (null.spatial == 0).all()


@pytest.mark.parametrize(
    "sketch", [torch.zeros(2, 8, 8), torch.zeros(2, 3, 8, 8), torch.full((2, 1, 8, 8), 1.5)]
)
def test_invalid_sketches_raise_in_one_line(sketch: Tensor) -> None:
    with pytest.raises(ConfigError, match="a sketch is") as error:
        model().sample(2, sketch, DDIM(2))
    assert "\n" not in str(error.value)


def test_a_sketch_of_another_size_raises_and_none_is_accepted() -> None:
    with pytest.raises(ConfigError, match=r"shape \[2, 1, 4, 4\]: it must match x, \[2, 1, 8, 8\]"):
        model().sample(2, torch.zeros(2, 1, 4, 4), DDIM(2))
    assert model().sample(2, None, DDIM(2)).tensor.shape == (2, 1, 8, 8)
