"""Numbers of unusual types: booleans, 16-bit floats and integers, masked arrays, and integers of 64 bits."""

import re

import numpy as np
import pytest
import torch

import morphogen as mg
from morphogen.component import ConfigError
from morphogen.data import DataError
from tests.cases import case

pytestmark = pytest.mark.usefixtures("untyped")
RNG = np.random.default_rng(0)
U = RNG.integers(0, 256, (60, 8, 8), dtype=np.uint8)
X = torch.tensor(U / 127.5 - 1, dtype=torch.float32)[:3, None]
MASKED = np.ma.masked_array(U, mask=U < 3)
WAVES = (RNG.uniform(-0.5, 0.5, (30, 1500)) * 32767).astype(np.int64)


@pytest.fixture(scope="module")
def model() -> mg.Model:
    return mg.build_system("mixture", mg.load_data(U), size="tiny")


@case("`log_prob(x)` of booleans or of `uint16`", "one line with the expression that scales them")
def test_pictures_of_other_types_are_refused_with_a_remedy(model: mg.Model) -> None:
    for given, expected in (
        (U[:3, None] > 99, (U[:3, None] > 99) * 2.0 - 1),
        (torch.tensor(U[:3, None] > 99), (U[:3, None] > 99) * 2.0 - 1),
        (U[:3, None].astype(np.uint16), X),
    ):
        with pytest.raises(ConfigError, match="write x ") as error:
            model.log_prob(given)
        remedy = str(error.value).split("write ")[1]
        nats = model.log_prob(eval(remedy, {"x": given})).nats  # noqa: S307
        assert nats.allclose(model.log_prob(expected).nats)


@case("`log_prob(x)` of `bfloat16`", "the nearest levels: the type has no finer ones")
def test_pictures_of_bfloat16(model: mg.Model) -> None:
    expected, half = model.log_prob(X).nats, X.bfloat16()
    assert model.log_prob(half).nats.allclose(expected)
    unit = (X / 2 + 0.5).bfloat16()
    with pytest.raises(ConfigError, match="from 0 to 1") as error:
        model.log_prob(unit)
    remedy = str(error.value).split("write ")[1]
    assert model.log_prob(eval(remedy, {"x": unit})).nats.isfinite().all()  # noqa: S307


@case("masked arrays of NumPy", "masked values are missing, in tables; refused in pictures")
def test_masked_values_are_missing(model: mg.Model) -> None:
    with pytest.raises(DataError, match=r"picture \d+ has NaN or infinite values; fill them in"):
        mg.load_data(MASKED)
    with pytest.raises(ConfigError, match="not finite in row"):
        model.log_prob(np.ma.masked_array(X.numpy(), mask=X.numpy() < -0.9))
    assert mg.load_data(np.ma.masked_array(U)).sha256 == mg.load_data(U).sha256
    table = mg.load_data(np.ma.masked_array(U[:, 0], mask=U[:, 0] < 50))
    filled = mg.load_data(np.where(U[:, 0] < 50, np.nan, U[:, 0]).astype(np.float32))
    assert table.sha256 == filled.sha256


@case(
    "16-bit samples of sound as `int64`, `int32` or lists of Python's integers",
    "refused: they would be silent",
)
def test_integers_that_would_be_silent() -> None:
    right = mg.load_data(WAVES.astype(np.int16), rate=8000, length=256)
    for wide in (WAVES, WAVES.astype(np.int32), WAVES.tolist()):
        with pytest.raises(
            DataError, match=r"sound 0 is int\d\d up to \d+, which is silent .* give np"
        ) as error:
            mg.load_data(wide, rate=8000, length=256)
        code = re.search(r"np\.asarray\(x\) / \d+", str(error.value))
        assert code is not None
        x = eval(code[0], {"np": np, "x": wide})  # noqa: S307
        assert mg.load_data(x, rate=8000, length=256).sha256 == right.sha256
    shifted = (WAVES * 2**16).astype(np.int32)
    assert mg.load_data(shifted, rate=8000, length=256).sha256 == right.sha256
    wavenet = mg.build_system("wavenet", right, size="tiny")
    with pytest.raises(ConfigError, match="write x / 32768"):
        wavenet.log_prob(WAVES[:2, None, :256])
