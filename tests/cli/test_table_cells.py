"""Given cells on the command line: `sample --condition COLUMN=VALUE` and `edit TABLE` for empty cells."""

import pandas as pd
import pytest

from tests.command_line import run

TEXT = "kind,size,city\n" + "".join(
    f"{('dog', 'cat')[i % 2]},{20 + 40 * (i % 2) + i % 7 if i % 5 else 'NA'},{('Rome', 'Oslo')[i % 3 > 0]}\n"
    for i in range(120)
)


@pytest.fixture
def trained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text(TEXT)
    assert run(monkeypatch, "train", "table_mixture", "--data", "t.csv", "--steps", "8") == 0
    return "runs/table_mixture-t-001"


def test_cells_of_any_column_are_given_by_name(trained, tmp_path, monkeypatch, capsys):
    given = ["--condition", "kind=cat", "--condition", "city=Rome"]
    assert run(monkeypatch, "sample", trained, "--n", "30", *given) == 0
    frame = pd.read_csv(tmp_path / trained / "samples/samples.csv")
    assert len(frame) == 30 and frame["kind"].eq("cat").all() and frame["city"].eq("Rome").all()
    assert run(monkeypatch, "sample", trained, "--condition", "kind=cow") == 2
    assert "no category 'cow'; it has cat, dog" in " ".join(capsys.readouterr().err.split())
    assert run(monkeypatch, "sample", trained, "--condition", "colour=red") == 2
    refusal = " ".join(capsys.readouterr().err.split())
    assert "no column is named 'colour'; the columns are kind, size, city" in refusal


def test_empty_cells_of_a_table_are_filled(trained, tmp_path, monkeypatch):
    gaps = "kind,note,size,city\ndog,a,,Oslo\n,b,61,Rome\ncat,c,NA,\n"
    (tmp_path / "gaps.csv").write_text(gaps)
    assert run(monkeypatch, "edit", trained, "gaps.csv", "--out", "done") == 0
    whole = pd.read_csv(tmp_path / "done/gaps.csv")
    assert list(whole) == ["kind", "note", "size", "city"] and not whole.isna().any().any()
    assert whole["note"].tolist() == ["a", "b", "c"] and whole["size"][1] == 61
    assert whole["kind"].tolist()[::2] == ["dog", "cat"] and whole["city"].tolist()[:2] == ["Oslo", "Rome"]


@pytest.mark.parametrize(
    ("budget", "said"),
    [(("--steps", "20"), "--steps 20"), (("--time", "5m"), "--time 300s"), (("--steps", "12"), "")],
)
def test_a_training_says_why_it_ended_early(tmp_path, monkeypatch, capsys, budget, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text(TEXT)
    assert run(monkeypatch, "train", "table_mixture", "--data", "t.csv", "--size", "tiny", *budget) == 0
    out = " ".join(capsys.readouterr().out.split())
    why = f"training ended before {said} because its plan has 12 rounds; --set plan.rounds=24 trains"
    assert "12 steps in" in out and (why in out if said else "ended before" not in out)


def test_data_without_a_system_get_those_that_fit(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my t.csv").write_text(TEXT)
    assert run(monkeypatch, "train", "--data", "my t.csv") == 2
    line = " ".join(capsys.readouterr().err.split())
    systems = "table_flow, table_mixture, table_transformer; morphogen train table_flow --data 'my t.csv'"
    assert line == f"morphogen: train needs a system for my t.csv (table): one of {systems}"
