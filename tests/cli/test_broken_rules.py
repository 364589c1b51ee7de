"""The rules of a table that samples break, in one line, from the record of a run."""

import json

import pytest

from morphogen.cli.broken_rules import broken_rules, recorded_row
from report.rows_of import interval, model


def measured(*kept: float, run: str = "runs/mix-001", steps: int = 5) -> dict:
    rules = [{"text": f"a{i}", "synthetic": interval(share)} for i, share in enumerate(kept)]
    row = model("mix", breaks_no_rule=interval(0.9, 0.05)) | {"run": run, "steps": steps}
    row["table"]["details"] = {"rules": [*rules, {"text": "b", "synthetic": None}]}
    return row


def test_the_line_has_the_rules_and_the_interval_of_the_rows():
    assert broken_rules(measured(0.9, 1.0, 0.99)) == (
        "mix breaks 2 of 3 rules of the data, in 10.0 % [5.0, 15.0] of the drawn rows"
    )
    assert broken_rules(measured(1.0, 1.0)) == broken_rules({}) == broken_rules(model("mix")) == ""


@pytest.mark.parametrize("file", ["mix-001/evaluation.json", "report.json"])
def test_the_row_is_that_of_the_evaluation_or_the_comparison(tmp_path, file):
    run = tmp_path / "mix-001"
    run.mkdir()
    assert recorded_row(run, 5) == {}
    row = measured(0.5)
    (tmp_path / file).write_text(json.dumps({"rows": [measured(0.1, run="runs/mix-002"), row]}))
    assert recorded_row(run, 5) == row
    assert recorded_row(run, 9) == {}, "it was trained further"
    (tmp_path / file).write_text("{")
    assert recorded_row(run, 5) == {}, "a damaged record is no reason to draw no samples"
