"""Slips in a notebook."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import Subset, TensorDataset

import morphogen as mg
from morphogen.catalogue import UnknownName
from morphogen.compare import compare
from morphogen.training.given import training_rows
from tests.cases import case
from tests.cases.test_case_memory import LEVELS, TEXTS, X, Y, pictures, refused

pytestmark = pytest.mark.usefixtures("untyped")


class Net(mg.Component, nn.Module):
    """A network of one's own that takes no time."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(8, 8)

    def forward(self, x: Any, context: Any = None) -> Any:
        return self.inner(x)


class Narrow(Net):
    """A network of one's own that returns another shape."""

    def forward(self, x: Any, t: Any, context: Any) -> Any:  # type: ignore[override]
        return self.inner(x)[:, :, :5]


class Good(Net):
    """A network of one's own that fits."""

    def forward(self, x: Any, t: Any, context: Any) -> Any:  # type: ignore[override]
        return self.inner(x)


@case("`mg.Model(network, data.representation)`", "refused: a network belongs into an objective")
@case(
    "a network of one's own with another signature, or another shape of its result",
    "one line before training, with what it receives and returns",
)
def test_networks_of_ones_own() -> None:
    data = mg.load_data(LEVELS)
    for network in (nn.Linear(3, 3), Net()):
        refused(
            lambda network=network: mg.Model(network, data.representation), "is no objective: give it to one"
        )
    model = mg.build_system("ddpm", data, size="tiny")
    for network, message in (
        (
            Net(),
            r"^Net.forward receives \(float32 \[\d+, 1, 8, 8\], float32 \[\d+\], None\); .* 4 were given$",
        ),
        (
            Narrow(),
            r"^Narrow.forward receives .* and returns \w+ \[\d+, 1, 5, 8\]; it fails on the first",
        ),
    ):
        model.objective.network = network
        refused(lambda: mg.train(model, data, steps=1, device="cpu"), message)
    model.objective.network = Good()
    assert mg.train(model, data, steps=1, device="cpu").steps == 1


@case(
    "`mg.build_system(name, mg.load_data(X, y))`, then `mg.train(model, X)` without the labels",
    "refused: give them, `mg.load_data(X, y)`, or build a model without, `mg.load_data(X)`",
)
def test_labels_forgotten() -> None:
    model, without = mg.build_system("vae", mg.load_data(LEVELS, Y), size="tiny"), mg.load_data(LEVELS)
    items = TensorDataset(torch.as_tensor(LEVELS))
    for rows in (LEVELS, list(LEVELS), items, without, without.train, Subset(without.train, [0, 1, 2])):
        for warm_start in (False, True):
            refused(
                lambda rows=rows, warm=warm_start: mg.train(model, rows, steps=1, warm_start=warm),
                r"^the model takes labels, and the examples have none: give them, "
                r"mg.train\(model, mg.load_data\(X, y\)\); or build a model without, mg.build_system\(",
            )
    assert mg.train(model, mg.load_data(LEVELS, Y), steps=1, device="cpu").steps == 1


@case("pictures as `object` or complex numbers, no pictures, only empty texts", "one line that says so")
@case("PIL pictures of mode `I`", "read as those of mode `I;16`")
def test_what_is_wrong_is_named() -> None:
    wide = (LEVELS * 4000).astype(np.int32)
    read = [mg.load_data([Image.fromarray(x.astype(kind)) for x in wide]) for kind in (np.int32, np.uint16)]
    assert pictures(read[0]) == pictures(read[1]) and len(set(pictures(read[0]))) == len(LEVELS)
    for kind in (object, complex):
        refused(
            lambda kind=kind: mg.load_data(LEVELS.astype(kind), Y), rf"8\], {kind.__name__}.*: cannot be read"
        )
    for labels in (None, []):
        refused(lambda labels=labels: mg.load_data(LEVELS[:0], labels), "there are no pictures")
    gpt = mg.build_system("gpt", mg.load_data(TEXTS, length=16), size="tiny")
    refused(lambda: gpt.log_prob([""]), "texts are all empty")
    model = mg.build_system("vae", mg.load_data(LEVELS, Y), size="tiny")
    refused(lambda: model.sample(3, condition=np.eye(3, dtype=int)), r"of one-hot rows, labels.argmax\(1\)$")
    with pytest.raises(UnknownName, match=r"did you mean ddpm\? "):
        mg.build_system("DDPM", mg.load_data(LEVELS))
    notes = mg.load_data(np.repeat(X[..., None], 4, axis=3)).notes
    assert any("not resized" in note for note in notes) and not any("once resized" in note for note in notes)


@case("`mg.train` with two pictures, or with pictures of one class", "trains on all of them")
def test_few_rows() -> None:
    model = mg.build_system("vae", mg.load_data(LEVELS, Y), size="tiny")
    for rows in ((LEVELS[:2], Y[:2]), (LEVELS[Y == 1], Y[Y == 1])):
        assert len(training_rows(model, rows)) == len(rows[0])
    assert training_rows(model, (LEVELS[:2], Y[:2])).first().condition["label"].sort().values.tolist() == [
        0,
        1,
    ]
    assert mg.train(model, (LEVELS[:2], Y[:2]), steps=1, device="cpu").steps == 1
    refused(lambda: mg.train(model, (LEVELS[:2, :5], Y[:2]), steps=1), "distinct|shape")


