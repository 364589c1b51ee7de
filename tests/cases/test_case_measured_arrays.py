"""Arrays and samples as likelihoods and metrics take them."""

import re
from typing import Any

import numpy as np
import pytest
import torch

import morphogen as mg
from morphogen.contract import Batch
from morphogen.evaluation.features import RandomFeatures, SpectrumFeatures
from tests.cases import case
from tests.cases.test_case_memory import refused

pytestmark = pytest.mark.usefixtures("untyped")
RNG = np.random.default_rng(0)
X, Y = RNG.integers(0, 256, (40, 12, 12), dtype=np.uint8), ["bag", "shoe"] * 20
DATA = mg.load_data(X, Y)
MEDIUM = X * np.float32(2 / 255) - 1
BYTES = r"pictures are uint8 from 0 to 255, .* write x \* \(2 / 255\) - 1"


@pytest.fixture(scope="module")
def model() -> Any:
    built = mg.build_system("vae", DATA, size="tiny")
    for parameter in built.parameters():  # those that are 0 at first hide the condition
        parameter.data.add_(0.02)
    return built


@pytest.fixture
def features(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Those of the data set, of random weights."""
    monkeypatch.setattr("morphogen.evaluation.features.picture_features", lambda data: RandomFeatures(1))
    return mg.metrics.features_for(DATA)


@case(
    "pictures from 0 to 255 or from 0 to 1, and sounds from -32768 to 32767, in `features_for(data)(x)`",
    "refused with the expression that scales them, in every metric as in `log_prob`",
)
def test_features_check_the_range(features: Any, model: Any) -> None:
    valid = DATA.valid.first().medium
    for call in (
        model.log_prob,
        features,
        lambda x: mg.metrics.quality(x, DATA, features),
        lambda x: mg.metrics.memorisation(x, DATA.train, valid),
        lambda x: mg.metrics.memorisation(valid, DATA.train, x),
        lambda x: mg.metrics.conditional_fidelity(x, [0] * len(x), DATA, features),
    ):
        for x in (X[:3], X[:3, None]):
            refused(lambda call=call, x=x: call(x), BYTES)
        refused(lambda call=call: call(X[:3, None] / 255), r"from 0 to 1, .* write x \* 2 - 1")
        refused(lambda call=call: call(X[:3, None].astype(float)), r"write x \* \(2 / 255\) - 1")
    expected = features(MEDIUM[:3, None])
    for x in (MEDIUM[:3], torch.from_numpy(MEDIUM[:3]), MEDIUM[:3].tolist()):
        assert features(x).allclose(expected, atol=1e-5)
    waves = RNG.uniform(-0.5, 0.5, (20, 1, 1500)).astype(np.float32)
    sounds = mg.metrics.features_for(mg.load_data(waves[:, 0], rate=16000, length=256))
    assert isinstance(sounds, SpectrumFeatures) and sounds(waves[:2]).shape == (2, 96)
    refused(lambda: sounds((waves[:2] * 32767).astype(np.int16)), "write x / 32768")
    refused(lambda: sounds(waves[:2] * 32767), "the model takes floats from -1 to 1")


@case("pictures in `mg.metrics.frechet`", "refused with features that can be computed of them")
def test_frechet_recommends_features_that_work(features: Any) -> None:
    for given in (MEDIUM[:20], MEDIUM[:20, None]):
        with pytest.raises(ValueError, match="give features") as error:
            mg.metrics.frechet(given, given)
        code = re.search(r"mg\.metrics\.features_for.*", str(error.value))
        assert code is not None
        found = eval(code[0], {"mg": mg, "data": DATA, "x": given})  # noqa: S307
        assert mg.metrics.frechet(found, found) < 1e-6


@case(
    "`Samples` in `log_prob`, `quality`, `memorisation` and `features_for(data)`",
    "their tensor, and in `log_prob` their condition",
)
def test_samples_are_taken(features: Any, model: Any) -> None:
    samples = model.sample(20, condition=["bag", "shoe"] * 10)
    expected = model.log_prob(samples.tensor, samples.condition)
    assert model.log_prob(samples).nats.equal(expected.nats)
    shoes = model.log_prob(samples, "shoe").nats
    assert shoes.equal(model.log_prob(samples.tensor, "shoe").nats) and not shoes.equal(expected.nats)
    assert features(samples).equal(features(samples.tensor))
    for metric in (
        lambda x: mg.metrics.quality(x, DATA, features),
        lambda x: mg.metrics.memorisation(x, DATA.train, DATA.valid.first().medium),
    ):
        assert str(metric(samples)) == str(metric(samples.tensor))
        assert str(metric(Batch(samples.tensor))) == str(metric(samples.tensor))
    refused(
        lambda: mg.metrics.precision_recall(samples, samples),
        r"real are samples: give their features, mg\.metrics\.features_for\(data\)\(samples\)",
    )
    refused(lambda: mg.metrics.class_score(samples), r"features_for\(data\)\.classify\(samples\)")


@case(
    "pictures `uint8 [N, H, W]`, `[N, H, W, C]` or `[N, C, H, W]` in `mg.metrics.sheet`",
    "drawn; floats are drawn if they are in [-1, 1], and refused with the scale if not",
)
def test_arrays_of_pictures_are_drawn() -> None:
    colour = np.repeat(X[:3, None], 3, 1)
    expected = mg.metrics.sheet({"": MEDIUM[:3, None]}).tobytes()
    for given in (X[:3], X[:3, None], X[:3, ..., None], MEDIUM[:3], colour, colour.transpose(0, 2, 3, 1)):
        assert mg.metrics.sheet({"": given}).tobytes() == expected
    refused(lambda: mg.metrics.sheet({"": X[:3].astype(float)}), r"write x \* \(2 / 255\) - 1")
    refused(lambda: mg.metrics.sheet({"": X[:3] / 255}), r"write x \* 2 - 1")


@case("one picture `[H, W]` or `[H, W, C]`, or `[N, H, W, C]`, in `log_prob`", "refused with the expression")
def test_the_remedy_is_of_the_library_of_the_array(model: Any) -> None:
    colour = np.repeat(MEDIUM[:5, ..., None], 3, 3)
    of_colour = mg.build_system("vae", mg.load_data(np.repeat(X[..., None], 3, 3)), size="tiny")
    for one, x, remedy in (
        (model, MEDIUM[0], "x[None]"),
        (of_colour, colour[0], "x.transpose(2, 0, 1)[None]"),
        (of_colour, colour, "x.transpose(0, 3, 1, 2)"),
    ):
        for given in (x, torch.from_numpy(x)):
            code = remedy.replace("transpose", "permute") if given is not x else remedy
            refused(lambda one=one, given=given: one.log_prob(given), f"write {re.escape(code)}( for|$)")
            condition = "bag" if one is model else None
            assert one.log_prob(eval(code, {"x": given}), condition).nats.isfinite().all()  # noqa: S307
