"""Containers."""

from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from PIL import Image
from sklearn.datasets import load_diabetes, load_digits, load_wine

import morphogen as mg
from tests.cases import case
from tests.cases.test_case_memory import BYTES, PAIRS, TEXTS, WAVES, X, Y, every, pictures, refused


@case("a generator or an iterator of examples, `Path('photos').glob('*.png')`", "its items")
def test_iterators(tmp_path: Path) -> None:
    for i, x in enumerate(X):
        Image.fromarray(x).save(tmp_path / f"{i:02}.png")
    for given in (sorted(tmp_path.glob("*.png")), tmp_path.glob("*.png"), (torch.tensor(x) for x in X)):
        assert pictures(mg.load_data(given)) == BYTES
    assert mg.load_data(zip(X, Y, strict=True)).classes == ("0", "1", "2")
    assert len(mg.load_data(iter(X[:40]), test=iter(X[40:])).test) == 20


@case(
    "scikit-learn's Bunches, such as `load_wine()`, with or without `as_frame=True`",
    "features by name, and the target",
)
def test_bunches() -> None:
    for given in (load_wine(), load_wine(as_frame=True)):
        data = mg.load_data(given)
        assert data.classes == ("class_0", "class_1", "class_2") and data.medium == "table"
        assert data.representation.columns[0].name == "alcohol"
    assert mg.load_data(load_digits()).classes == tuple("0123456789")
    target = mg.load_data(load_diabetes()).representation.columns[-1]
    assert target.name == "target0", "real numbers are a column and no classes"


@case("a DataFrame, a mapping or records of two texts, `en, fr` or `source, target`", "pairs of texts")
def test_pairs_by_name() -> None:
    want = mg.load_data(PAIRS, tokenizer="bpe:300")
    for names in (("en", "fr"), ("source", "target")):
        frame = pd.DataFrame(PAIRS, columns=list(names))
        for given in (frame, frame.to_dict("list"), frame.to_dict("records")):
            data = mg.load_data(given, tokenizer="bpe:300")
            assert torch.equal(data.train.first().medium, want.train.first().medium)
    words = pd.DataFrame({"sex": ["m", "f"] * 30, "job": ["cook", "judge", "smith"] * 20})
    assert mg.load_data(words).medium == "table"


@case("a DataFrame, a mapping or records of texts, alone or with labels", "refused: give the texts as a list")
def test_texts_in_a_frame() -> None:
    frame = pd.DataFrame({"text": TEXTS, "label": Y})
    for given in (
        frame,
        frame[["text"]],
        frame.to_dict("list"),
        frame.to_dict("records"),
        frame[["text"]].rename(columns={"text": "a"}),
    ):
        refused(
            lambda given=given: mg.load_data(given), r"holds texts: give them as a list, such as list\(df\['"
        )
    assert mg.load_data(frame.assign(size=1.0 * np.arange(60), kind=["a", "b"] * 30)).medium == "table"


@case("a Hugging Face `Dataset` of texts", "as the list of these texts; a note names the other columns")
@case("`with_format('torch')`", "as without")
def test_hugging_face_texts_and_formats() -> None:
    table = datasets.Dataset.from_dict({"text": TEXTS, "title": [f"t{i}" for i in range(60)]})
    data = mg.load_data(table, length=32)
    assert torch.equal(data.train.text, mg.load_data(TEXTS, length=32).train.text)
    assert data.notes[0] == "text: column 'text'; not used: title"
    shown = datasets.Dataset.from_dict({"image": [Image.fromarray(x) for x in X], "label": Y.tolist()})
    shown = shown.cast_column("image", datasets.Image())
    assert torch.equal(every(mg.load_data(shown.with_format("torch"))), every(mg.load_data(shown)))