@case(
    "`gpt.log_prob` of texts longer than its window, or a prompt of that length", "one line with the length"
)
@case("`Greedy(MaxNewTokens(60))`: one processor in place of several", "that processor")
def test_long_texts() -> None:
    gpt = mg.build_system("gpt", mg.load_data(TEXTS, length=16), size="tiny")
    refused(
        lambda: gpt.log_prob(TEXTS[:3]), r"a sequence of \d+ tokens, where the model has 16 positions: cut it"
    )
    assert gpt.log_prob([text[:16] for text in TEXTS[:3]]).nats.shape == (3,)
    refused(
        lambda: gpt.sample(1, condition="x" * 50),
        r"or continue it with sampler=Ancestral\(MaxNewTokens\(100\)\)$",
    )
    more = mg.samplers.MaxNewTokens(5)
    for sampler in (mg.Greedy(more), mg.Ancestral([more]), mg.Beam(2, processors=more)):
        assert sampler.processors == (more,)
    assert len(gpt.sample(1, condition="x" * 50, sampler=mg.Greedy(more)).decode()[0]) > 50


@case("`model.sample(10**12)`", "refused with the memory that it takes")
def test_too_many_samples() -> None:
    model = mg.build_system("vae", mg.load_data(LEVELS), size="tiny")
    refused(
        lambda: model.sample(10**12),
        r"^n=1000000000000: [\d,]+ GB of samples, where the machine has [\d,]+ GB: ",
    )


@case('`compare(X, 3)` of arrays, `compare(data, "4s")`', "refused before anything is written")
def test_comparing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data: Any = mg.load_data(LEVELS)
    for given, budget, message in (
        (LEVELS, 3, r"the data are of type ndarray: give mg.load_data\(X, y\)$"),
        (data, "4s", "time='4s': give a number"),
        (data, -1, "must be positive"),
    ):
        with pytest.raises(ValueError, match=message):
            compare(given, budget)
    assert not list(tmp_path.iterdir())


@case("`mg.systems()`, `mg.list_systems()`, `model.num_parameters()`", "one line with what to write")
@pytest.mark.usefixtures("untyped")
def test_what_there_is() -> None:
    with pytest.raises(TypeError, match=r"^systems is a module: write list\(mg.systems\), or mg.build"):
        mg.systems()
    assert {"vae", "ddpm", "wavenet"} < set(mg.systems) and "Size" not in list(mg.systems)
    with pytest.raises(AttributeError, match=r"write list\(mg.systems\)$"):
        mg.list_systems  # noqa: B018


@case("`mg.load_data(X=X, y=y)`", "one line with `mg.load_data(X, y)`")
@case("pictures `[N, 28, 28]` in `mg.metrics.quality` and `sheet`", "pictures of one channel")
@pytest.mark.usefixtures("untyped")
def test_grey_pictures_in_metrics() -> None:
    with pytest.raises(TypeError, match=r"has no argument 'X'; write mg.load_data\(X, y\)$"):
        mg.load_data(X=X, y=Y)
    data, grey = mg.load_data(X), X / 127.5 - 1
    features = mg.metrics.features_for(data)
    quality = mg.metrics.quality
    assert quality(grey, data, features) == quality(grey[:, None], data, features)
    assert mg.metrics.sheet({"a": grey}).tobytes() == mg.metrics.sheet({"a": grey[:, None]}).tobytes()
    assert torch.equal(features(grey[:, None]), features(torch.tensor(grey[:, None]).float()))


@case(
    "`samples.show()`, `samples.rate`, `samples.sample_rate`",
    "`samples.sheet()` is one picture of all; sounds have their rate",
)
@pytest.mark.usefixtures("untyped")
def test_samples_are_shown() -> None:
    samples = mg.build_system("vae", mg.load_data(X), size="tiny").sample(3)
    assert samples.sheet().tobytes() == mg.metrics.sheet({"": samples}).tobytes()
    assert samples.sheet(columns=1).height > samples.sheet().height
    with pytest.raises(AttributeError, match=r"write samples.sheet\(\)$"):
        samples.show()
    for name in ("rate", "sample_rate"):
        with pytest.raises(AttributeError, match=f"^Samples has no attribute '{name}'$"):
            getattr(samples, name)
    waves = np.random.default_rng(0).uniform(-0.5, 0.5, (20, 1000))
    sounds = mg.build_system("wavenet", mg.load_data(waves, rate=8000, length=64), size="tiny").sample(1)
    assert sounds.rate == 8000
    with pytest.raises(AttributeError, match=r"write samples.rate$"):
        sounds.sampling_rate  # noqa: B018
