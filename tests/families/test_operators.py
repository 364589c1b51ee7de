"""Linear operators: the law of the adjoint, known values, composition, and what is refused."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from morphogen.component import ConfigError, from_config, to_config
from morphogen.families.diffusion.operators import (
    Composition,
    Downsampling,
    GaussianBlur,
    Greyscale,
    LinearOperator,
    Masking,
    RandomProjection,
    parse_operator,
)
from morphogen.numerics.randomness import Rng

SHAPE = (3, 8, 12)
HALF = torch.arange(12).expand(8, 12) < 6
EVERY: tuple[LinearOperator, ...] = (
    Downsampling(SHAPE, 4),
    GaussianBlur(SHAPE, 1.3),
    Masking(SHAPE, HALF),
    RandomProjection(SHAPE, 7, seed=2),
    Greyscale(SHAPE),
    parse_operator("blur:2+downsample:2+grey+projection:5", SHAPE),
)


def names(operator: Any) -> str:
    return type(operator).__name__


@pytest.mark.parametrize("operator", EVERY, ids=names)
def test_the_adjoint_is_defined_by_the_inner_product(operator: LinearOperator) -> None:
    """<A x, y> = <x, A^T y>, and both are linear."""
    x, other = (Rng(0, 4, (name,)).normal(*SHAPE) for name in ("x", "other"))
    y = Rng(0, 4, ("y",)).normal(*operator.measured_shape)
    measured, back = operator(x), operator.adjoint(y)
    assert measured.shape == y.shape and back.shape == x.shape
    inner = (measured * y).flatten(1).sum(1), (x * back).flatten(1).sum(1)
    assert torch.allclose(*inner, atol=1e-4)
    assert torch.allclose(operator(2 * x - other), 2 * measured - operator(other), atol=1e-5)
    assert torch.allclose(operator(x[1:2]), measured[1:2], atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(2, 4), st.floats(0.05, 50), st.integers(0, 99))
def test_the_law_of_the_adjoint_holds_for_all_shapes(
    rows: int, columns: int, k: int, std: float, seed: int
) -> None:
    shape = (2, rows * k, columns * k)
    operator = Composition((GaussianBlur(shape, std), Downsampling(shape, k)))
    x, y = Rng(seed, 1, ("x",)).normal(*shape), Rng(seed, 1, ("y",)).normal(*operator.measured_shape)
    assert torch.allclose((operator(x) * y).sum(), (x * operator.adjoint(y)).sum(), atol=1e-4)


def test_known_values() -> None:
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert Downsampling((1, 4, 4), 2)(x).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
    assert Greyscale((2, 4, 4))(torch.cat([x, -x], 1)).abs().max() == 0
    assert torch.allclose(GaussianBlur(SHAPE, 3.0)(torch.full((1, *SHAPE), 0.7)), torch.tensor(0.7))
    point = torch.zeros(1, 1, 9, 9)
    point[..., 4, 4] = 1
    spread, ratio = GaussianBlur((1, 9, 9), 0.7)(point)[0, 0], math.exp(-0.5 / 0.49)
    assert spread[4, 5] / spread[4, 4] == pytest.approx(ratio, rel=1e-4)
    assert spread[5, 5] / spread[4, 5] == pytest.approx(ratio, rel=1e-4)
    lengths = RandomProjection((1, 20, 20), 50)(Rng(0, 40).normal(1, 20, 20)).square().mean()
    assert lengths == pytest.approx(1, abs=0.1)  # a measurement has about the size of a pixel


def test_only_a_selection_keeps_pixels() -> None:
    x, y = torch.zeros(1, *SHAPE), torch.ones(1, *SHAPE)
    masking = Masking(SHAPE, HALF)
    assert torch.equal(masking.keep(x, masking(y))[0, 0], HALF.float())
    assert torch.equal(GaussianBlur(SHAPE, 1.0).keep(x, y), x)


def test_an_operator_is_a_part() -> None:
    operator = parse_operator("blur:1.5 + downsample:2", SHAPE)
    again = from_config(to_config(operator))
    x = Rng(0, 1).normal(*SHAPE)
    assert torch.equal(again(x), operator(x)) and "factor=2" in repr(operator)
    assert repr(Masking(SHAPE, HALF)) == "Masking((3, 8, 12), 50% known)"
    assert torch.equal(RandomProjection(SHAPE, 7, seed=2)(x), EVERY[3](x))
    assert torch.equal(parse_operator("mask:m.png", SHAPE, lambda name: HALF)(x), Masking(SHAPE, HALF)(x))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("shrink:4", "operator shrink:4: give downsample:4, blur:1.5, mask:FILE, projection:100 or grey"),
        ("downsample", "operator downsample: give downsample:4"),
        ("downsample:two", "operator downsample:two: give"),
        ("grey:2", "operator grey:2: give"),
        ("downsample:3", "downsample:3 does not divide pictures of 8 x 12: give one of 2, 4"),
        ("downsample:0", "give one of 2, 4"),
        ("blur:0", "give one above 0"),
        ("blur:nan", "give one above 0"),
        ("projection:0", "give 1 .. 288 measurements"),
        ("projection:289", "give 1 .. 288 measurements"),
        ("projection:5+blur:1", "put the projection last"),
        ("grey+grey", "the model's pictures are grey already"),
        ("mask", "give mask:FILE in the command line, Masking"),
        ("", "operator : give downsample:4"),
    ],
)
def test_a_wrong_operator_is_refused_in_a_line(text: str, line: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_operator(text, SHAPE)
    assert line in str(error.value) and "\n" not in str(error.value)


def test_parts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"takes \[3, 8, 12\], and .* gives \[1, 8, 12\]"):
        Composition((Greyscale(SHAPE), GaussianBlur(SHAPE, 1.0)))
    with pytest.raises(ConfigError, match="at least one"):
        Composition(())
    with pytest.raises(ConfigError, match=r"the mask is \[12, 8\], and pictures are \[8, 12\]"):
        Masking(SHAPE, HALF.T)
    with pytest.raises(ConfigError, match="no known pixel"):
        Masking(SHAPE, torch.zeros(8, 12, dtype=torch.bool))
