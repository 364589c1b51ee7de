"""The format number of saved configs: written by `save`, checked by `load`, in every committed file."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from morphogen.component import ConfigError, to_config
from morphogen.evaluation.features import WEIGHTS, ClassifierFeatures
from morphogen.model import load, save
from morphogen.recipes import records
from morphogen.representations.pixels import Pixels
from morphogen.run import Run, RunError
from morphogen.saved_config import FORMAT, check_format, read_config
from morphogen.systems import mixture

COMMITTED = [*WEIGHTS.glob("*.json"), *records.RESULTS.glob("*.json")]
OUTDATED = [None, 0, FORMAT + 1, True, 1.0, str(FORMAT), [FORMAT]]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save(mixture(Pixels(17, (1, 4, 4)), size="tiny"), tmp_path / "model")
    (tmp_path / "model/manifest.json").unlink()  # so that a changed file is read
    return tmp_path / "model"


def test_the_number_belongs_to_the_file_and_not_to_the_config(saved: Path) -> None:
    content = json.loads((saved / "config.json").read_text())
    assert content == {"format": FORMAT, "config": to_config(load(saved))}
    assert read_config(saved / "config.json") == content["config"]


@pytest.mark.parametrize("found", OUTDATED)
def test_another_format_is_refused_in_one_line(found: Any, saved: Path) -> None:
    file = saved / "config.json"
    content = json.loads(file.read_text()) | {"format": found}
    file.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
    with pytest.raises(ConfigError) as error:
        load(saved)
    stated = "no format number" if found is None else f"format {json.dumps(found)}"
    remedy = (
        "upgrade morphogen" if found == FORMAT + 1 else "load it with the version that saved it, or train"
    )
    line = f"{file} has {stated}, this version of morphogen reads format {FORMAT}: {remedy}"
    assert str(error.value).startswith(line) and "\n" not in str(error.value)


def test_a_config_saved_before_there_was_a_number_is_refused(saved: Path) -> None:
    file = saved / "config.json"
    file.write_text(json.dumps(read_config(file)))
    with pytest.raises(ConfigError, match=r"config\.json has no format number, this version"):
        load(saved)


@pytest.mark.parametrize("text", ["{", "[]", "3", "[" * 100_000, ""])
def test_a_file_of_anything_else_is_refused_in_one_line(text: str, saved: Path) -> None:
    (saved / "config.json").write_text(text)
    with pytest.raises(ConfigError, match=r"config\.json does not describe a model") as error:
        load(saved)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("file", COMMITTED, ids=lambda file: file.stem)
def test_every_committed_file_has_the_number(file: Path) -> None:
    content = json.loads(file.read_text())
    check_format(content, file, "")
    for model in content.get("models", {}).values():
        assert records.config_sha256(model["config"]) == model["sha256"], "the hash does not cover the number"


def test_a_classifier_of_another_format_is_refused(tmp_path: Path) -> None:
    for file in WEIGHTS.glob("digits.*"):
        shutil.copy(file, tmp_path)
    ClassifierFeatures("digits", tmp_path)
    outdate(tmp_path / "digits.json")
    with pytest.raises(ConfigError, match=r"digits\.json has format 0.*: reinstall morphogen"):
        ClassifierFeatures("digits", tmp_path)


def test_a_record_of_another_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    records.store("digits", {"figures": {}, "models": {}})
    assert records.read("digits") == {"format": FORMAT, "figures": {}, "models": {}}
    outdate(tmp_path / "digits.json")
    with pytest.raises(ConfigError, match=r"digits\.json has format 0.*`morphogen reproduce digits --store`"):
        records.read("digits")


def outdate(file: Path) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format": 0}))


def test_the_directory_above_a_model_is_loaded_and_a_file_is_not(saved: Path, tmp_path: Path) -> None:
    assert to_config(load(tmp_path)) == to_config(load(saved))  # as of a training with directory=...
    with pytest.raises(
        RunError, match=r"is the directory of a training in Python: it has no run.json, .*: mg\.load\("
    ):
        Run.open(tmp_path)
    (tmp_path / "x.pt").write_bytes(b"weights")
    with pytest.raises(
        ConfigError, match=r"x\.pt is a file of weights.*then model\.load_state_dict\(weights\)"
    ):
        load(tmp_path / "x.pt")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/run.json").write_text("{}")
    with pytest.raises(ConfigError, match="is a run without a model: train it again"):
        load(tmp_path / "other")
