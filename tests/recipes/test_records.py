"""A comparison becomes a record that anyone can make again, and the record a table."""

import json

import pytest

from morphogen import recipes
from morphogen.compare import compare
from morphogen.data import load
from morphogen.recipes import comparison, table


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(recipes, "RESULTS", tmp_path)
    monkeypatch.setattr(table, "RESULTS", tmp_path)
    return tmp_path


def test_a_comparison_is_recorded_without_its_place_and_with_its_configs(results):
    made = compare(load("digits"), 0.2, directory=results / "here", systems=["mixture", "wgan_gp"], size="tiny", n=20)
    comparison.record_comparison("digits", results / "here")
    text = (results / "digits.json").read_text()
    record = json.loads(text)
    assert str(results) not in text
    assert [row["system"] for row in made["rows"]] == list(record["figures"])
    assert len(record["figures"]["mixture"]["config_sha256"]) == 64 and "config_sha256" not in record["figures"]["real data"]
    lines = table.markdown("digits").splitlines()
    assert len(lines) == 2 + len(made["rows"]) and len({line.count("|") for line in lines}) == 1
    row = next(line for line in lines if "`mixture`" in line)
    assert f"≤ {record['figures']['mixture']['likelihood']['bits_per_dim']:.2f} ±" in row
    assert "| none |" in next(line for line in lines if "`wgan_gp`" in line)  # a GAN has no likelihood and says so


def test_a_page_is_filled_once_and_for_all(results):
    (results / "x.json").write_text(json.dumps({"figures": {"PNG": _codec(2.5)}}))
    page = "before\n<!-- table: x -->\n<!-- end -->\nafter"
    filled = table.fill(page)
    assert "| PNG | codec | = 2.50 |" in filled and table.fill(filled) == filled
    (results / "x.json").write_text(json.dumps({"figures": {"PNG": _codec(3.5)}}))
    assert table.fill(filled) != filled  # a page that is older than its record is found out


def _codec(bits):
    likelihood = {"kind": "exact", "bits_per_dim": bits, "low": bits, "high": bits}
    return {"system": "PNG", "family": "codec", "likelihood": likelihood}
