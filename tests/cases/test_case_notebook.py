"""In a notebook."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import morphogen as mg
from tests.cases import case
from tests.cases.test_case_memory import (
    BYTES,
    FRAME,
    LEVELS,
    PIL,
    RGB,
    WAVES,
    X,
    Y,
    every,
    pictures,
    refused,
)


@case(
    "floats from -0.01 to 1.016 or -1.02 to 1, as smooth resizing leaves them",
    "0 to 1 or -1 to 1, with a note that the rest is cut off",
)
@pytest.mark.parametrize(("low", "high", "scale"), [(0, 1.016, "0"), (-0.01, 1.006, "0"), (-1.02, 1, "-1")])
def test_floats_slightly_beyond_the_scale(low: float, high: float, scale: str) -> None:
    given = low + X / 255 * (high - low)
    data = mg.load_data(given)
    assert f"the scale is {scale} to 1, rounded to 256 levels; values beyond are cut off" in data.notes[1]
    want = given.clip(int(scale), 1) if scale == "-1" else given.clip(0, 1) * 2 - 1
    assert np.allclose(np.sort(every(data).numpy().ravel()), np.sort(want.ravel()), atol=0.005)


@case("normalised pictures, from -2 to 2.6", "refused with `x * std + mean`")
@case("fractions from 0 to 1.5, or from 0 to 15.5", "refused: no scale is known, and 0 to 255 would be black")
def test_floats_on_no_scale() -> None:
    refused(
        lambda: mg.load_data(X / 255 * 4.6 - 2), r"from -2 to 2.6; undo the normalisation: x \* std \+ mean$"
    )
    for high in (1.5, 15.5):
        refused(
            lambda high=high: mg.load_data(X / 255 * high), f"divide by their full scale, as in x / {high}$"
        )
        assert pictures(mg.load_data(X / 255 * high / high)) == BYTES


@case(
    "dark pictures, `uint8` up to 63",
    "0 to 255, as others; up to 31 these are levels, with a note of the other scale",
)
def test_dark_bytes() -> None:
    dark, darker = X // 4, X // 8
    data = mg.load_data(dark)
    assert pictures(data) == sorted(x.tobytes() for x in dark)
    assert data.notes[1].endswith("the scale is 0 to 255, 256 levels; if it is 0 to 63, give x / 63")
    assert mg.load_data(dark / 63).representation.levels == 64
    few = mg.load_data(darker)
    assert few.representation.levels == 32 and few.notes[1].endswith("if it is 0 to 255, give x / 255")
    assert pictures(mg.load_data(darker / 255)) == sorted(x.tobytes() for x in darker)


@case("`load_data((X, y))`, as scikit-learn and Keras return them", "pictures and labels")
@case(
    "a list, an array or a column of the names of picture files, `glob('photos/*.png')`",
    "the pictures of these files; a name that there is not is one line",
)
@pytest.mark.parametrize("kind", [list, np.array, pd.Series, lambda names: [Path(name) for name in names]])
def test_names_of_files(kind: Any, tmp_path: Path) -> None:
    names = [str(tmp_path / f"{i:02}.png") for i in range(60)]
    for name, x in zip(names, X, strict=True):
        Image.fromarray(x).save(name)
    data = mg.load_data(kind(names), ["cat", "dog", "cow"] * 20)
    assert pictures(data) == BYTES and data.classes == ("cat", "cow", "dog")
    refused(lambda: mg.load_data(kind([*names, "61.png"])), r"^61.png: no such file in .*; correct the name")
    assert mg.load_data(["a line. " * 99, *names]).medium == "text"


@case("a list of pairs, `[(picture, label), ...]`", "pictures and labels")
def test_a_list_of_pairs() -> None:
    for given in (
        zip(PIL, Y.tolist(), strict=True),
        zip(RGB, Y, strict=True),
        zip(torch.tensor(RGB), Y, strict=True),
    ):
        data = mg.load_data(list(given))
        assert data.classes == ("0", "1", "2") and pictures(data) == sorted(
            x.transpose(2, 0, 1).tobytes() for x in RGB
        )


@case("`bfloat16` tensors", "as other floats")
@pytest.mark.parametrize("given", [torch.tensor(LEVELS / 16), [*torch.tensor(LEVELS / 16)]])
def test_bfloat16(given: Any) -> None:
    short = given.bfloat16() if isinstance(given, torch.Tensor) else [row.bfloat16() for row in given]
    assert pictures(mg.load_data(short), 17) == sorted(x.astype(np.uint8).tobytes() for x in LEVELS)


@case("arrays with transparency, `[N, H, W, 4]`", "pictures on white or black, as RGBA files are")
def test_arrays_with_transparency() -> None:
    array = np.concatenate([RGB, X[..., None]], 3)
    want = pictures(mg.load_data([Image.fromarray(x) for x in array]))
    for given in (array, array.transpose(0, 3, 1, 2), array / 255):
        assert pictures(mg.load_data(given)) == want


@case(
    '`load_data((X, 8000))`, `rate="8k"`, `condition=labels`, `test=0.2`, `resolution="16"`',
    "refused in one line with what to give; `rate=8000.0` is taken",
)
@pytest.mark.usefixtures("untyped")
def test_options_that_are_refused() -> None:
    for data, options, message in (
        ((WAVES, 8000), {}, "a pair is values and labels, one each; .* the rate by name, rate=8000$"),
        (WAVES, {"rate": "8k"}, "^rate='8k': give an integer or None$"),
        (
            X,
            {"condition": list(Y)},
            "condition is a list: give the name of a column; labels are load_data.X, lab",
        ),
        (X, {"test": 0.2}, "^test=0.2: give the examples themselves; without, a share is set aside$"),
        (X, {"resolution": "16"}, "^resolution='16': give an integer or None$"),
        (X, {"resolution": 16.5}, "^resolution=16.5: give an integer or None$"),
    ):
        refused(lambda data=data, options=options: mg.load_data(data, **options), message)
    assert mg.load_data(WAVES, rate=8000.0, length=500).representation.rate == 8000


@case("`df.to_numpy()` of numbers and words", "the same table, its columns numbered")
def test_numbers_and_words() -> None:
    data = mg.load_data(FRAME.to_numpy())
    assert [type(column).__name__ for column in data.representation.columns] == [
        "RealColumn",
        "CategoryColumn",
    ]
    assert torch.equal(every(data).sort(0).values, every(mg.load_data(FRAME)).sort(0).values)


@case(
    "numbers `[N, 3000]` without `rate=`",
    "refused: `rate=` for sounds, `reshape` for pictures, a DataFrame for a table",
)
def test_numbers_of_many_columns() -> None:
    remedy = (
        r"data of shape \[40, 3000\]: for sounds give their rate, rate=16000, for pictures x.reshape\(-1, h"
    )
    refused(lambda: mg.load_data(WAVES), remedy)
    assert mg.load_data(WAVES[:, :784]).medium == "table"


def small() -> Any:
    return mg.build_system("ddpm", mg.load_data(LEVELS, Y), size="tiny")


@case(
    '`sample("3")`, `sample(-1)`, `sample(2.5)`, `seed="a"`, `sampler="ddim"`, `sampler=mg.DDIM`',
    "refused in one line with what to write; `sample(2.0)` is two samples",
)
@pytest.mark.usefixtures("untyped")
def test_arguments_of_sample() -> None:
    model = small()
    for given, message in (
        ({"n": "3"}, "n='3': give an integer$"),
        ({"n": -1}, "n=-1: give a number of samples, 1 or more$"),
        ({"n": 2.5}, "n=2.5: give an integer$"),
        ({"n": 1, "seed": "a"}, "seed='a': give an integer$"),
        ({"n": 1, "sampler": "ddim"}, r"sampler 'ddim' is no sampler: write mg.samplers.DDIM\(\)$"),
        ({"n": 1, "sampler": mg.DDIM}, r"sampler 'DDIM' is no sampler: write mg.samplers.DDIM\(\)$"),
        ({"n": 1, "sampler": "best"}, r"sampler 'best' is no sampler: give an object, such as mg.samplers"),
    ):
        refused(lambda given=given: model.sample(**given), message)
    assert len(model.sample(2.0, sampler=mg.DDIM(steps=2))) == 2


@case("`mg.build_system(NAME, data)`", "the system for these data, with their conditions")
@case(
    "`mg.save(directory, model)`, `mg.save(model.state_dict(), ...)`, `mg.check_model(model, data.test)`",
    "refused with the call to write",
)
@pytest.mark.usefixtures("untyped")
def test_other_calls(tmp_path: Path) -> None:
    model = small()
    assert model.specs["label"].names == ("0", "1", "2")
    refused(lambda: mg.build_system("ddpm", LEVELS), "ndarray is no representation; load_data has one")
    for given in (str(tmp_path), model.state_dict()):
        refused(
            lambda given=given: mg.save(given, tmp_path / "m"), r"no model; write mg.save\(model, directory\)"
        )
    refused(lambda: mg.check_model(model, mg.load_data(LEVELS).test), r"such as data.test.first\(16\)$")


@case('`gpt.sample(condition="The cat")`', "a text as the prompt")
@case("`gpt.sample(condition=3)`", "refused: a prompt is a text, or its token ids")
def test_prompts() -> None:
    data = mg.load_data([f"the cat of {i * i} and the dog of {i}. " * 3 for i in range(60)], length=16)
    gpt = mg.build_system("gpt", data, size="tiny")
    assert all(text.startswith("The cat") for text in gpt.sample(2, condition="The cat").decode())
    texts = gpt.sample(2, condition=["The cat", "A dog"]).decode()
    assert texts[0].startswith("The cat") and texts[1].startswith("A dog")
    refused(
        lambda: gpt.sample(1, condition=3), r"prompts are int64 \[1\]: give a text, or its token ids \[N, P\]"
    )


@case(
    "labels 1 to 10 and `condition=10` or `2`; `condition=3.0`",
    "the classes of these names, `index:2` the place; a number that is no name is refused",
)
def test_numbers_as_conditions() -> None:
    data = mg.load_data(LEVELS, labels=np.arange(60) % 10 + 1)
    label = data.conditions["label"]
    assert int(label.read(10)) == 9 and label.read([10, 10]).tolist() == [9, 9]
    assert int(label.read(2)) == 1
    refused(lambda: label.read(0), "no class '0'; the classes are 1, 2, .*: write 'index:0' for '1'$")
    refused(lambda: label.read(11), "no class '11'; the classes are 1, 2, 3")
    assert [int(label.parse(word)) for word in ("2", "index:2", "index:0")] == [1, 2, 0], "as the errors say"
    model = small()
    for given in (2.0, [2.0, 2.0], torch.tensor([2.0, 2.0])):
        assert model.sample(2, condition=given, sampler=mg.DDIM(steps=1)).condition["label"].tolist() == [
            2,
            2,
        ]
    refused(lambda: model.sample(1, condition=2.5), "condition 2.5: no class '2.5'; the classes are 0, 1, 2")


@case("a data set or samples as the last line of a cell", "one line with counts, not every pixel")
@case("`load_data` of a long text in place of a path", "one line that shows its beginning")
def test_what_a_cell_shows() -> None:
    data = mg.load_data(LEVELS, Y, name="mine")
    counts = f"{len(data.train)} train, {len(data.valid)} valid, {len(data.test)} test"
    assert repr(data) == f"Dataset('mine', pictures: {counts}, 3 classes; {len(data.notes)} notes)"
    samples = small().sample(2, condition=1, sampler=mg.DDIM(steps=1))
    assert repr(samples) == "Samples(2 of pictures, [2, 1, 8, 8], conditions label)"
    with pytest.raises(mg.data.DataError, match=r"^the cat sat .*, 1440 characters: File name") as error:
        mg.load_data("the cat sat on the mat. " * 60)
    assert len(str(error.value)) < 700 and "\n" not in str(error.value)


@case("`model.log_prob(df)` of a DataFrame", "its columns by name, categories as the model numbers them")
def test_log_prob_of_a_frame() -> None:
    data = mg.load_data(FRAME)
    model = mg.build_system("table_mixture", data, size="tiny")
    numbers = np.stack([FRAME["size"], FRAME["kind"].map(["cat", "cow", "dog"].index)], 1)
    assert torch.equal(model.log_prob(FRAME[["kind", "size"]]).nats, model.log_prob(numbers).nats)
    refused(lambda: model.log_prob(FRAME[["kind"]]), "the table has no column 'size', which the model takes")
    refused(
        lambda: model.log_prob(FRAME.replace("cow", "ox")), "'kind' has no category 'ox'; it has cat, cow, d"
    )
