"""What `Representation.check` takes of a person's arrays, and what it refuses in one line."""

from typing import Any

import numpy as np
import pytest
import torch

from morphogen.catalogue import build_system
from morphogen.component import ConfigError
from morphogen.contract import Representation
from morphogen.data import load_data
from morphogen.families.vae import VAE
from morphogen.model import Model
from morphogen.representations.audio import MuLaw
from morphogen.representations.pixels import Dequantised, Logit, Pixels, Quantised
from morphogen.representations.points import PointSets
from morphogen.representations.resized import Resized
from morphogen.representations.tabular import CategoryColumn, RealColumn, Tabular
from morphogen.representations.text import Bytes, Characters

GREY, COLOUR, SOUND = Pixels(17, (1, 8, 8)), Pixels(256, (3, 4, 6)), MuLaw(64, 8000)
TABLE = Tabular((RealColumn("width", (-9.0, 3e7)), CategoryColumn("kind", ("cat", "dog"))))
SETS = PointSets((0, 4, 0, 2), dims=2)
X = 2 * np.random.default_rng(0).integers(0, 17, (5, 8, 8)) / 16 - 1


def test_pictures_of_any_float_type_with_or_without_the_axis_of_the_channel() -> None:
    want = torch.tensor(X, dtype=torch.float32)[:, None]
    for given in (X, X[:, None], torch.tensor(X), want.half(), X.tolist()):
        read = GREY.check(given)
        assert read.dtype == torch.float32 and torch.allclose(read, want, atol=1e-3)
    assert GREY.check(want) is want, "what is right is not copied"
    assert GREY.check(want[:1]).shape == GREY.check(X[:1]).shape == (1, 1, 8, 8)


@pytest.mark.parametrize("wrapped", [Quantised(GREY), Logit(Dequantised(GREY)), Resized(GREY, (1, 4, 4))])
def test_transforms_check_what_they_transform(wrapped: Representation) -> None:
    assert wrapped.source is GREY and wrapped.check(X).shape == (5, 1, 8, 8)
    with pytest.raises(ConfigError, match=r"write x \* \(2 / 16\) - 1$"):
        wrapped.check((8 * (X + 1)).round().astype(int))


F = "floats from -1 to 1"
K = np.arange(5 * 64).reshape(5, 8, 8) % 17
RGB = torch.zeros(2, 3, 4, 6)


@pytest.mark.parametrize(
    ("representation", "given", "message"),
    [
        (GREY, K, f"pictures are int64 from 0 to 16, the model takes {F}: write x * (2 / 16) - 1"),
        (GREY, K * 15, f"from 0 to 240, the model takes {F}: write x * (2 / 255) - 1"),
        (COLOUR, RGB.byte() + 254, f"uint8 from 254 to 254, the model takes {F}: write x * (2 / 255)"),
        (COLOUR, (RGB + 40_000).int(), f"from 40000 to 40000, the model takes {F}: write x * (2 / 6"),
        (GREY, K.astype(float), f"float32 from 0 to 16, the model takes {F}: write x * (2 / 16) - 1"),
        (GREY, K - 8, f"int64 from -8 to 8, the model takes {F}: scale them"),
        (GREY, K / 16, "pictures are from 0 to 1, the model takes -1 to 1: write x * 2 - 1"),
        (GREY, np.where(K == 3, np.nan, 0.0), "pictures are not finite in row 0: fill in"),
        (COLOUR, RGB.permute(0, 2, 3, 1), "the model takes [N, 3, 4, 6]: write x.permute(0, 3, 1, 2)"),
        (COLOUR, RGB[0], "have shape [3, 4, 6], the model takes [N, 3, 4, 6]: write x[None]"),
        (COLOUR, RGB.flatten(1), "[2, 72], the model takes [N, 3, 4, 6]: write x.reshape(-1, 3, 4, 6)"),
        (COLOUR, torch.zeros(2, 3, 6, 6), "the model takes [N, 3, 4, 6]: give rows of that shape"),
        (GREY, np.zeros((0, 8, 8)), "pictures are float64 [0, 8, 8]: give one or more rows of numbers"),
        (GREY, ["a.png"], "pictures are a list: give a tensor or an array of numbers"),
        (GREY, {"x": X}, "pictures are a dict: give a tensor or an array of numbers"),
        (SOUND, np.zeros((2, 1, 64), np.int16), "the model takes -1 to 1: write x / 32768"),
        (SOUND, np.full((2, 1, 64), 7.0), f"sounds are float32 from 7 to 7, the model takes {F}"),
        (SOUND, np.zeros((2, 2, 64)), "sounds have shape [2, 2, 64], the model takes [N, 1, T]"),
        (TABLE, [[0.5, 2]], "'kind' has values from 2 to 2, the model takes the indices 0 to 1 of cat, dog"),
        (TABLE, [[0.5, np.nan]], "column 'kind' has missing cells, and had none in training: fill them in"),
        (TABLE, [[0.5]], "rows of the columns width, kind have shape [1, 1], the model takes [N, 2]"),
        (TABLE, [[0.5, "cat"]], "rows of the columns width, kind are a list: give a tensor"),
        (Bytes(8), torch.zeros(2, 8), "texts are torch.float32: give token ids, integers [N, T], or texts"),
        (Bytes(8), [[256]], "texts have ids from 256 to 256, the model takes 0 to 255, and -1 after the end"),
        (Characters("ab", 8), "abc", "'c' (U+0063), character 2 of the text, is not one of the 2 characters"),
        (SETS, torch.full((1, 3, 2), torch.nan), "set 0 has 0 points: a set has 1 to 4 points"),
        (SETS, torch.zeros(1, 3, 3), "points have shape [1, 3, 3], the model takes [N, T, 2]"),
    ],
)  # fmt: skip
def test_refusals_are_one_line(representation: Representation, given: Any, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        representation.check(given)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_other_media_are_read() -> None:
    assert SOUND.check(np.zeros((2, 1, 40))).shape == (2, 1, 40)
    assert TABLE.check(np.array([[1, 0], [2, 1]])).dtype == torch.float64
    assert TABLE.check([[20231231.123456, 1.0]])[0, 0] == 20231231.123456, "float64 is kept"
    assert Bytes(8).check(["ab", "c"]).tolist() == [[97, 98], [99, -1]]
    assert Bytes(8).check(torch.tensor([[1, 2]], dtype=torch.uint8)).dtype == torch.int64
    assert SETS.check([[[0.0, 1.0]], [[2.0, 2.0]]]).shape == (2, 1, 2)


def test_log_prob_of_the_levels_is_refused_instead_of_thousands_of_bits() -> None:
    data = load_data("digits")
    model = build_system("vae", data.representation, size="tiny")
    assert isinstance(model, Model) and isinstance(model.objective, VAE)
    rows = data.test.first(4)
    levels = ((rows.medium + 1) * 8).round().long()
    with pytest.raises(ConfigError, match=r"from 0 to 16, .* write x \* \(2 / 16\) - 1$"):
        model.log_prob(levels)
    assert model.log_prob(rows.medium[:, 0].double().numpy()).nats.equal(model.log_prob(rows.medium).nats)
