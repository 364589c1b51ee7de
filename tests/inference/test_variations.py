"""Variations, blends and text differences of pictures by a tiny DALL-E 2 with random weights."""

import pytest
import torch
from torch import Tensor

import morphogen as mg
from morphogen.component import ConfigError
from morphogen.conditioning.caption import Captions
from morphogen.contract import Unsupported
from morphogen.inference import blend, slerp, text_difference, vary
from morphogen.numerics.randomness import Rng
from morphogen.representations import Bytes, Pixels
from morphogen.systems import dalle2

STEPS = 6


@pytest.fixture(scope="module")
def model() -> mg.Cascade:
    """Every parameter is moved away from 0, so that every condition matters."""
    torch.manual_seed(0)
    made = dalle2(Pixels(17, (1, 8, 8)), Captions(Bytes(16)), "tiny")
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.15 * torch.randn_like(parameter))
    return made


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    return Rng(0, 2).integers(17, 1, 8, 8) / 8 - 1


def test_a_variation_depends_on_its_picture_and_number_only(model: mg.Cascade, pictures: Tensor) -> None:
    varied = vary(model, pictures, n=3, steps=STEPS, seed=1).tensor
    assert varied.shape == (6, 1, 8, 8)
    alone = vary(model, pictures[1:], n=3, steps=STEPS, seed=1).tensor
    torch.testing.assert_close(varied[3:], alone, atol=1e-5, rtol=0)
    assert not torch.equal(varied[0], varied[1]) and not torch.equal(varied[:3], varied[3:])
    assert not torch.equal(varied, vary(model, pictures, n=3, steps=STEPS, seed=2).tensor)


def test_eta_and_guidance_change_the_variations(model: mg.Cascade, pictures: Tensor) -> None:
    fresh, kept = (vary(model, pictures, 1, eta, STEPS).tensor for eta in (1.0, 0.0))
    guided = vary(model, pictures, 1, 0.0, STEPS, guidance=3.0)
    assert not torch.equal(fresh, kept) and not torch.equal(guided.tensor, kept)
    assert guided.settings["sampler"] == "Guided(sampler=DDIM(steps=6), scale=3)"


def test_a_blend_and_a_text_difference_begin_and_end_with_reconstructions(
    model: mg.Cascade, pictures: Tensor
) -> None:
    ends = vary(model, pictures, n=1, eta=0.0, steps=STEPS).tensor
    blended = blend(model, *pictures, n=3, steps=STEPS).tensor
    torch.testing.assert_close(blended[[0, 2]], ends, atol=1e-4, rtol=0)
    changed = text_difference(model, pictures[0], "a box", "a disc", 3, 1.0, STEPS).tensor
    torch.testing.assert_close(changed[0], ends[0], atol=1e-4, rtol=0)
    back = text_difference(model, pictures[0], "a disc", "a box", 3, 1.0, STEPS).tensor
    assert not torch.equal(changed[2], changed[0]) and not torch.equal(changed[2], back[2])


def test_an_arc_may_end_before_its_end() -> None:
    first, second = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0])
    torch.testing.assert_close(slerp(first, second, 2, until=0.5)[1], slerp(first, second, 3)[1])


def test_errors(model: mg.Cascade, pictures: Tensor) -> None:
    with pytest.raises(Unsupported, match=r"Model does not draw pictures of embeddings.*train dalle2"):
        vary(mg.build_system("ddpm", Pixels(17, (1, 8, 8)), size="tiny"), pictures)
    with pytest.raises(ConfigError, match="n=0, eta=1: give n of at least 1"):
        vary(model, pictures, 0)
    with pytest.raises(ConfigError, match="eta=2"):
        vary(model, pictures, eta=2.0)
    with pytest.raises(ConfigError, match="steps=1: give at least 2"):
        vary(model, pictures, steps=1)
    with pytest.raises(ConfigError, match="strength=0"):
        text_difference(model, pictures[0], "a box", strength=0.0)
    with pytest.raises(ConfigError, match="'a box' and 'a box' mean the same"):
        text_difference(model, pictures[0], "a box", "a box", steps=2)