@case(
    'recordings with their rate: `{"array": x, "sampling_rate": 8000}`, `(8000, x)` of scipy, `(x, 8000)` of '
    "soundfile, also of Hugging Face",
    "sounds; of several rates resampled to 16 kHz, or to `rate=`",
)
def test_recordings_with_their_rate() -> None:
    want = mg.load_data(WAVES, rate=8000, length=500)
    rows = [{"array": wave, "sampling_rate": 8000} for wave in WAVES]
    table = datasets.Dataset.from_dict({"audio": [{**row, "array": row["array"].tolist()} for row in rows]})
    for given in (rows, [(8000, wave) for wave in WAVES], [(wave, 8000) for wave in WAVES], table):
        data = mg.load_data(given, length=500)
        assert data.representation.rate == 8000 and torch.equal(data.train.values, want.train.values)
    both = mg.load_data([*rows, {"array": WAVES[0], "sampling_rate": 16000}], length=500)
    assert both.representation.rate == 16000 and "resampled to 16000 Hz" in both.notes[0]
    assert mg.load_data(rows, rate=4000, length=500).representation.rate == 4000


@case(
    "rows of a data set that is loaded, `data.train`, `data.train.first(50)`",
    "refused: give them to `mg.train`",
)
@case("torch items of three values, `(x, label, {})`", "refused with the expression that drops the others")
def test_rows_that_are_refused() -> None:
    data = mg.load_data(X, Y)
    for given in (data.train, data.train.first(50)):
        refused(lambda given=given: mg.load_data(given), "read already: give them to mg.train")

    class Triples(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return 60

        def __getitem__(self, i: int) -> Any:
            return X[i], int(Y[i]), {"meta": 1}

    refused(
        lambda: mg.load_data(Triples()),
        r"items of 3 values: give x or \(x, label\), as in \[\(x, y\) for x, y, \*_",
    )


@pytest.mark.usefixtures("untyped")
@case(
    'arrays in `mg.metrics`: `frechet(A, B)`, `precision_recall`, `quality`, `sheet({"real": X})`',
    "as tensors; other shapes in one line",
)
def test_arrays_in_metrics() -> None:
    metrics, rng = mg.metrics, np.random.default_rng(0)
    a, b = rng.normal(size=(30, 4)), rng.normal(size=(40, 4))
    one, two = torch.tensor(a), torch.tensor(b)
    assert metrics.frechet(a, b) == metrics.frechet(one, two) > 0
    assert metrics.frechet_interval(a, b, partitions=9) == metrics.frechet_interval(one, two, partitions=9)
    assert metrics.precision_recall(a, b) == metrics.precision_recall(one, two)
    data = mg.load_data(X, Y)
    medium = X[:30, None] / 127.5 - 1
    features = metrics.features_for(data)
    assert metrics.quality(medium, data, features) == metrics.quality(
        torch.tensor(medium).float(), data, features
    )
    samples = mg.build_system("vae", data, size="tiny").sample(3)
    for call in (metrics.frechet, metrics.precision_recall):
        refused(
            lambda call=call: call(a, samples.tensor),
            r"shape \[3, 1, 8, 8\]: give features \[N, D\], as mg.met",
        )
    sheet = metrics.sheet({"real": torch.tensor(medium)})
    assert sheet.tobytes() == metrics.sheet({"real": medium}).tobytes()
    assert metrics.sheet({"a": samples}).tobytes() == metrics.sheet({"a": samples.tensor}).tobytes()
    for given in (samples, samples.tensor):
        refused(lambda given=given: metrics.sheet(given), 'give them by label, {"samples": samples}$')
    refused(lambda: metrics.sheet({"a": X / 255.0}), r"pictures are from 0 to 1, .*: write x \* 2 - 1$")


@case(
    "arrays with negative strides, or that cannot be written, in `log_prob`",
    "as other arrays, without a warning",
)
@pytest.mark.filterwarnings("error")
def test_views_in_log_prob() -> None:
    model = mg.build_system("vae", mg.load_data(X), size="tiny")
    medium = X[:, None] / 127.5 - 1
    fixed = medium.copy()
    fixed.flags.writeable = False
    for given, plain in ((medium[:, :, ::-1], medium[:, :, ::-1].copy()), (fixed, medium)):
        assert torch.equal(model.log_prob(given).nats, model.log_prob(plain).nats)


@case("a sparse matrix of scipy", "refused with `X.toarray()`")
def test_a_sparse_matrix() -> None:
    sparse = scipy.sparse.random(50, 8, 0.5, format="csr")
    for given in (sparse, (sparse, [0, 1] * 25)):
        refused(lambda given=given: mg.load_data(given), r"a sparse csr_matrix .*: give X.toarray\(\)$")
    assert mg.load_data(sparse.toarray()).medium == "table"
