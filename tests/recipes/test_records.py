"""Records of comparisons, their tables, and the check that their configs are current."""

import json
import re
import sys

import pytest

from morphogen.compare import compare
from morphogen.data import DataError, load_data
from morphogen.data.language_models import language_model
from morphogen.evaluation.provenance import DEFINITIONS
from morphogen.recipes import records, table
from morphogen.recipes.comparison import comparison


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    return tmp_path


def test_a_record_of_a_comparison_has_its_models_and_no_paths(results):
    directory = results / "here"
    report = compare(
        load_data("digits"), 0.2, directory=directory, systems=["mixture", "wgan_gp"], size="tiny", n=20
    )
    directory.rename(results / "moved")
    records.store("digits", comparison("digits", 0.2, directory=results / "moved"))
    record = records.read("digits")
    assert str(results) not in json.dumps(record)
    assert [row["system"] for row in report["rows"]] == list(record["figures"])
    assert list(record["models"]) == ["mixture", "wgan_gp"] and records.outdated(record) == []
    filled = table.markdown("digits").splitlines()
    lines = [line for line in filled if line.startswith("|")]
    assert any(line.startswith("Precision, recall") and "n = 20 is below 100" in line for line in filled)
    assert len(lines) == 2 + len(report["rows"]) and len({line.count("|") for line in lines}) == 1
    row = next(line for line in lines if "`mixture`" in line)
    assert f"≤ {record['figures']['mixture']['likelihood']['bits_per_dim']:.2f} ±" in row
    assert "| none |" in next(line for line in lines if "`wgan_gp`" in line)  # a GAN has no likelihood


def test_filling_a_page_is_idempotent(results):
    records.store("x", {"figures": {"PNG": _codec(2.5)}, "models": {}})
    page = "before\n<!-- table: x -->\n<!-- end -->\nafter"
    filled = table.fill(page)
    assert "| PNG | codec | = 2.50 |" in filled and table.fill(filled) == filled
    records.store("x", {"figures": {"PNG": _codec(3.5)}, "models": {}})
    assert table.fill(filled) != filled  # the page is older than its record
    with pytest.raises(ValueError, match=r"morphogen reproduce y --store"):
        table.fill("<!-- table: y -->\n<!-- end -->")


@pytest.mark.parametrize("name", sorted(path.stem for path in records.RESULTS.glob("*.json")))
def test_systems_still_build_the_measured_configs(name):
    """Otherwise the figures are out of date: measure them again with `morphogen reproduce NAME --store`."""
    record = records.read(name)
    measured = {*record["figures"], *record.get("trainings", ()), "ddpm", "conditional_gan"}
    assert record["models"] and set(record["models"]) <= measured
    assert {"data", "split", "seed", "machine", "versions", "date"} <= record.keys()
    assert records.outdated(record | {"models": buildable(record["models"])}) == []


def buildable(models):
    """The models without those of a language model that is not installed, whose tokenizer is not stored."""
    try:
        language_model("minilm")
    except DataError:
        stored = {path.name for path in (records.RESULTS / "assets").iterdir()}
        needed = {name: set(re.findall(r'"asset": "([^"]+)"', json.dumps(models[name]))) for name in models}
        return {name: each for name, each in models.items() if needed[name] <= stored}
    return models


def test_assets_of_a_gguf_file_are_not_stored(results):
    config = {"asset": "tokenizer.json", "sha256": "0"}
    records.store("x", {"figures": {}, "models": {"m": {"gguf": "smollm2", "config": config}}})
    assert [path.name for path in results.iterdir()] == ["x.json"]


def test_changed_configs_are_detected(monkeypatch):
    """A changed number in a record, and one in a system."""
    record = records.read("mnist-5k")
    record["models"]["realnvp"]["config"]["plan"]["batch"] = 1
    assert records.outdated(record) == ["realnvp"]
    record = records.read("mnist-5k")
    monkeypatch.setitem(sys.modules["morphogen.systems.vae"].SIZES["small"], "latent", 17)
    assert records.outdated(record) == ["vae"]


def _codec(bits):
    likelihood = {"kind": "exact", "bits_per_dim": bits, "low": bits, "high": bits}
    return {"system": "PNG", "family": "codec", "likelihood": likelihood}


def test_a_pretrained_model_is_identified_by_its_file():
    from morphogen.interop.gguf_named import KNOWN

    config = {"part": "Model"}
    entry = {
        "gguf": "smollm2",
        "file": KNOWN["smollm2"].sha256,
        "config": config,
        "sha256": records.config_sha256(config),
    }
    assert records.outdated({"models": {"smollm2": entry}}) == []
    assert records.outdated({"models": {"smollm2": entry | {"file": "0" * 64}}}) == ["smollm2"]


def test_a_table_says_which_measures_have_been_defined_anew(results):
    figure = {"value": 0.0, "low": 0.0, "high": 0.1, "n": 100}
    row = _codec(2.5) | {"memorised": figure, "recognised": figure}
    records.store("x", {"figures": {"PNG": row}, "models": {}, "versions": {"morphogen": "0.1"}})
    sentence = "Measured by an earlier definition, so not comparable with new figures: copies."
    assert sentence in table.markdown("x")
    now = {"code": f"0.1, definition {DEFINITIONS['memorised']}"}
    again = row | {"memorised": figure | {"provenance": now}}
    records.store("x", {"figures": {"PNG": again}, "models": {}})
    assert "definition" not in table.markdown("x")
