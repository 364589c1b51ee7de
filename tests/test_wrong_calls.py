"""Calls that do not fit a signature are one line with a call that works; an error inside stays what it is."""

import inspect
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import morphogen as mg
from morphogen.lazy import attach
from morphogen.other_words import EXAMPLES
from morphogen.wrong_calls import UnknownArgument, WrongCall, explains_calls

pytestmark = pytest.mark.usefixtures("untyped")
RNG = np.random.default_rng(0)
X, Y = RNG.integers(0, 17, (40, 8, 8)), np.arange(40) % 4
FRAME = pd.DataFrame({"a": RNG.normal(size=60), "b": RNG.normal(size=60)})
FUNCTIONS = ("load_data", "build_system", "train", "save", "load", "impute", "check_model")
WITHOUT_EXAMPLE_RUN = {"train", "build_system", "Model", "Run", "Staged", "check_model"}  # slow, or elsewhere
WITHOUT_EXAMPLE_RUN |= {"edit", "invert", "table_quality"}


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    data, table = mg.load_data(X, Y), mg.load_data(FRAME)
    model = mg.build_system("vae", data, size="tiny")
    rows = mg.build_system("table_mixture", table, size="tiny")
    return {"mg": mg, "data": data, "model": model, "rows": rows, "samples": model.sample(20), "df": FRAME}


CALLS = {
    "mg.build_system('vae')": "build_system() requires representation",
    "mg.build_system(None, data)": "build_system(): name=None: give a string",
    "mg.train(model)": "train() requires examples",
    "mg.load_data(X, Y, 8000)": "load_data() takes data and labels in this order, and not 8000",
    "mg.load_data(X, data=X)": "load_data(): data is given twice, by its place and by its name",
    "mg.save(model)": "save() requires directory",
    "mg.save(model, 3)": "save(): directory=3: give a string or an object of type Path",
    "mg.load(model)": "load(): directory=Model: give a string or an object of type Path",
    "mg.impute(model)": "impute() requires table",
    "mg.check_model(model)": "check_model() requires batch",
    "mg.metrics.quality(X)": "quality() requires data",
    "mg.metrics.table_quality(df, df)": "table_quality() requires synthetic",
    "mg.metrics.features_for()": "features_for() requires data",
    "mg.inference.edit(model, X)": "edit() requires change",
    "mg.inference.invert(model)": "invert() requires medium",
    "mg.inference.slerp(X, X)": "slerp() requires steps",
    "mg.inference.LatentSpace()": "LatentSpace() requires model",
    "mg.inference.Inpaint()": "Inpaint() requires mask",
    "mg.Rng(0)": "Rng() requires rows",
    "mg.Guided(3.0)": "Guided() requires scale",
    "mg.Ancestral(0.8)": "Ancestral(): processors=0.8: give an object of type LogitsProcessor or a list of",
    "mg.Ancestral('x')": "Ancestral(): processors='x': give an object of type LogitsProcessor or a list of",
    "mg.Greedy([3])": "Greedy(): processors=[3]: give an object of type LogitsProcessor or a list of",
    "mg.Beam('x')": "Beam(): width='x': give an integer",
    "mg.Model('vae')": "Model() requires representation",
    "mg.Run('x')": "Run() requires record",
    "mg.Staged(model)": "Staged() takes no argument without a name, and not Model",
    "model.sample()": "sample() requires n",
    "model(X)": "forward() requires rng and player",
    "model.train(X)": "model.train() only sets the mode",
    "model.train(data, steps=3)": "model.train() only sets the mode",
}


@pytest.mark.parametrize("code", CALLS)
def test_a_call_that_does_not_fit_has_one_that_works(code: str, names: dict[str, Any]) -> None:
    with pytest.raises(WrongCall) as error:
        eval(code, names | {"X": X, "Y": Y})  # noqa: S307
    line = str(error.value)
    assert line.startswith(CALLS[code]) and "\n" not in line and "; write " in line


