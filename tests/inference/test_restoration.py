"""Restoration of pictures: what is kept, what samples depend on, and what is refused in a line."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

import morphogen as mg
from morphogen.component import ConfigError
from morphogen.contract import Unsupported
from morphogen.families.diffusion import DDIM, MMPS, Downsampling, Masking, parse_operator
from morphogen.inference import observe, restore
from morphogen.model import Model

SHAPE = (1, 8, 8)
LEFT = torch.arange(8).expand(8, 8) < 4
DIGITS = mg.load_data("digits")
X = DIGITS.test.first(2).medium


@pytest.fixture(scope="module")
def model() -> Model:
    return mg.build_system("ddpm", DIGITS, size="tiny")


@pytest.mark.parametrize("method", ["mmps", "dps", "repaint", partial(MMPS, iterations=1)], ids=str)
def test_inpainting_keeps_the_given_pixels_bit_for_bit(model: Model, method: Any) -> None:
    given = X + 0.013  # between the values of the grid
    samples = restore(model, given, Masking(SHAPE, LEFT), method=method, n=2, sampler=DDIM(4), condition=3)
    assert torch.equal(samples.tensor[..., :4], given.repeat_interleave(2, 0)[..., :4])
    assert not torch.equal(samples.tensor[0, ..., 4:], samples.tensor[1, ..., 4:])
    assert samples.settings["misfit"] == 0 and samples.settings["variants"] == 2


def test_a_sample_depends_on_its_variant_and_its_own_picture_only(model: Model) -> None:
    operator = parse_operator("downsample:2", SHAPE)
    y = observe(operator, X, 0.05)
    both = restore(model, y, "downsample:2", 0.05, n=3, sampler=DDIM(4, eta=1.0)).tensor
    second = restore(model, y[1:], operator, 0.05, n=2, sampler=DDIM(4, eta=1.0)).tensor
    assert torch.allclose(both[3:5], second, atol=1e-5) and not torch.equal(both[0], both[3])
    assert torch.equal(observe(operator, X, 0.05), y)
    assert (y - operator(X)).std() == pytest.approx(0.05, rel=0.5)


@pytest.mark.parametrize("system", ["ddpm", "edm", "flow_matching"])
@pytest.mark.parametrize("text", ["downsample:4", "blur:1", "projection:9", "blur:1+downsample:2"])
def test_diffusions_and_flow_matching_restore_by_every_operator(system: str, text: str) -> None:
    of = mg.build_system(system, DIGITS, size="tiny")
    y = observe(parse_operator(text, SHAPE), X[:1])
    samples = restore(of, y, text, n=1, sampler=DDIM(3))
    assert samples.tensor.shape == (1, *SHAPE) and samples.tensor.isfinite().all()


def test_arrays_are_taken_as_pictures_are(model: Model) -> None:
    y = np.full((1, 1, 2, 2), -1, dtype=np.int64)
    assert restore(model, y, "downsample:4", n=1, sampler=DDIM(2)).tensor.shape == (1, *SHAPE)


@pytest.mark.parametrize(
    ("operator", "y", "options", "line"),
    [
        ("shrink:2", X, {}, "operator shrink:2: give downsample:4"),
        ("downsample:4", X, {}, "measures [1, 2, 2], and observed is [2, 1, 8, 8]: give [N, 1, 2, 2]"),
        ("blur:1", X.repeat(1, 3, 1, 1), {}, "observed is [2, 3, 8, 8]: give [N, 1, 8, 8]"),
        ("blur:1", X[:0], {}, "observed"),
        ("blur:1", X * 127 + 127, {}, "give pictures from -1 to 1, x / 127.5 - 1"),
        ("blur:1", X / 0, {}, "observed"),
        ("blur:1", X, {"method": "pgdm"}, "method 'pgdm' is unknown: give one of mmps, dps, repaint"),
        ("blur:1", X, {"method": "repaint"}, "exact pixels only"),
        ("blur:1", X, {"noise": -1.0}, "noise -1: give a standard deviation of at least 0"),
        ("blur:1", X, {"n": 0}, "n=0: give at least 1"),
        ("grey", X, {}, "the model's pictures are grey already"),
        (
            Downsampling((1, 16, 16), 4),
            X,
            {},
            "is for pictures of [1, 16, 16], and the model's are [1, 8, 8]",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(
    model: Model, operator: Any, y: Any, options: Any, line: str
) -> None:
    with pytest.raises(ConfigError) as error:
        restore(model, y, operator, sampler=DDIM(2), **options)
    assert line in str(error.value) and "\n" not in str(error.value)


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"the mask is \[4, 8\], and pictures are \[8, 8\]: give one of their"
    ):
        Masking(SHAPE, LEFT[:4])


@pytest.mark.parametrize(
    ("system", "line"),
    [
        ("gan", "cannot restore pictures, only diffusion models can: morphogen train ddpm"),
        ("vae", "cannot restore pictures, only diffusion models can: morphogen train ddpm"),
        ("autoencoder_kl_ddpm", "restore needs a diffusion of pixels, and this one is of"),
        ("d3pm_text", "restore"),
    ],
)
def test_other_models_say_what_to_do_instead(system: str, line: str) -> None:
    data = mg.load_data("shakespeare") if system == "d3pm_text" else DIGITS
    of = mg.build_system(system, data, size="tiny")
    with pytest.raises(Unsupported) as error:
        restore(of, X, "blur:1")
    assert line in str(error.value) and "\n" not in str(error.value)
