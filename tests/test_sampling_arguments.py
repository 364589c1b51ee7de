"""Samplers with unusable arguments, and classes in their place, are refused before anything is drawn."""

import numpy as np
import pytest
import torch

import morphogen as mg
from morphogen.component import ConfigError
from morphogen.families.diffusion import Masking, Observation
from morphogen.representations.pixels import Pixels

pytestmark = pytest.mark.usefixtures("untyped")

SLIPS = {
    "a half step": (lambda: mg.DDIM(25.5), r"^DDIM: steps=25.5: give an integer"),
    "a text": (lambda: mg.Guided(mg.DDIM(5), "3"), r"^Guided: scale='3': give a number$"),
    "not a number": (lambda: mg.Guided(mg.DDIM(5), float("nan")), r"^Guided: scale=nan: give a number$"),
    "infinity": (lambda: mg.Guided(mg.DDIM(5), float("inf")), r"^Guided: the scale is inf: give a finite"),
    "inside another": (lambda: mg.Guided(mg.DDIM(0.5), 3.0), r"^DDIM: steps=0.5: give an integer"),
    "no steps": (lambda: mg.DDIM(0), r"^DDIM: steps must be 1 \.\."),
    "a class": (lambda: mg.Guided, r"write mg.samplers.Guided\(mg.DDIM\(steps=25\), scale=3.0\)$"),
}


@pytest.mark.parametrize("what", SLIPS)
def test_an_unusable_argument_of_a_sampler_is_refused(what: str) -> None:
    model = mg.build_system("ddpm", Pixels(17, (1, 8, 8)), {"label": mg.Classes(3)}, size="tiny")
    sampler, message = SLIPS[what]
    with pytest.raises(ConfigError, match=message):
        model.sample(1, condition=1, sampler=sampler())
    for plain in (mg.DDIM(np.int64(2)), mg.DDIM(2.0), mg.Guided(mg.DDIM(2), np.float32(2))):
        assert len(model.sample(1, condition=1, sampler=plain)) == 1


def test_the_remedy_for_a_class_is_an_expression_of_a_sampler() -> None:
    model = mg.build_system("ddpm", Pixels(17, (1, 8, 8)), size="tiny")
    seen = Masking((1, 8, 8), torch.ones(8, 8, dtype=torch.bool))
    known = {
        "mg": mg,
        "classifier": None,
        "matcher": None,
        "observation": Observation(seen, torch.zeros(1, 1, 8, 8)),
    }
    for name in mg.samplers.__all__:
        given = getattr(mg.samplers, name)
        if not (isinstance(given, type) and issubclass(given, mg.Sampler)):
            continue
        with pytest.raises(ConfigError, match=r": write mg\.samplers\..*\)$") as error:
            model.sample(1, sampler=given)
        remedy = str(error.value).partition("write ")[2]
        made = eval(remedy, known)  # noqa: S307
        assert isinstance(made, given)


@pytest.mark.parametrize("given", [["0", "2", "1"], np.array([0, 2, 1]), {"label": [0, 2, 1]}])
def test_as_many_samples_as_conditions_where_no_number_is_given(given: object) -> None:
    model = mg.build_system("vae", Pixels(17, (1, 8, 8)), {"label": mg.Classes(3)}, size="tiny")
    samples = model.sample(condition=given)
    assert samples.condition["label"].tolist() == [0, 2, 1]
    assert len(model.sample(condition="2")) == 1
    with pytest.raises(TypeError, match=r"^sample\(\) requires n; write model.sample\(16\)$"):
        model.sample()


INDICES = {
    "fewer": (4, torch.arange(2), r"^2 indices for 4 rows: give one for each"),
    "more": (2, range(4), r"^4 indices for 2 rows"),
    "one number": (1, 3, r"^indices "),
    "real numbers": (2, [0.5, 1.5], r"^indices=\[0.5, 1.5\]: give one integer for each row"),
    "a text": (2, "01", r"^indices are a str"),
}


@pytest.mark.parametrize("what", INDICES)
def test_indices_that_do_not_fit_are_refused(what: str) -> None:
    model = mg.build_system("vae", Pixels(17, (1, 8, 8)), size="tiny")
    n, indices, message = INDICES[what]
    with pytest.raises(ConfigError, match=message):
        model.sample(n, indices=indices)
    with pytest.raises(ConfigError, match=message):
        model.log_prob(torch.zeros(n, 1, 8, 8), indices=indices)


def test_indices_are_lists_too_and_say_how_many_samples() -> None:
    model = mg.build_system("vae", Pixels(17, (1, 8, 8)), {"label": mg.Classes(3)}, size="tiny")
    expected = model.sample(2, condition="1", indices=torch.tensor([5, 6]))
    for indices in ([5, 6], range(5, 7), np.array([5, 6])):
        samples = model.sample(condition="1", indices=indices)
        assert samples.tensor.equal(expected.tensor) and samples.record == expected.record
        nats = model.log_prob(samples, indices=indices).nats
        assert nats.equal(model.log_prob(samples, indices=torch.tensor([5, 6])).nats)


@pytest.mark.parametrize("precision", ["fp16", "bfloat16", 16])
def test_an_unknown_precision_is_refused(precision: object) -> None:
    model = mg.build_system("vae", Pixels(17, (1, 8, 8)), size="tiny")
    with pytest.raises(ConfigError, match=r"^precision=.*: give 'auto' or 'fp32' or 'bf16'$"):
        model.sample(1, precision=precision)


@pytest.mark.parametrize("batch", [-1, 0, 0.5])
def test_an_unusable_batch_is_refused(batch: object) -> None:
    model = mg.build_system("vae", Pixels(17, (1, 8, 8)), size="tiny")
    for call in (
        lambda: model.sample(1, batch=batch),
        lambda: model.log_prob(torch.zeros(1, 1, 8, 8), batch=batch),
        lambda: mg.inference.LatentSpace(model).encode(torch.zeros(1, 1, 8, 8), batch=batch),
    ):
        with pytest.raises(ConfigError, match=rf"^batch={batch}: give "):
            call()
