"""Every public metric takes arrays, tensors and lists, and refuses anything else in one line of its own."""

import itertools
import traceback
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import morphogen as mg
from morphogen.component import ConfigError
from morphogen.conditioning.caption import caption_texts
from morphogen.contract import Unsupported
from morphogen.data import DataError

pytestmark = pytest.mark.usefixtures("untyped")
RNG = np.random.default_rng(0)
LEVELS = RNG.integers(0, 17, (60, 8, 8))
LEVELS.flat[0] = 16
FEATURES, OTHERS = RNG.normal(size=(40, 5)), RNG.normal(size=(30, 5))
P = RNG.dirichlet(np.ones(4), 50)
FRAME = pd.DataFrame({"a": RNG.normal(size=40), "b": ["x", "y"] * 20})
OURS = (ConfigError, DataError, Unsupported, ValueError)


@pytest.fixture(scope="module")
def given() -> dict[str, Any]:
    """The right arguments of each metric by name; arrays are NumPy's."""
    data = mg.load_data(LEVELS, np.arange(60) % 3)
    model, gan = (mg.build_system(name, data, size="tiny") for name in ("mixture", "dcgan"))
    space = mg.metrics.features_for(data)
    pictures = data.train.first(30).medium.numpy()
    labels = data.train.first(30).condition["label"].numpy()
    weights = mg.inference.BFloat16()
    sets = {"real": FEATURES, "fake": OTHERS}
    texts = {"translations": ["the cat sat"] * 3, "references": ["a cat sat down"] * 3}
    return of_captions() | {
        "anomalies": {"model": model, "rows": data.test, "typical": data.valid},
        "bits_per_dim": {"model": model, "examples": data.test, "n": 4},
        "bleu": texts,
        "bootstrap": {"statistic": lambda rows: float(rows.mean()), "samples": FEATURES[:, 0]},
        "class_score": {"probabilities": P},
        "codec_baselines": {"data": data, "n": 3},
        "conditional_fidelity": {"samples": pictures, "condition": labels, "data": data, "features": space},
        "critic_calibration": {"model": gan, "batch": data.test.first(3)},
        "different_bins": sets | {"bins": 2},
        "features_for": {"data": data},
        "frechet": sets,
        "frechet_interval": sets,
        "kernel_distance": sets,
        "memorisation": {"samples": pictures, "train": data.train, "heldout": pictures},
        "precision_cost": {"model": model, "weights": weights, "rows": data.test.first(3)},
        "prdc": sets,
        "precision_recall": sets,
        "quality": {"samples": pictures, "data": data, "features": space},
        "sheet": {"rows": {"real": pictures}},
        "table_quality": {"train": FRAME, "held_out": FRAME, "synthetic": FRAME},
        "two_sample": sets,
        "word_errors": {"reference": "a cat", "hypothesis": "a dog"},
    }


def of_captions() -> dict[str, Any]:
    """The right arguments of the metrics of pictures and captions."""
    shapes = mg.load_data("shapes", tokenizer="bytes", length=200)
    scenes = shapes.test.first(20)
    texts, pictures = caption_texts(scenes.condition["caption"]), scenes.medium.numpy()
    matcher = mg.inference.Matcher(mg.build_system("clip", shapes, size="tiny"))
    return {
        "caption_fidelity": {"samples": pictures, "condition": texts, "data": shapes},
        "caption_score": {"matcher": matcher, "samples": pictures, "texts": texts},
        "retrieval": {"matcher": matcher, "pictures": pictures, "texts": texts},
        "zero_shot": {"matcher": matcher, "pictures": pictures, "classes": ["red", "green"]},
    }


def test_all_metrics_are_tested(given: dict[str, Any]) -> None:
    assert sorted(given) == sorted(mg.metrics.__all__)


@pytest.mark.parametrize("name", mg.metrics.__all__)
def test_arrays_tensors_and_lists_give_the_same_figure(name: str, given: dict[str, Any]) -> None:
    metric, arguments = getattr(mg.metrics, name), given[name]
    arrays = [key for key, value in arguments.items() if isinstance(value, np.ndarray)]
    expected = metric(**arguments)
    for convert in (torch.from_numpy, np.ndarray.tolist) if arrays else ():
        converted = {key: convert(arguments[key]) if key in arrays else v for key, v in arguments.items()}
        found = metric(**converted)
        assert str(_rounded(found)) == str(_rounded(expected))


def test_the_statistic_of_a_bootstrap_receives_what_was_given() -> None:
    rows = FEATURES[:, 0]
    expected = mg.metrics.bootstrap(lambda x: x.mean(), (torch.from_numpy(rows),))
    for statistic, samples in ((np.mean, rows), (np.mean, (rows,)), (torch.mean, torch.from_numpy(rows))):
        assert _rounded(mg.metrics.bootstrap(statistic, samples)) == _rounded(expected)
    with pytest.raises(
        ConfigError, match=r"the statistic fails on the sets \(ndarray \[40, 5\]\): .* number"
    ):
        mg.metrics.bootstrap(lambda x: x.mean(0), FEATURES)


