"""Models in a notebook."""

import copy
import pickle
import re
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

import morphogen as mg
from morphogen.cli.arguments import choose_conditions
from morphogen.component import ConfigError
from morphogen.data import DataError
from morphogen.run import Run
from morphogen.training.given import training_rows
from tests.cases import case

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (60, 8, 8), dtype=np.uint8)
Y = np.arange(60) % 3
LEVELS = RNG.integers(0, 17, (60, 8, 8))
LEVELS.flat[0] = 16
TEXTS = [
    f"the cat sat on mat {i * i % 31}, and the dog of {i} did not, said the cow of {i}" for i in range(60)
]


def refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises((DataError, ConfigError)) as error:
        call()
    assert re.search(message, str(error.value)) and "\n" not in str(error.value), str(error.value)


def small(labels: bool = True) -> Any:
    data = mg.load_data(LEVELS, labels=Y if labels else None)
    return mg.build_system("vae", data.representation, data.conditions, "tiny")


@case("`mg.train(model, X)`, `(X, y)`, a `Dataset`, or rows", "trains on all rows, or on the train part")
@pytest.mark.parametrize(
    "given",
    [
        LEVELS,
        (LEVELS, Y),
        LEVELS / 8 - 1,
        mg.load_data(LEVELS, labels=Y),
        mg.load_data(LEVELS, labels=Y).train,
    ],
)
def test_training_on_arrays(given: Any) -> None:
    assert mg.train(small(not isinstance(given, np.ndarray)), given, steps=2, device="cpu").steps == 2


@case(
    "`mg.train` with pictures of another size, texts, or a class that the model lacks",
    "refused before training",
)
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            RNG.integers(0, 17, (60, 9, 9)),
            r"shape \[43, 1, 9, 9\]|have shape \[\d+, 1, 9, 9\], the model takes",
        ),
        (TEXTS, "the examples are text, the model is for pictures"),
        ((LEVELS, Y + 1), "no class of the model is named '3'; its classes are 0, 1, 2"),
        (3, "data int: cannot be read; give pictures"),
    ],
)
def test_training_on_other_data_is_refused(given: Any, message: str) -> None:
    refused(lambda: mg.train(small(), given, steps=1, device="cpu"), message)


@case(
    "`mg.train` with a `Dataset` of the same classes in another order, of other classes, or of other columns",
    "labels by the names of their classes; a class or a column that the model lacks is refused",
)
def test_training_on_a_dataset_of_other_classes() -> None:
    first = mg.load_data(LEVELS, ["a", "b", "c"] * 20)
    model = mg.build_system("vae", first.representation, first.conditions, "tiny")
    second = mg.load_data(LEVELS, ["b", "c", "b"] * 20)
    rows = training_rows(model, second).first()
    assert torch.equal(rows.condition["label"], second.train.first().condition["label"] + 1)
    third = mg.load_data(LEVELS, ["cat", "dog", "cow"] * 20)
    refused(lambda: mg.train(model, third, steps=1), "no class of the model is named 'cat'; its .* a, b, c$")
    table = mg.load_data({"x": list(LEVELS[:, 0, 0]), "kind": ["a", "b"] * 30})
    mixture = mg.build_system("table_mixture", table.representation, table.conditions, "tiny")
    for columns, message in (
        (
            {"x": list(LEVELS[:, 0, 0]), "kind": ["a", "c"] * 30},
            "'kind' has other categories than that of the mod",
        ),
        (
            {"y": list(LEVELS[:, 0, 0]), "kind": ["a", "b"] * 30},
            "the columns are y, kind; the model is for x, kind",
        ),
    ):
        refused(lambda given=columns: mg.train(mixture, mg.load_data(given), steps=1), message)
    refused(lambda: mg.train(mixture, first, steps=1), "the examples are pictures, the model is for table")


@case(
    "`model.log_prob` of integers 0 to 16, or of floats in [0, 1]",
    "refused with the expression that converts",
)
def test_log_prob_of_another_scale() -> None:
    model = small()
    refused(lambda: model.log_prob(LEVELS, Y), r"int64 from 0 to 16, .*: write x \* \(2 / 16\) - 1$")
    refused(
        lambda: model.log_prob(LEVELS / 16, Y), r"from 0 to 1, the model takes -1 to 1: write x \* 2 - 1$"
    )
    nats = model.log_prob(LEVELS / 8 - 1, torch.tensor(Y)).nats
    assert nats.shape == (60,) and bool(nats.isfinite().all())


