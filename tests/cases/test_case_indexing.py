"""Samples and rows are indexed, iterated and made into arrays as lists and tensors are."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import morphogen as mg
from morphogen.component import ConfigError
from morphogen.wrong_calls import WrongCall

from . import case

pytestmark = pytest.mark.usefixtures("untyped")
RNG = np.random.default_rng(0)
MEDIA = {
    "pictures": (RNG.integers(0, 17, (40, 8, 8)), "vae"),
    "table": (pd.DataFrame({"a": RNG.normal(size=60), "b": ["x", "y"] * 30}), "table_mixture"),
    "text": ([f"the cat sat on mat {i} and looked at dog {i * i}" for i in range(60)], "ngram"),
}


@pytest.fixture(scope="module", params=MEDIA)
def drawn(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """The data and six samples of a medium."""
    values, system = MEDIA[request.param]
    data = mg.load_data(values, **({"length": 16} if request.param == "text" else {}))
    return data, mg.build_system(system, data, size="tiny").sample(6)


@case(
    "`samples[0]`, `samples[-1]`, `len(samples)`, `for x in samples`, `np.asarray(samples)`",
    "one sample as a Python object, their number, each in turn, an array",
)
def test_samples_are_a_sequence(drawn: tuple[Any, Any]) -> None:
    _, samples = drawn
    decoded = [repr(one) if isinstance(one, dict | str) else one.tobytes() for one in samples.decode()]

    def same(one: Any) -> Any:
        return repr(one) if isinstance(one, dict | str) else one.tobytes()

    assert [same(samples[i]) for i in range(6)] == decoded == [same(one) for one in samples]
    assert same(samples[-1]) == same(samples[np.int64(5)]) == decoded[5]
    assert np.array_equal(np.asarray(samples), samples.tensor.numpy(), equal_nan=True)
    with pytest.raises(IndexError, match=r"samples\[6\]: there are 6 samples, 0 to 5"):
        samples[6]


@case("`samples[:4]`, `samples[[4, 5]]`", "samples, with their indices and conditions")
def test_some_of_the_samples_keep_their_indices_and_conditions(drawn: tuple[Any, Any], tmp_path: Any) -> None:
    _, samples = drawn
    for rows in (slice(4, None), [4, 5], torch.tensor([4, 5]), np.array([4, 5]), np.arange(6) > 3):
        some = samples[rows]
        assert len(some) == 2 and list(some.indices) == [4, 5]
        assert some.tensor.equal(samples.tensor[4:]) or some.tensor.isnan().any()
        for name, values in some.condition.items():
            assert values.equal(samples.condition[name][4:])
    assert len(samples[4:].save(tmp_path)) in (1, 2) and len(samples) == 6


@case("`data.train[0]`, `data.train[:8]`, `list(data.train)`", "rows as batches")
def test_rows_of_data_take_numbers_slices_and_lists(drawn: tuple[Any, Any]) -> None:
    data, _ = drawn
    whole = data.train.first(3).medium
    for rows in (slice(0, 3), [0, 1, 2], range(3), np.arange(3), torch.arange(3)):
        assert np.array_equal(data.train[rows].medium, whole, equal_nan=True)
    assert np.array_equal(data.train[1].medium, whole[1:2], equal_nan=True)
    assert np.array_equal(data.train[-1].medium, data.train[len(data.train) - 1].medium, equal_nan=True)
    assert len(list(data.train)) == len(data.train) == len(np.asarray(data.train))
    with pytest.raises(IndexError, match=r"there are [0-9]+ rows"):
        data.train[len(data.train)]
    with pytest.raises(WrongCall, match="row 'a': give the numbers of rows"):
        data.train["a"]


@case("`len(data)`, `data[0]`", "refused in one line that names `data.train`, `data.valid` and `data.test`")
def test_a_data_set_has_parts(drawn: tuple[Any, Any]) -> None:
    data, _ = drawn
    for operator in (len, iter, list, np.asarray, lambda given: given[0], lambda given: given["image"]):
        with pytest.raises(WrongCall, match=r"data have the parts data.train, .*: write (len\()?data\.train"):
            operator(data)
    assert data and not hasattr(data, "zzz")


def test_the_name_of_a_condition_is_no_number() -> None:
    samples = mg.build_system("vae", mg.load_data(MEDIA["pictures"][0], np.arange(40) % 4)).sample(2)
    with pytest.raises(WrongCall, match=r"write samples.condition\['label'\]"):
        samples["label"]


def test_a_rate_in_the_place_of_labels_is_named() -> None:
    with pytest.raises(ValueError, match=r"^labels=8000: give one per example; .* are rate=8000$"):
        mg.load_data(RNG.normal(size=(40, 1, 900)).clip(-1, 1), 8000)


def test_quality_chooses_the_features_of_the_medium(drawn: tuple[Any, Any]) -> None:
    data, samples = drawn
    chosen = mg.metrics.features_for(data)
    assert repr(mg.metrics.quality(samples.tensor, data)) == repr(
        mg.metrics.quality(samples.tensor, data, chosen)
    )


@case(
    '`samples.save("new.csv")`',
    "refused in one line: a folder is written; `samples.frame().to_csv(...)` writes a file",
)
def test_the_name_of_a_file_is_not_that_of_a_folder(drawn: tuple[Any, Any], tmp_path: Any) -> None:
    _, samples = drawn
    for name in ("new.csv", "new.png", "new.npz"):
        with pytest.raises(ConfigError, match="a folder is written, not a file"):
            samples.save(tmp_path / name)
    assert not list(tmp_path.iterdir()) and samples.save(tmp_path / "samples.v2")


@case("`torch.as_tensor(samples)`, `torch.tensor(samples)`", "the tensor of the samples")
@pytest.mark.parametrize("read", [torch.as_tensor, torch.tensor, torch.from_dlpack, torch.asarray])
def test_samples_as_a_tensor(drawn: tuple[Any, Any], read: Callable[[Any], Any]) -> None:
    _, samples = drawn
    assert read(samples).equal(samples.tensor)
    several = replace(samples, tensor={"low": samples.tensor, "high": samples.tensor})
    with pytest.raises(WrongCall, match=r"several tensors: write samples.tensor\['low'\]"):
        read(several)