WRONG = {
    "a number": 3,
    "a text": "the cat",
    "None": None,
    "a list of texts": ["the", "cat"],
    "no rows": np.zeros((0, 5)),
    "three axes": np.zeros((6, 2, 2)),
    "of other features": np.ones((20, 3)),
    "NaN": np.full((20, 5), np.nan),
    "complex": np.ones((20, 5)) * 1j,
    "objects": np.array([[None, "x"]] * 4),
    "rows of other lengths": [[1.0], [1.0, 2.0]],
    "a mapping": {"real": 3},
    "a function": len,
    "a class": dict,
}


@pytest.mark.parametrize("name", mg.metrics.__all__)
def test_anything_else_is_one_line(name: str, given: dict[str, Any]) -> None:
    metric, arguments = getattr(mg.metrics, name), given[name]
    data = mg.load_data(LEVELS)
    lists = [{"real": 3}, {"real": [3]}, {"real": "the cat"}, {"real": FRAME}, {"real": np.ones((2, 3))}]
    objects = {f"mapping {i}": one for i, one in enumerate(lists)} if name == "sheet" else {}
    objects |= {"a data set": data, "rows": data.test, "a batch": data.test.first(2), "a frame": FRAME}
    refused, raw = 0, []
    for argument, (what, value) in itertools.product(arguments, (WRONG | objects).items()):
        if type(value) is type(arguments[argument]) and not isinstance(value, np.ndarray | str | dict):
            continue
        try:
            metric(**arguments | {argument: value})
        except OURS as error:
            refused += 1
            place = traceback.extract_tb(error.__traceback__)[-1].filename
            if "\n" in str(error) or "morphogen" not in place:
                raw.append(f"{argument}={what}: {error!r:.200} in {place}")
        except Exception as error:
            raw.append(f"{argument}={what}: {error!r:.200}")
    assert not raw
    assert refused >= 5 * len(arguments)


def _rounded(value: Any) -> Any:
    """Figures to 9 digits."""
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return float(f"{value:.9g}") if isinstance(value, float) else value


def test_logits_and_single_texts_are_no_figures() -> None:
    logits = torch.from_numpy(RNG.normal(size=(50, 4)))
    with pytest.raises(
        ConfigError, match=r"probabilities of shape \[50, 4\]: .* of logits, logits.softmax\(1\)$"
    ):
        mg.metrics.class_score(logits)
    assert mg.metrics.class_score(logits.softmax(1).half())["value"] > 1
    with pytest.raises(ConfigError, match=r"^translations is one text, 'the cat': give a list of texts"):
        mg.metrics.bleu("the cat", "the cat")
    with pytest.raises(ConfigError, match=r"^references has an item of type list: give a list of texts"):
        mg.metrics.bleu(["the cat"], [["the cat", "a cat"]])
    with pytest.raises(
        ConfigError, match=r"shape \[40, 5\], those of samples \[30, 3\]: give both in the same"
    ):
        mg.metrics.frechet(FEATURES, OTHERS[:, :3])


@pytest.mark.parametrize("name", ["frechet", "kernel_distance", "precision_recall", "prdc", "two_sample"])
@pytest.mark.parametrize("side", [0, 1])
def test_features_that_are_not_finite_give_no_figure(name: str, side: int) -> None:
    sets = [np.random.default_rng(i).normal(size=(40, 3)) for i in range(2)]
    sets[side][0, 0] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        getattr(mg.metrics, name)(*sets)


METRICS_OF_TWO = ["frechet", "frechet_interval", "kernel_distance", "prdc", "precision_recall", "two_sample"]


@pytest.mark.parametrize("name", METRICS_OF_TWO)
def test_tables_are_compared_by_the_names_of_their_columns(name: str) -> None:
    real = pd.DataFrame({"a": FEATURES[:, 0], "b": 10 + 5 * FEATURES[:, 1]})
    fake = pd.DataFrame({"a": OTHERS[:, 0], "b": 10 + 5 * OTHERS[:, 1]})
    metric = getattr(mg.metrics, name)
    assert metric(real, fake[["b", "a"]]) == metric(real, fake)
    assert metric(fake=fake[["b", "a"]], real=real.to_numpy()) == metric(real, fake[["b", "a"]].to_numpy())
    for other in (fake[["a"]], fake.rename(columns={"b": "c"}), fake[["a", "b", "b"]]):
        with pytest.raises(
            ConfigError, match=r"fake has the columns .*; real has a, b: give the same columns"
        ):
            metric(real, other)