@case(
    "`log_prob`, `bits_per_dim` or `quality` of a `Dataset`, of its rows or a `Batch`",
    "refused with the attribute to give, such as `batch.medium`",
)
@pytest.mark.usefixtures("untyped")
def test_containers_of_a_medium() -> None:
    model, data = small(), mg.load_data(LEVELS, Y)
    samples, rows = model.sample(2, condition=[0, 1]), data.test.first(3)
    for given, message in (
        (data, r"pictures are of type Dataset: give batch.medium, with .* of batch = data.test.first\(n\)$"),
        (data.test, r"pictures are of type Pictures: give batch.medium"),
        (rows, "pictures are of type Batch: give batch.medium, with batch.condition$"),
    ):
        refused(lambda given=given: model.log_prob(given), message)
    for given in (rows, samples.tensor):
        refused(lambda given=given: mg.metrics.bits_per_dim(model, given), r"give rows, such as data.test")
    text = mg.load_data(TEXTS, length=16)
    gpt = mg.build_system("gpt", text.representation, text.conditions, "tiny")
    refused(lambda: gpt.log_prob(text), "texts are of type Dataset: give batch.medium")


@case(
    '`mg.train` with `device="gpu"`, `seed="a"`, `steps=2.5`, `time="15s"`, `progress=True`',
    "refused in one line with what is possible; numbers of NumPy and a directory as text are taken",
)
@pytest.mark.usefixtures("untyped")
def test_options_of_training(tmp_path: Path) -> None:
    for options, message in (
        ({"device": "gpu"}, "device='gpu': give 'auto' or 'cpu' or 'cuda'$"),
        ({"precision": "fp16"}, "precision='fp16': give 'auto' or 'fp32' or 'bf16'$"),
        ({"seed": "a"}, "seed='a': give an integer$"),
        ({"steps": 2.5}, "steps=2.5: give an integer or None$"),
        ({"steps": None, "time": "15s"}, "time='15s': give a number or None$"),
        ({"steps": None, "time": True}, "time=True: give a number or None$"),
        ({"progress": True}, "progress=True: give an object of type Progress or None$"),
        ({"log_every": 0}, "log_every=0: give the steps per line, 1 or more$"),
    ):
        given = {"steps": 1, **options}
        refused(lambda given=given: mg.train(small(), (LEVELS, Y), **given), message)
    taken = {"steps": np.int64(2), "seed": np.int64(1), "directory": str(tmp_path / "a")}
    assert mg.train(small(), (LEVELS, Y), device="cpu", **taken).steps == 2
    assert (tmp_path / "a/model/config.json").is_file()


@case(
    "`mg.train(model, X, steps=2, directory=D)` where D holds 2 or 3 steps already",
    "a warning that nothing was trained and the model is the result of these, with `resume=False`",
)
def test_a_directory_of_a_longer_training(tmp_path: Path) -> None:
    mg.train(small(), (LEVELS, Y), steps=3, device="cpu", directory=tmp_path)
    for steps in (2, 3):
        with pytest.warns(
            UserWarning, match="holds a training of 3 steps .* nothing was trained, .* resume=F"
        ):
            assert mg.train(small(), (LEVELS, Y), steps=steps, device="cpu", directory=tmp_path).steps == 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert mg.train(small(), (LEVELS, Y), steps=4, device="cpu", directory=tmp_path).steps == 4


@case(
    "a label out of range in `sample`, `log_prob`, `train` or a `Batch`",
    "one line with the range",
)
def test_labels_out_of_range() -> None:
    model, medium = small(), torch.tensor(LEVELS[:2, None] / 8 - 1, dtype=torch.float32)
    label = torch.tensor([1, 12])
    message = r"labels \[1, 12\]: give whole numbers from 0 to 2"
    for condition in (label, {"label": label}):
        refused(lambda given=condition: model.log_prob(medium, given), message)
        refused(lambda given=condition: model.sample(2, given), message)
    batch = mg.Batch(medium, {"label": label})
    refused(lambda: model(batch, mg.Rng(0, 2), "model"), message)


@case(
    '`model.sample(condition="cat")`, a list or an array of names',
    "the classes of these names, also after loading",
)
def test_conditions_in_words(tmp_path: Path) -> None:
    data = mg.load_data(LEVELS, labels=["cat", "dog", "cow"] * 20)
    model = mg.build_system("vae", data.representation, data.conditions, "tiny")
    mg.save(model, tmp_path / "m")
    for one in (model, mg.load(tmp_path / "m")):
        for given in ("dog", ["dog", "dog"], np.array(["dog", "index:2"]), {"label": "dog"}, "index:2"):
            assert one.sample(2, condition=given).condition["label"].tolist() == [2, 2]
    refused(lambda: model.sample(2, condition="bird"), "no class 'bird'; the classes are cat, cow, dog")
    refused(lambda: model.sample(2, condition=["cat"] * 3), "has 3 rows, not 2: give one for all rows")
    bare = mg.Model(model.objective, model.representation, model.conditioner)
    refused(lambda: bare.sample(2, condition="cat"), "'cat': give numbers, such as the index of a class")


