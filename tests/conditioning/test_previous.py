"""Conditioners of what an earlier stage sampled: resized planes with noise, and codes as tokens."""

import pytest
import torch

from morphogen.component import ConfigError
from morphogen.conditioning import Codes, ConditionDropout, LowResolution
from morphogen.numerics.randomness import Rng


def test_a_smaller_picture_is_resized_and_shows_that_it_is_given() -> None:
    planes = LowResolution((3, 8, 8), noise=0.5)(torch.full((2, 3, 4, 4), 0.25)).spatial
    assert planes is not None and planes.shape == (2, 5, 8, 8)
    assert (planes[:, :3] == 0.25).all() and (planes[:, 3] == 0).all() and (planes[:, 4] == 1).all()
    dropped = ConditionDropout(LowResolution((3, 8, 8)), p=1.0)(torch.zeros(2, 3, 4, 4), Rng(0, 2)).spatial
    assert dropped is not None and (dropped == 0).all()


def test_noise_in_training_has_the_strength_that_the_network_is_given() -> None:
    """n = 4000 rows of 64 numbers, seed 0: s ~ U(0, 0.5); the variance is 1 - s^2 + s^2 for z ~ N(0, I)."""
    conditioner, z = LowResolution((1, 8, 8), noise=0.5), torch.zeros(4000, 1, 8, 8)
    planes = conditioner(z, Rng(0, 4000)).spatial
    assert planes is not None
    strength = planes[:, 1, 0, 0]
    assert abs(strength.mean() - 0.25) < 4 * 0.5 / 12**0.5 / 4000**0.5 and strength.max() <= 0.5
    ratio = planes[:, 0].square().mean((1, 2)) / strength.square()
    assert abs(ratio.mean() - 1) < 4 * (2 / 64 / 4000) ** 0.5
    scaled = conditioner(torch.ones(4000, 1, 8, 8), Rng(0, 4000)).spatial
    assert scaled is not None
    kept = scaled[:, 0] - planes[:, 0]  # the same noise
    torch.testing.assert_close(kept[:, 0, 0].square() + strength.square(), torch.ones(4000))


def test_noise_depends_on_its_row_and_seed_only() -> None:
    conditioner, z = LowResolution((1, 8, 8), noise=0.5), torch.zeros(4, 1, 4, 4)
    whole, part = conditioner(z, Rng(0, 4)).spatial, conditioner(z[2:3], Rng(0, 4)[2:3]).spatial
    assert whole is not None and part is not None and torch.equal(whole[2:3], part)


def test_blur_in_training_keeps_the_mean_and_reduces_the_variance() -> None:
    """Of white noise of 8 x 8, seed 0; without a stream, as in sampling, nothing is blurred."""
    conditioner, z = LowResolution((1, 8, 8), blur=2.0), Rng(1, 50).normal(1, 8, 8)
    trained, sampled = conditioner(z, Rng(0, 50)).spatial, conditioner(z).spatial
    assert trained is not None and sampled is not None and torch.equal(sampled[:, :1], z)
    assert trained[:, 0].var() < 0.5 < z.var() and (trained[:, 1] == 0).all()
    part = conditioner(z[2:3], Rng(0, 50)[2:3]).spatial
    assert part is not None
    torch.testing.assert_close(part, trained[2:3], atol=1e-6, rtol=0)


def test_codes_are_tokens_that_depend_on_their_position() -> None:
    torch.manual_seed(0)
    codes = Codes(5, (2, 2), 8)
    torch.nn.init.normal_(codes.positions)
    tokens = codes(torch.tensor([[[1, 1], [2, 1]]])).tokens
    assert tokens is not None and tokens.shape == (1, 4, 8)
    assert not torch.equal(tokens[0, 0], tokens[0, 1])
    torch.testing.assert_close(tokens[0, 0] - tokens[0, 1], codes.positions[0] - codes.positions[1])


def test_wrong_shapes_and_strengths_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"\[B, 3, h, w\], not \[2, 1, 4, 4\]"):
        LowResolution((3, 8, 8))(torch.zeros(2, 1, 4, 4))
    with pytest.raises(ConfigError, match=r"noise=1 must be at least 0 and below 1"):
        LowResolution((3, 8, 8), noise=1.0)
    with pytest.raises(ConfigError, match=r"blur=-1 must be at least 0"):
        LowResolution((3, 8, 8), blur=-1.0)
    with pytest.raises(ConfigError, match=r"codes have the shape \[2, 2\], not \[4\]"):
        Codes(5, (2, 2), 8)(torch.zeros(1, 4, dtype=torch.int64))
