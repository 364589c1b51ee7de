"""A comparison becomes a record that anyone can make again, and the record a table."""

import json
import sys

import pytest

from morphogen.compare import compare
from morphogen.data import load
from morphogen.recipes import records, table
from morphogen.recipes.comparison import comparison


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    return tmp_path


def test_a_comparison_is_recorded_without_its_place_and_with_its_models(results):
    directory = results / "here"
    made = compare(load("digits"), 0.2, directory=directory, systems=["mixture", "wgan_gp"], size="tiny", n=20)
    directory.rename(results / "moved")
    records.store("digits", comparison("digits", 0.2, directory=results / "moved"))
    record = records.read("digits")
    assert str(results) not in json.dumps(record)
    assert [row["system"] for row in made["rows"]] == list(record["figures"])
    assert list(record["models"]) == ["mixture", "wgan_gp"] and records.moved(record) == []
    lines = table.markdown("digits").splitlines()
    assert len(lines) == 2 + len(made["rows"]) and len({line.count("|") for line in lines}) == 1
    row = next(line for line in lines if "`mixture`" in line)
    assert f"≤ {record['figures']['mixture']['likelihood']['bits_per_dim']:.2f} ±" in row
    assert "| none |" in next(line for line in lines if "`wgan_gp`" in line)  # a GAN has no likelihood and says so


def test_a_page_is_filled_once_and_for_all(results):
    records.store("x", {"figures": {"PNG": _codec(2.5)}, "models": {}})
    page = "before\n<!-- table: x -->\n<!-- end -->\nafter"
    filled = table.fill(page)
    assert "| PNG | codec | = 2.50 |" in filled and table.fill(filled) == filled
    records.store("x", {"figures": {"PNG": _codec(3.5)}, "models": {}})
    assert table.fill(filled) != filled  # a page that is older than its record is found out
    with pytest.raises(ValueError, match=r"morphogen reproduce y --store"):
        table.fill("<!-- table: y -->\n<!-- end -->")


@pytest.mark.parametrize("name", sorted(path.stem for path in records.RESULTS.glob("*.json")))
def test_the_pages_still_describe_what_was_measured(name):
    """A figure of a model whose page has changed since is out of date: measure it again, `morphogen reproduce NAME --store`."""
    record = records.read(name)
    assert record["models"] and set(record["models"]) <= {*record["figures"], "ddpm"}
    assert {"data", "split", "seed", "machine", "versions", "date"} <= record.keys()
    assert records.moved(record) == []


def test_what_a_gguf_file_holds_is_not_kept_beside_the_record(results):
    config = {"asset": "tokenizer.json", "sha256": "0"}
    records.store("x", {"figures": {}, "models": {"m": {"gguf": "smollm2", "config": config}}})
    assert [path.name for path in results.iterdir()] == ["x.json"]


def test_what_moved_is_found_out(monkeypatch):
    """The mutants: one number of a page, one number of a record."""
    record = records.read("mnist-5k")
    record["models"]["realnvp"]["config"]["plan"]["batch"] = 1
    assert records.moved(record) == ["realnvp"]
    record = records.read("mnist-5k")
    monkeypatch.setitem(sys.modules["morphogen.systems.vae"]._NETWORKS["small"], "latent", 17)
    assert records.moved(record) == ["vae"]


def _codec(bits):
    likelihood = {"kind": "exact", "bits_per_dim": bits, "low": bits, "high": bits}
    return {"system": "PNG", "family": "codec", "likelihood": likelihood}


def test_a_pretrained_model_is_known_by_its_file():
    from morphogen.interop.gguf_named import KNOWN

    config = {"part": "Model"}
    known = {"gguf": "smollm2", "file": KNOWN["smollm2"].sha256, "config": config, "sha256": records.config_sha256(config)}
    assert records.moved({"models": {"smollm2": known}}) == []
    assert records.moved({"models": {"smollm2": known | {"file": "0" * 64}}}) == ["smollm2"]