@case(
    "class folders `01`, `02`, `03` and `--condition 1`",
    "the class *named* 01; `index:1` is the place",
    "pytorch/vision#714",
)
@case(
    "class folders with accents, written composed or decomposed (macOS)",
    "the same class: names are compared in NFC",
)
def test_classes_of_folders(tmp_path: Path) -> None:
    for folder in ("01", "02", "03", "cafe\u0301"):
        (tmp_path / folder).mkdir()
        for i, x in enumerate(X[:20]):
            Image.fromarray(x ^ len(list(tmp_path.iterdir()))).save(tmp_path / folder / f"{i}.png")
    data = mg.load_data(tmp_path)
    label = data.conditions["label"]
    words = ("1", "01", "3", "index:1", "caf\u00e9", "cafe\u0301")
    assert [int(label.parse(word)) for word in words] == [0, 0, 2, 1, 3, 3]
    refused(
        lambda: label.parse("0"),
        r"no class '0'; the classes are 01, 02, 03, caf\u00e9 \(index:0 to .*\): write 'index:0' for '01'$",
    )
    chosen = choose_conditions(Run(tmp_path, {"settings": {}}), {"label": label}, ["1"])
    assert int(chosen["label"]) == 0


class Net(nn.Module):
    """A network of one's own, which is no Component."""

    def forward(self, x: Any, context: Any) -> Any:
        return x


@case(
    "an own `nn.Module` as the model, or inside of one",
    "refused before training, with how to make it a part",
)
@pytest.mark.usefixtures("untyped")
def test_an_own_module() -> None:
    data, model = mg.load_data(LEVELS), small(labels=False)
    refused(lambda: mg.train(Net(), data, steps=1), r"Net is a network: give it to an objective, mg.Model\(")
    model.objective.encoder = Net()
    line = (
        r"objective.encoder: Net is no Component.*; write class Net\(mg.Component, nn.Module\), and self.NAME"
    )
    refused(lambda: mg.train(model, data, steps=1), line)


@case(
    "`samples.save` into a folder with files of one's own, also a samples.json",
    "one line with another folder; nothing is replaced. Samples saved before are",
)
@pytest.mark.parametrize("name", ["0000.png", "samples.json"])
def test_files_of_ones_own_among_samples(tmp_path: Path, name: str) -> None:
    samples = small(labels=False).sample(2)
    (tmp_path / name).write_text('{"photos": ["mine"]}')
    for _ in range(2):
        refused(lambda: samples.save(tmp_path), rf"{name} is not of samples .*{tmp_path}/samples")
        assert [file.read_text() for file in tmp_path.iterdir() if file.is_file()] == ['{"photos": ["mine"]}']
        samples.save(tmp_path / "samples")  # what the line says, and once more
    assert Image.open(tmp_path / "samples" / "0001.png").size == (8, 8)


