"""Labels."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import Subset, TensorDataset

import morphogen as mg
from morphogen.evaluation.features import RandomFeatures
from morphogen.training.given import training_rows
from tests.cases import case
from tests.cases.test_case_memory import FRAME, LEVELS, WAVES, X, Y, refused

WORDS = np.array(["zero", "one", "two"])
MEDIUM = torch.tensor(LEVELS[:, None] / 8 - 1, dtype=torch.float32)


def model_of(labels: Any) -> Any:
    data = mg.load_data(LEVELS, labels)
    return mg.build_system("vae", data.representation, data.conditions, "tiny")


@case(
    "classes 0, 2, 5, and labels in a list, an array, a column or a tensor beside the data",
    "names, in `load_data`, `train` and `log_prob` alike",
)
@case(
    "`log_prob(x, y)` and `sample(condition=y)` of a bare tensor, where names and places differ",
    'refused: a list of names, or `{"label": tensor}` for places, as `batch.condition` has them',
)
def test_numbers_are_names_wherever_they_are() -> None:
    values = np.array([0, 2, 5])[Y]
    model = model_of(values)
    places = {"label": torch.tensor(Y)}
    for given in (
        values,
        values.tolist(),
        pd.Series(values),
        values * 1.0,
        places,
        list(torch.tensor(values)),
    ):
        assert torch.equal(model.log_prob(MEDIUM, given).nats, model.log_prob(MEDIUM, places).nats)
    for tensor in (torch.tensor(values), torch.tensor(Y)):
        refused(
            lambda tensor=tensor: model.log_prob(MEDIUM, tensor), "the classes are 0, 2, 5: give a list of n"
        )
        refused(lambda tensor=tensor: model.sample(60, tensor), r'or \{"label": tensor\} for places')
    twos = (LEVELS, torch.full((60,), 2))
    for beside in (twos, TensorDataset(torch.tensor(LEVELS), twos[1]), (LEVELS, [2] * 60)):
        assert set(training_rows(model, beside).first().condition["label"].tolist()) == {1}, (
            "the class named 2"
        )
    assert model.sample(1, condition=2).condition["label"].tolist() == [1]
    assert model.sample(1, condition={"label": torch.tensor([2])}).condition["label"].tolist() == [2]


@case(
    "classes of words and `condition=2`, or labels in numbers",
    "refused: a number is no name of these; `index:2` is the place",
)
@case('classes of booleans, `condition=True`; a list `[2, "five"]` of names', "the classes of these names")
def test_conditions_of_words_and_booleans() -> None:
    model = model_of(WORDS[Y])
    refused(
        lambda: model.sample(1, condition=2),
        "no class '2'; .* one, two, zero .*: write 'index:2' for 'zero'$",
    )
    refused(lambda: model.log_prob(MEDIUM, Y), "no class '0'; the classes are one, two, zero")
    assert model.sample(1, condition="index:2").condition["label"].tolist() == [2]
    flags = model_of(Y > 0)
    assert flags.sample(1, condition=True).condition["label"].tolist() == [1]
    assert flags.sample(2, condition=[True, "False"]).condition["label"].tolist() == [1, 0]
    mixed = model_of([2 if y else "five" for y in Y])
    assert mixed.sample(2, condition=[2, "five"]).condition["label"].tolist() == [0, 1]


@case(
    "rows of another data set, `data.test`, in `train` and `bits_per_dim`",
    "labels by the names of their classes; other classes, media or rates are refused",
)
def test_rows_know_their_classes() -> None:
    model, other = model_of(WORDS[Y]), mg.load_data(LEVELS, Y)
    for call in (
        lambda: mg.metrics.bits_per_dim(model, other.test),
        lambda: mg.train(model, other.train, steps=1),
        lambda: mg.train(model, Subset(other.train, range(20)), steps=1),
    ):
        refused(call, "no class of the model is named '0'; its classes are one, two, zero$")
    fewer = mg.load_data(LEVELS, WORDS[1:][np.minimum(Y, 1)])  # one, two: at places 0, 1
    moved = model_of(np.array(["a", "one", "two"])[Y])
    rows = training_rows(moved, fewer.train)
    assert torch.equal(rows.first().condition["label"], fewer.train.first().condition["label"] + 1)
    batch = rows[torch.arange(len(rows))]
    bits = mg.metrics.bits_per_dim(moved, fewer.train)
    want = (
        -moved.log_prob(batch.medium, batch.condition).nats.double().sum() / np.log(2) / batch.medium.numel()
    )
    assert bits["bits_per_dim"] == pytest.approx(float(want), rel=1e-6)
    assert mg.train(model, Subset(mg.load_data(LEVELS, WORDS[Y]).train, range(9)), steps=1).steps == 1
    text = mg.load_data([f"the cat of {i * i} sat. " * 4 for i in range(60)], length=16)
    refused(lambda: mg.train(model, text.train, steps=1), "the examples are text, the model is for pictures")


@case("a sound model of 8000 Hz, and sounds of 16000 Hz", "refused in `train`, also of rows")
def test_rates() -> None:
    low, high = (mg.load_data(WAVES, rate=rate, length=500) for rate in (8000, 16000))
    model = mg.build_system("wavenet", low, size="tiny")
    for given in (high, high.train):
        refused(
            lambda given=given: mg.train(model, given, steps=1),
            "16000 samples a second, the model is for 8000",
        )


@case(
    "`classes` of a torch `Dataset`, as torchvision has them, also of a `Subset`", "the names of the classes"
)
def test_names_of_a_torch_dataset() -> None:
    named = TensorDataset(torch.tensor(X), torch.tensor(Y))
    named.classes = ["tench", "a shark", "wren"]  # type: ignore[attr-defined]
    for given in (named, Subset(named, range(60)), torch.utils.data.DataLoader(named, 7)):
        data = mg.load_data(given)
        assert data.classes == ("a shark", "tench", "wren")
    data = mg.load_data(Subset(named, range(60)))
    first = data.train.first(1)
    at = [x.tobytes() for x in X].index(((first.medium[0] + 1) * 127.5).round().byte().numpy().tobytes())
    assert data.classes[int(first.condition["label"])] == named.classes[Y[at]]  # type: ignore[attr-defined]


@case("labels as a pandas column in another order than the DataFrame", "refused: by index or by position")
@case("labels as a DataFrame of one column, a generator", "the labels")
@case('`load_data(df, "kind")`', 'refused: the column of the classes is `condition="kind"`')
def test_columns_of_labels() -> None:
    table, labels = FRAME[["size"]], FRAME["kind"]
    assert mg.load_data(table, labels).classes == ("cat", "cow", "dog")
    refused(
        lambda: mg.load_data(table, labels.sample(frac=1, random_state=0)),
        r"another index .* y.reindex\(X.ind",
    )
    assert mg.load_data(table, labels.to_frame()).classes == mg.load_data(table, iter(labels)).classes
    assert mg.load_data(X, pd.DataFrame({"label": Y})).classes == ("0", "1", "2")
    refused(
        lambda: mg.load_data(X, pd.DataFrame({"a": Y, "b": Y})),
        r"labels have 2 columns: give one, such as y\['a'",
    )
    refused(
        lambda: mg.load_data(FRAME, "kind"), "labels 'kind': give one per example; .* is condition='kind'$"
    )


@case(
    "`load_data(data, resolution=16)` of a data set that is loaded already",
    "refused: options go where it is loaded",
)
def test_options_of_a_loaded_data_set() -> None:
    data = mg.load_data(LEVELS, Y)
    for options in ({"resolution": 16}, {"labels": Y}, {"name": "b"}, {"test": data}, {"tokenizer": "bytes"}):
        name = next(iter(options))
        refused(lambda options=options: mg.load_data(data, **options), f"^{name}: 'memory' is loaded already")
    assert mg.load_data(data) is data


@case("your own split on two scales, such as 0 to 1 and -1 to 1", "refused: all parts on one scale")
def test_parts_on_different_scales() -> None:
    for train, test in ((LEVELS / 16, LEVELS / 8 - 1), (X * 1.0, X / 255), (X, X / 255)):
        refused(
            lambda train=train, test=test: mg.load_data(train, test=test), "the parts are on different scales"
        )
    assert len(mg.load_data(LEVELS / 16, test=(LEVELS[:9] > 8) * 1.0).test) == 9
    assert len(mg.load_data(X, test=X[:9] // 16).test) == 9


@case("few levels that are resized", "256 levels, and the note says so")
def test_levels_of_resized_pictures() -> None:
    data = mg.load_data(LEVELS, resolution=16)
    assert data.representation.levels == 256
    assert any(
        note.endswith("the scale is 0 to 16, 256 levels once resized; if it is 0 to 255, give x / 255")
        for note in data.notes
    )


@case("a DataFrame whose index has a name or is no number", "a note that the index is not read")
def test_an_index_that_says_something() -> None:
    cities = FRAME.assign(city=[f"c{i}" for i in range(90)])
    named = mg.load_data(cities.set_index("city"))
    assert "the index 'city' is not read; df.reset_index() makes it a column" in named.notes
    dated = FRAME.set_axis(pd.date_range("2024", periods=90), axis=0)
    assert any("the index of Timestamp" in note for note in mg.load_data(dated).notes)
    for plain in (FRAME, FRAME[::-1]):
        assert not any("index" in note for note in mg.load_data(plain).notes)


@case(
    '`load_data(X, labels="classes.txt")`, a text file of as many lines as there are examples',
    "the lines are the labels; another number of lines is refused",
)
def test_labels_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file, expected = tmp_path / "classes.txt", mg.load_data(LEVELS, WORDS[Y])
    file.write_text("\n".join(WORDS[Y]) + "\n")
    for given in ("classes.txt", file, str(file)):
        assert mg.load_data(LEVELS, given).sha256 == expected.sha256
    file.write_text("\n".join(WORDS[Y][1:]))
    n = len(Y)
    refused(
        lambda: mg.load_data(LEVELS, "classes.txt"),
        rf"has {n - 1} lines for {n} examples; .* Path\('classes.txt'\)\.read_text\(\)\.splitlines\(\)$",
    )
    file.write_bytes(b"\xff\xfe\x00")
    refused(lambda: mg.load_data(LEVELS, file), "classes.txt.* give a text file, one line each")
    refused(lambda: mg.load_data(LEVELS, "species"), "labels 'species': .* condition='species'")


@case("labels or captions as bytes, as h5py has texts", "their text")
def test_bytes_are_texts() -> None:
    expected, raw = mg.load_data(LEVELS, WORDS[Y]), WORDS[Y].astype("S")
    for given in (raw, raw.astype(object), list(raw), pd.Series(raw.astype(object))):
        assert mg.load_data(LEVELS, given).sha256 == expected.sha256
    assert set(mg.load_data(LEVELS, captions=raw).train.captions) <= set(WORDS)
    model = model_of(raw)
    for given in (b"one", np.array([b"one", b"one"]), [b"one", "one"]):
        assert model.sample(2, given).condition["label"].equal(model.sample(2, "one").condition["label"])
    refused(
        lambda: mg.load_data(LEVELS, [b"\xff", *raw[1:]]), r"not UTF-8.* \[row.decode\('latin-1'\) for row in"
    )
    refused(lambda: mg.load_data(LEVELS, [b"", *raw[1:]]), r"labels\[0\] is missing")
    frame = mg.load_data(FRAME, np.array([b"a", b"b"])[np.arange(len(FRAME)) % 2])
    assert frame.classes == ("a", "b")


@case("labels of which some are missing: NaN among words, NaT, or NA of pandas", "refused by their place")
def test_missing_labels_of_any_kind_are_refused() -> None:
    words, numbers, flags = WORDS[Y].tolist(), Y.tolist(), (Y == 0).tolist()
    words[3] = numbers[3] = flags[3] = None
    for given in (
        [np.nan if word is None else word for word in words],
        [pd.NA if word is None else word for word in words],
        pd.Series(words),
        pd.Series(words).fillna(np.nan),
        pd.Series(words, dtype="category"),
        pd.Series(words, dtype="string"),
        pd.Series(numbers, dtype="Int64"),
        pd.Series(flags, dtype="boolean"),
        pd.Series(words, dtype="string").array,
        pd.Series(pd.to_datetime(["2024-01-01"] * 60)).where(pd.Series(range(60)) != 3),
        [[np.nan if i == 3 else 1.0] for i in range(60)],
    ):
        refused(
            lambda given=given: mg.load_data(LEVELS, given), r"^labels\[3\] is missing; give every example"
        )
    assert mg.load_data(LEVELS, pd.Series(Y, dtype="Int64")).classes == ("0", "1", "2")


@case(
    "`edit(..., condition=c)` and `DDIMTranslate(c)` where the classes are 0, 2 and 5",
    "`c` as in `sample`: a name",
)
def test_edits_take_classes_by_name() -> None:
    data = mg.load_data(X, np.array([0, 2, 5])[Y])
    model, x, steps = mg.build_system("ddpm", data, size="tiny"), data.train.first(2).medium, mg.DDIM(steps=2)

    def places(change: Any, condition: Any, n: int = 1, **given: Any) -> list[int]:
        edited = mg.inference.edit(model, x, change, n, condition, **{"sampler": steps} | given)
        return edited.condition["label"].tolist()

    half = mg.inference.SDEdit(0.5)
    for two in (2, "2", [2, 2], np.array([2, 2]), {"label": "2"}, {"label": torch.tensor(1)}):
        assert places(half, two) == [1, 1]
    assert places(half, [5, 0], n=2) == [2, 2, 0, 0], "one per picture"
    assert places(half, 5, sampler=mg.samplers.Guided(steps, 2.0), negative="0") == [2, 2]
    assert places(mg.inference.DDIMTranslate("5"), "2") == [1, 1]
    refused(lambda: places(half, 1), "no class '1'; the classes are 0, 2, 5")
    refused(lambda: places(half, [2, 2, 5]), "has 3 rows, not 2: give one for all rows, or one each")
    refused(lambda: places(mg.inference.DDIMTranslate("cow"), 2), "source_class 'cow': no class 'cow'")
    refused(lambda: places(half, torch.tensor([2, 5])), "where the classes are 0, 2, 5: give a list of names")


@case("`conditional_fidelity(s, s.condition, ...)`, or a list of names", "the classes that `sample` took")
def test_conditional_fidelity_takes_classes_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("morphogen.evaluation.features.picture_features", lambda data: RandomFeatures(1))
    data = mg.load_data(X, np.array([0, 2, 5])[Y])
    features = mg.metrics.features_for(data)
    samples = mg.build_system("vae", data, size="tiny").sample(12, condition=[0, 2] * 6)

    def ratio(condition: Any) -> Any:
        return mg.metrics.conditional_fidelity(samples, condition, data, features)["variance_ratio"]

    expected = ratio(samples.condition)
    for same in ([0, 2] * 6, ["0", "2"] * 6, np.array([0, 2] * 6), {"label": torch.tensor([0, 1] * 6)}):
        assert ratio(same) == expected
    refused(lambda: ratio([0, 1] * 6), "no class '1'; the classes are 0, 2, 5")
    refused(lambda: ratio([0, 2]), r"conditions have shape \[2\] for 12 samples: give a class for each")
    refused(lambda: ratio(torch.tensor([0, 2] * 6)), "give a list of names")
    for nothing in (None, {}, data, samples):
        refused(
            lambda nothing=nothing: ratio(nothing), "give the class of each sample, as samples.condition has"
        )