@pytest.mark.parametrize("name", sorted(EXAMPLES.keys() - WITHOUT_EXAMPLE_RUN))
def test_the_examples_work(name: str, names: dict[str, Any], tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    mg.save(names["model"], "model")
    plain = mg.build_system("vae", mg.load_data(X), size="tiny")  # whose pictures need no class
    model = (
        names["rows"] if name == "impute" else plain if name in ("log_prob", "forward") else names["model"]
    )
    pictures = names["data"].test.first(2).medium
    for code in EXAMPLES[name].split(" or "):
        known = names | {"z": torch.eye(3), "has": torch.tensor([True, False, True]), "torch": torch}
        known |= {"mask": torch.ones(8, 8, dtype=torch.bool)}
        known |= {"model": model, "X": X if name == "load_data" else pictures, "y": Y}
        eval(code, known)  # noqa: S307


def test_every_function_is_covered(names: dict[str, Any]) -> None:
    functions = [name for name in mg.__all__ if name in EXAMPLES and not isinstance(getattr(mg, name), type)]
    assert {*functions} == {*FUNCTIONS, "logits_processors"}
    for name in {*functions} - {"build_system"}:
        with pytest.raises(UnknownArgument, match=rf"^{name}\(\) has no argument 'zzz'"):
            getattr(mg, name)(zzz=3)

    with pytest.raises(UnknownArgument, match=r"^vae\(\) has no argument 'zzz'; its arguments are pixels, "):
        mg.build_system("vae", names["data"], zzz=3)


@pytest.mark.parametrize("module", [mg.inference, mg.metrics, mg.data])
def test_every_function_of_a_module_explains_its_calls(module: Any) -> None:
    parts = {name: getattr(module, name) for name in module.__all__}
    functions = [name for name, part in parts.items() if callable(part) and not isinstance(part, type)]
    if module is mg.inference:  # its classes are for users, too
        functions += [name for name, part in parts.items() if inspect.signature(part).parameters]
    for name in functions:
        with pytest.raises((UnknownArgument, WrongCall), match=rf"^{name}\(\) "):
            parts[name](zzz=3)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("sheet", "mg.metrics.sheet"),
        ("Inpaint", "mg.inference.Inpaint"),
        ("advise", r"import morphogen.advise, and morphogen.advise.advise\(...\)"),
    ],
)
def test_a_name_of_another_module_is_found(name: str, found: str) -> None:
    with pytest.raises(AttributeError, match=rf"^morphogen has no attribute '{name}'; write {found}$"):
        attach("morphogen", {}, ("metrics", "inference"))[0](name)


def test_errors_inside_a_call_that_fits_stay() -> None:
    @explains_calls
    def double(n: int, rows: list[int]) -> int:
        return n + rows.missing  # type: ignore[attr-defined]

    with pytest.raises(AttributeError, match="missing"):
        double(3, [])
    with pytest.raises(WrongCall, match=r"^double\(\): n='3': give an integer$"):
        double("3", [])  # type: ignore[arg-type]
    with pytest.raises(WrongCall, match=r"^double\(\) requires rows; write double\(n, rows\)$"):
        double(3)  # type: ignore[call-arg]


def test_a_part_without_stages_and_classes_of_one_text_are_refused() -> None:
    for kind in (mg.Staged, mg.Cascade):
        with pytest.raises(ValueError, match=rf"^{kind.__name__} has no stages: give models by name"):
            kind()
    with pytest.raises(ValueError, match="names 'cat' are one text: give a list"):
        mg.Classes("cat")  # type: ignore[arg-type]


def test_a_model_is_not_saved_as_a_file(names: dict[str, Any], tmp_path: Any) -> None:
    for name in ("m.pt", "M.SAFETENSORS"):
        with pytest.raises(ValueError, match=r"is the name of a file, .*: write mg.save\(model, '.*/[mM]'\)"):
            mg.save(names["model"], tmp_path / name)
        assert not (tmp_path / name).exists()
    mg.save(names["model"], tmp_path / "model.v2")
    assert mg.load(tmp_path / "model.v2")