def test_an_interrupted_save_can_be_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = small(labels=False).sample(2)
    with monkeypatch.context() as patch:
        patch.setattr("morphogen.samples._list", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            samples.save(tmp_path)
    assert len(samples.save(tmp_path)) == 2


@case("`mg.save` into a project with its own config.json", "one line with another folder; the file is kept")
@pytest.mark.parametrize("name", ["config.json", "manifest.json", "weights.safetensors"])
def test_files_of_ones_own_beside_a_model(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"format": "mine"}')
    refused(lambda: mg.save(small(), tmp_path), rf"{name} is not of a model .*'{tmp_path}/model'")
    assert [file.name for file in tmp_path.iterdir()] == [name] and "mine" in (tmp_path / name).read_text()
    for _ in range(2):
        mg.save(small(), tmp_path / "model")
    assert mg.load(tmp_path / "model").representation.shape == (1, 8, 8)


@case("`mg.train(..., directory=project)` with a folder `model` of one's own", "refused before the training")
def test_a_folder_of_ones_own_that_training_would_replace(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "net.py").write_text("mine")
    train = partial(mg.train, small(labels=False), LEVELS, steps=1, device="cpu", resume=False)
    refused(lambda: train(directory=tmp_path), rf"model is not of a model .*directory='{tmp_path}/training'")
    assert (tmp_path / "model" / "net.py").read_text() == "mine"
    for _ in range(2):
        train(directory=tmp_path / "training")


@case("`~` in the place of a model, a training or samples", "the home directory")
def test_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    model = small(labels=False)
    mg.train(model, LEVELS, steps=1, directory="~/t", device="cpu")
    mg.save(model, "~/m")
    mg.load("~/m").sample(1).save("~/s")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m", "s", "t"]


@case("samples, data sets and models that are pickled or copied", "the same again")
@pytest.mark.parametrize("again", [copy.deepcopy, copy.copy, lambda it: pickle.loads(pickle.dumps(it))])
def test_copies(again: Callable[[Any], Any]) -> None:
    data = mg.load_data(LEVELS, labels=Y)
    model = mg.build_system("vae", data, size="tiny")
    samples = model.sample(2)
    assert again(samples).tensor.equal(samples.tensor) and again(samples).record == samples.record
    assert again(model).sample(2).tensor.equal(samples.tensor) and len(again(data).train) == len(data.train)
    space = mg.inference.LatentSpace(model)
    assert again(space).encode(samples).equal(space.encode(samples))


@case(
    "`mg.train(model, df)` with the frame or file that `load_data(df, condition=...)` read, in any order",
    "trained: the class comes from its column, and the order is the model's",
)
@pytest.mark.parametrize("order", [["a", "k", "b"], ["k", "b", "a"]])
def test_training_on_the_frame_of_the_data(tmp_path: Path, order: list[str]) -> None:
    frame = pd.DataFrame({"a": RNG.normal(size=60), "k": list("xyz") * 20, "b": RNG.integers(0, 9, 60)})
    model = mg.build_system("table_mixture", mg.load_data(frame, condition="k"), size="tiny")
    given, file = frame[order], tmp_path / "t.csv"
    given.to_csv(file, index=False)
    for rows in (
        given,
        file,
        given.to_dict("records"),
        given.to_dict("list"),
        (given.drop(columns="k"), given["k"]),
    ):
        examples = training_rows(model, rows)
        batch = examples[torch.arange(60)]
        means = {k: batch.medium[batch.condition["label"] == i].mean(0) for i, k in enumerate("xyz")}
        assert len(examples) == 60
        for name, mean in means.items():
            torch.testing.assert_close(
                mean, torch.tensor(frame[frame.k == name][["a", "b"]].mean().to_numpy())
            )
    assert mg.train(model, given, steps=1, device="cpu").steps == 1


@case("latents that are arrays, lists or of another float type", "as tensors of the model's type")
@pytest.mark.usefixtures("untyped")
def test_latents_as_people_have_them() -> None:
    inference = mg.inference
    space = inference.LatentSpace(small(labels=False))
    z = torch.randn(6, *space.model.objective.latent_shape)
    decoded = space.decode(z).tensor
    for given in (z.numpy(), z.tolist(), z.double(), z.double().numpy()):
        assert space.decode(given).tensor.equal(decoded)
        path = inference.slerp(given[0], given[1], 4).float()
        assert path.allclose(inference.slerp(z[0], z[1], 4), atol=1e-6)
        for has in ([1, 0, 0, 1, 1, 0], np.array([1, 0, 0, 1, 1, 0]), torch.tensor([1.0, 0, 0, 1, 1, 0])):
            direction = inference.attribute(given, has).float()
            assert direction.allclose(z[[0, 3, 4]].mean(0) - z[[1, 2, 5]].mean(0), atol=1e-6)
        for values in ([0, 1, 2], np.linspace(0, 2, 3), torch.arange(3)):
            assert inference.traversal(given[0], 1, values).flatten(1)[:, 1].tolist() == [0, 1, 2]


@case("latents of another shape, and labels in place of an attribute", "one line")
@pytest.mark.usefixtures("untyped")
def test_latents_that_do_not_fit() -> None:
    inference = mg.inference
    space = inference.LatentSpace(small(labels=False))
    z = torch.randn(3, *space.model.objective.latent_shape)
    refused(lambda: space.decode(z[0]), r"latents have shape .*: write x\[None\]")
    refused(lambda: space.decode(z[:, :2]), r"latents have shape \[3, 2\]")
    refused(lambda: space.decode({"z": z}), "latents are a dict")
    refused(lambda: inference.attribute(z, [0, 2, 1]), "has holds 2: .* labels == 2")
    refused(lambda: inference.attribute(z, [0, 1]), "one value for each of 3 rows")
    refused(lambda: inference.slerp(z[0], z[1, :2], 4), "one shape")
    refused(lambda: inference.traversal(z[0], 999, [1.0]), "entries 0 to")
