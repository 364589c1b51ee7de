"""In memory."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import morphogen as mg
from morphogen.component import ConfigError
from morphogen.data import DataError, Dataset
from tests.cases import case, own_notes

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (60, 8, 8), dtype=np.uint8)
Y = np.arange(60) % 3
RGB = RNG.integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)
PIL = [Image.fromarray(x) for x in RGB]
LEVELS = RNG.integers(0, 17, (60, 8, 8))
LEVELS.flat[0] = 16
TEXTS = [
    f"chapter {i}: the cat sat on mat {i * i % 31}, and the dog of {i} did not.\n" * 2 for i in range(60)
]
PAIRS = [(f"one cat of {i}", f"un chat de {i}") for i in range(90)]
FRAME = pd.DataFrame({"size": RNG.normal(size=90), "kind": ["cat", "dog", "cow"] * 30})
WAVES = RNG.uniform(-0.9, 0.9, (40, 3000))


def every(data: Dataset) -> torch.Tensor:
    """The medium of all parts."""
    return torch.cat([part.first().medium for part in (data.train, data.valid, data.test)])


def pictures(data: Dataset, levels: int = 256) -> list[bytes]:
    """The bytes of all pictures, in any order."""
    index = ((every(data) + 1) * (levels - 1) / 2).round().byte()
    return sorted(picture.numpy().tobytes() for picture in index)


def refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises((DataError, ConfigError)) as error:
        call()
    assert re.search(message, str(error.value)) and "\n" not in str(error.value), str(error.value)


BYTES = sorted(x.tobytes() for x in X)


@case(
    "a NumPy array of pictures, `uint8 [N, H, W]`, and `labels=`",
    "grey pictures with classes",
)
def test_an_array_of_bytes() -> None:
    data = mg.load_data(X, labels=Y)
    assert data.representation.shape == (1, 8, 8) and data.classes == ("0", "1", "2")
    assert pictures(data) == BYTES and "the scale is 0 to 255, 256 levels" in data.notes[1]
    first = data.train.first(1)
    at = [x.tobytes() for x in X].index(((first.medium[0] + 1) * 127.5).round().byte().numpy().tobytes())
    assert int(first.condition["label"]) == Y[at], "labels stay with their pictures"


@case("a tensor `[N, 1, H, W]`, `[N, H, W, 1]`, or nested lists of arrays", "the same pictures")
@pytest.mark.parametrize("given", [torch.tensor(X)[:, None], X[..., None], list(X), list(torch.tensor(X))])
def test_layouts_of_grey(given: Any) -> None:
    assert pictures(mg.load_data(given)) == BYTES


@case("colour pictures with the channels first or last", "`[N, 3, H, W]`; a note where both axes could be")
def test_channels_first_or_last() -> None:
    one, two = mg.load_data(RGB), mg.load_data(RGB.transpose(0, 3, 1, 2))
    assert one.representation.shape == (3, 8, 8) and torch.equal(every(one), every(two))
    odd = mg.load_data(RNG.integers(0, 256, (40, 3, 8, 3), dtype=np.uint8))
    assert any("read as [N, C, H, W]; for [N, H, W, C] give x.transpose" in note for note in odd.notes)


@case("floats in [0, 1], as ToTensor gives them", "scaled to [-1, 1], with a note of the scale")
@case("floats in [-1, 1]", "as they are")
@pytest.mark.parametrize(("given", "scale"), [(X / 255, "0 to 1"), (X / np.float32(127.5) - 1, "-1 to 1")])
def test_floats(given: np.ndarray, scale: str) -> None:
    data = mg.load_data(given)
    assert pictures(data) == BYTES and f"the scale is {scale}, 256 levels" in data.notes[1]


@case("16-bit pictures, `uint16` up to 65535", "divided by 65535, with a note")
def test_sixteen_bits() -> None:
    data = mg.load_data(X.astype(np.uint16) * 257)
    assert pictures(data) == BYTES and "the scale is 0 to 65535" in data.notes[1]


@case(
    "few levels, such as the 0 to 16 of scikit-learn's digits", "17 levels, so that bits count what is there"
)
@case("binary pictures, booleans or 0 and 1", "2 levels")
@pytest.mark.parametrize(
    ("given", "levels"),
    [(LEVELS, 17), (LEVELS / 16.0, 17), (LEVELS * 1.0, 17), (X > 99, 2), ((X > 99) * 1.0, 2)],
)
def test_few_levels(given: np.ndarray, levels: int) -> None:
    data = mg.load_data(given)
    want = given > 0.5 if levels == 2 else LEVELS
    assert data.representation.levels == levels
    assert pictures(data, levels) == sorted(x.astype(np.uint8).tobytes() for x in want)


@case("NaN, negative integers, or integers on an unknown scale", "refused in one line, with the remedy")
def test_ranges_that_are_refused() -> None:
    refused(lambda: mg.load_data(np.where(X > 250, np.nan, X / 255)), r"picture \d+ has NaN or infinite")
    refused(lambda: mg.load_data(LEVELS - 8), r"int64 from -8 to 8; divide by their full scale, as in x / 8$")
    refused(lambda: mg.load_data(LEVELS * 255), r"from 0 to 4080; divide by their full scale, as in x / 4080")
    refused(lambda: mg.load_data(X[..., None, None]), r"shape \[60, 8, 8, 1, 1\]; give \[N, H, W\]")
    refused(lambda: mg.load_data(RGB[0]), r"pictures have shape \[8, 8, 3\]")


@case("large or oblong pictures in memory", "cropped to the central square and resized, as from a folder")
def test_sizes() -> None:
    data = mg.load_data(RNG.random((30, 20, 40)), resolution=16)
    assert data.representation.shape == (1, 16, 16) and "resized to 16 x 16" in data.notes[0]


@case("a list of PIL pictures of any mode", "through the reader of files: upright, grey or colour, resized")
def test_pil_pictures() -> None:
    data = mg.load_data(
        PIL, labels=["cat", "dog", "cow"] * 20, captions=[f"a picture {i}" for i in range(60)]
    )
    assert data.representation.shape == (3, 8, 8) and data.classes == ("cat", "cow", "dog")
    assert len(data.train.captions) == len(data.train)
    assert pictures(data) == sorted(x.transpose(2, 0, 1).tobytes() for x in RGB)
    turned = Image.fromarray(X[0])
    turned.getexif()[274] = 6
    assert mg.load_data([turned, *map(Image.fromarray, X[1:])]).representation.shape == (1, 8, 8)
    assert mg.load_data([p.resize((9 + i % 3, 12)) for i, p in enumerate(PIL)]).representation.shape == (
        3,
        32,
        32,
    )


@case("`load_data(X, y)`", "pictures and labels")
def test_pairs_of_arrays() -> None:
    assert mg.load_data((X, Y)).classes == ("0", "1", "2")
    assert mg.load_data(X, Y).classes == ("0", "1", "2")


@case('`load_data({"pixel_values": X, "label": y})`', "pictures and labels, by the names of the columns")
def test_a_mapping_of_arrays() -> None:
    assert mg.load_data({"pixel_values": X, "label": Y}).classes == ("0", "1", "2")


@case("labels that are strings, booleans, floats, tensors or a pandas column", "classes by name")
@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["b", "a", "c"] * 20, ("a", "b", "c")),
        (np.array([True, False] * 30), ("False", "True")),
        (Y.astype(float), ("0", "1", "2")),
        (torch.tensor(Y)[:, None], ("0", "1", "2")),
        (pd.Series(["b", "a", "c"] * 20, dtype="category"), ("a", "b", "c")),
    ],
)
def test_labels(labels: Any, names: tuple[str, ...]) -> None:
    assert mg.load_data(X, labels=labels).classes == names


@case("labels that are different sentences, or lists of texts", "captions, with a note")
def test_sentences_as_labels() -> None:
    texts = [f"a drawing of number {i}" for i in range(len(X))]
    for labels in (texts, [[text, "a picture"] for text in texts]):
        data = mg.load_data(X, labels)
        assert list(data.conditions) == ["caption"] and "read as captions" in own_notes(data)[-1]


@case("labels 1, 2, 3", "the classes named 1, 2, 3: a number is a name, and a note says so")
def test_labels_that_do_not_begin_with_0() -> None:
    data = mg.load_data(X, labels=Y + 1)
    assert data.classes == ("1", "2", "3") and "write condition='1' for a name" in own_notes(data)[-1]
    model = mg.build_system("vae", data.representation, data.conditions, "tiny")
    for one in (1, [1, 1], "1", "index:0", np.array([1, 1])):
        assert model.sample(2, condition=one).condition["label"].tolist() == [0, 0]
    for zero in (0, "0"):
        refused(lambda zero=zero: model.sample(2, condition=zero), "no class '0'; the classes are 1, 2, 3")


@case("labels of another number, one-hot, missing, negative, or real numbers", "refused in one line")
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (Y[:5], "5 labels for 60 examples; give one for each"),
        (np.eye(3)[Y], r"shape \[60, 3\]; give one per example: labels.argmax\(1\)"),
        ([None, *Y[1:]], r"labels\[0\] is missing"),
        (np.where(Y == 2, np.nan, Y), r"labels\[2\] is missing"),
        (Y - 1, r"labels\[0\] is -1; leave out what has no label"),
        (Y / 2, "labels such as 0.5 are no classes; give whole numbers"),
    ],
)
def test_labels_that_are_refused(labels: Any, message: str) -> None:
    refused(lambda: mg.load_data(X, labels=labels), message)


@case("one's own split: `valid=` and `test=`", "used as it is; a missing part is cut from train")
def test_own_parts() -> None:
    data = mg.load_data((X[:40], Y[:40]), valid=(X[40:50], Y[40:50]), test=(X[50:], Y[50:]), name="mine")
    assert (len(data.train), len(data.valid), len(data.test), data.name) == (40, 10, 10, "mine")
    assert mg.load_data(X[:40], test=X[50:]).split.endswith("10 test, the authors' own part")
    refused(lambda: mg.load_data((X[:40], Y[:40]), test=X[40:]), "0 labels of the test part for 20 examples")


@case("a list of texts", "documents, split whole; short ones are lines of one text")
def test_texts() -> None:
    data = mg.load_data(TEXTS, length=32)
    assert data.medium == "text" and len(data.test) > 0 and "60" not in data.notes
    lines = mg.load_data([f"line {i} of {i * i}" for i in range(300)], length=32, tokenizer="characters")
    assert "\n" in lines.representation.alphabet and len(lines.train) > 1000


@case("a list of pairs of texts", "source and target, for `transformer`")
def test_pairs_of_texts() -> None:
    data = mg.load_data(PAIRS, tokenizer="bpe:300")
    row, text = data.train.first(1), data.representation
    source, target = (
        text.detokenize(row.condition["source"][0].tolist()),
        text.detokenize(row.medium[0].tolist()),
    )
    assert (source, target) in PAIRS and data.conditions.keys() == {"source"}


@case(
    "a pandas DataFrame, a mapping of columns, a list of records", "a table; `condition=` names the classes"
)
@pytest.mark.parametrize("given", [FRAME, FRAME.to_dict("list"), FRAME.to_dict("records")])
def test_tables(given: Any) -> None:
    data = mg.load_data(given, condition="kind")
    assert data.medium == "table" and data.classes == ("cat", "cow", "dog")
    assert sorted(every(data)[:, 0].tolist()) == pytest.approx(sorted(FRAME["size"]))


@case("an array of numbers `[N, D]`", "a table; from 64 columns a note on flattened pictures")
def test_numbers() -> None:
    data = mg.load_data(RNG.normal(size=(90, 3)), labels=list(FRAME["kind"]))
    assert [column.name for column in data.representation.columns] == ["column1", "column2", "column3"]
    assert data.classes == ("cat", "cow", "dog")
    assert "for pictures give x.reshape(-1, height, width)" in mg.load_data(X.reshape(60, -1)).notes[0]


@case("waveforms `[N, T]`, or a list of recordings, with `rate=`", "sounds; integers by their full scale")
def test_sounds() -> None:
    floats = mg.load_data(WAVES, rate=8000, length=500, labels=["kick", "snare"] * 20)
    integers = mg.load_data([(w * 32768).round().astype(np.int16) for w in WAVES], rate=8000, length=500)
    assert (
        floats.medium == "sound"
        and floats.classes == ("kick", "snare")
        and floats.representation.rate == 8000
    )
    assert floats.train.values.sort().values.equal(integers.train.values.sort().values)
    refused(lambda: mg.load_data([w[i:] for i, w in enumerate(WAVES)]), "give their rate: rate=16000")
    refused(lambda: mg.load_data(WAVES * 30, rate=8000), r"samples reach 26.9\d*, where full scale is 1")
    refused(lambda: mg.load_data(WAVES, rate=44), "rate 44: give the samples per second")


class Items(torch.utils.data.Dataset):
    """A torch data set of mappings."""

    def __len__(self) -> int:
        return 60

    def __getitem__(self, i: int) -> dict[str, Any]:
        return {"image": torch.tensor(X[i]) / 255, "label": int(Y[i])}


@case("a torch `Dataset` or `DataLoader` of x, (x, y) or mappings", "all its items, with labels")
def test_torch_data() -> None:
    pairs = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y))
    for given in (
        pairs,
        torch.utils.data.DataLoader(pairs, 7),
        Items(),
        [dict(Items()[i]) for i in range(60)][:0] or Items(),
    ):
        data = mg.load_data(given)
        assert pictures(data) == BYTES and data.classes == ("0", "1", "2")


@case("a Hugging Face `Dataset` or `DatasetDict` in memory", "as `hf:` reads it: pictures, text, or a table")
def test_hugging_face_data() -> None:
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b", "c"])}
    )
    table = datasets.Dataset.from_dict({"image": PIL, "label": Y}, features=features)
    assert mg.load_data(table).classes == ("a", "b", "c")
    split = datasets.DatasetDict({"train": table, "test": table.select(range(9))})
    assert len(mg.load_data(split).test) == 9 == len(mg.load_data(table, test=table.select(range(9))).test)
    assert mg.load_data(datasets.Dataset.from_pandas(FRAME)).medium == "table"


@case("a `pathlib.Path`, or a data set that is loaded already", "the same as its text, or itself")
def test_paths(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(FRAME.to_csv(index=False))
    data = mg.load_data(tmp_path / "t.csv", condition="kind")
    assert data.classes == ("cat", "cow", "dog") and mg.load_data(data) is data
    refused(
        lambda: mg.load_data(tmp_path / "t.csv", labels=Y),
        "labels: .*t.csv' is a name or a path; leave labels",
    )


@case("an object of any other kind", "one line that lists what is read")
@pytest.mark.parametrize("given", [None, 3, object(), [], [object()], {1, 2}, lambda: 3, b"bytes"])
def test_anything_else(given: Any) -> None:
    refused(lambda: mg.load_data(given), r"^data \w+( of \d+)?: cannot be read; give pictures \[N, H, W\]")
