"""Given cells on the command line: `sample --condition COLUMN=VALUE` and `edit TABLE` for empty cells."""

from pathlib import Path

import pandas as pd
import pytest

import morphogen as mg
from morphogen.catalogue import fitting
from morphogen.cli.train import _outlined
from morphogen.model import parameters
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
    assert run(monkeypatch, "sample", trained, "--condition", "kind=dogs", "--condition", "city=Oslo") == 2
    refusal = " ".join(capsys.readouterr().err.split())
    assert "--condition kind=dogs city=Oslo: runs" in refusal and "did you mean 'dog'? it has" in refusal
    assert run(monkeypatch, "sample", trained, "--condition", "colour=red") == 2
    refusal = " ".join(capsys.readouterr().err.split())
    assert "no column is named 'colour'; the columns are kind, size, city" in refusal


REFUSED = {  # what is given, and what is said
    ("city=ROME",): "--condition city=ROME: {run}: column 'city' has no category 'ROME'; "
    "did you mean 'Rome'? it has Oslo, Rome",
    ("city=Rome",): "--condition city=Rome: {run} needs the class too: add --condition kind=cat (or dog)",
    (
        "kind=cat",
        "same=x",
    ): "--condition same=x: {run}: no column is named 'same', or it is the same in "
    "every row; the columns are kind, size, city",
    ("kind=cat", "dog"): "--condition dog: label is given twice; give it once",
}


@pytest.mark.parametrize(("given", "said"), REFUSED.items())
def test_what_is_wrong_with_a_cell_beside_a_class_is_said(given, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    header, *rows = TEXT.splitlines()
    Path("t.csv").write_text("\n".join([f"{header},same", *(f"{row},x" for row in rows)]) + "\n")
    train = ["train", "table_transformer", "--data", "t.csv", "--condition", "kind", "--steps", "2"]
    assert run(monkeypatch, *train, "--size", "tiny") == 0
    capsys.readouterr()
    name = "runs/table_transformer-t-001"
    words = [word for one in given for word in ("--condition", one)]
    assert run(monkeypatch, "sample", name, *words) == 2
    assert " ".join(capsys.readouterr().err.split()) == "morphogen: " + said.format(run=name)


def test_empty_cells_of_a_table_are_filled(trained, tmp_path, monkeypatch):
    gaps = "kind,note,size,city\ndog,a,,Oslo\n,b,61,Rome\ncat,c,NA,\n"
    (tmp_path / "gaps.csv").write_text(gaps)
    assert run(monkeypatch, "edit", trained, "gaps.csv", "--out", "done") == 0
    whole = pd.read_csv(tmp_path / "done/gaps.csv")
    assert list(whole) == ["kind", "note", "size", "city"] and not whole.isna().any().any()
    assert whole["note"].tolist() == ["a", "b", "c"] and whole["size"][1] == 61
    assert whole["kind"].tolist()[::2] == ["dog", "cat"] and whole["city"].tolist()[:2] == ["Oslo", "Rome"]


def test_only_the_columns_that_are_chosen_are_filled(trained, tmp_path, monkeypatch, capsys):
    (tmp_path / "gaps.csv").write_text("kind,size,city\ndog,,Oslo\n,61,Rome\ncat,NA,\n")
    out = ["--out", "done", "--fill", "size", "--fill", "city"]
    assert run(monkeypatch, "edit", trained, "gaps.csv", *out) == 0
    whole = pd.read_csv(tmp_path / "done/gaps.csv")
    assert (
        whole["kind"].isna().tolist() == [False, True, False]
        and not whole[["size", "city"]].isna().any().any()
    )
    assert "3 empty cells filled in: size (2), city (1)" in " ".join(capsys.readouterr().out.split())
    assert run(monkeypatch, "edit", trained, "gaps.csv", "--fill", "weight") == 2
    refusal = " ".join(capsys.readouterr().err.split())
    assert "--fill weight: the columns of the model are kind, size, city" in refusal


def test_without_a_run_the_newest_of_the_medium_is_used(trained, tmp_path, monkeypatch, capsys):
    """The newest run of all is of text."""
    (tmp_path / "gaps.csv").write_text("kind,size,city\ndog,,Oslo\ncat,61,\n")
    (tmp_path / "a.txt").write_text("".join(f"The line number {i} of a short text.\n" for i in range(300)))
    assert run(monkeypatch, "train", "ngram", "--data", "a.txt", "--size", "tiny") == 0
    assert run(monkeypatch, "edit", "gaps.csv") == 0
    said = capsys.readouterr()
    assert "runs/table_mixture-t-001: the newest run of table" in " ".join(said.out.split())
    assert (tmp_path / trained / "edits" / "gaps.csv").exists()
    (tmp_path / "p.png").write_bytes(b"")
    assert run(monkeypatch, "edit", "p.png", "--strength", "0.5") == 2
    assert "runs contains no run of pictures; make one" in " ".join(capsys.readouterr().err.split())


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
    systems = ", ".join(fitting("table", {}))
    command = "morphogen train table_mixture --data 'my t.csv'"
    assert line == f"morphogen: train needs a system for my t.csv (table): one of {systems}; {command}"


@pytest.mark.parametrize("system", ["table_mixture", "table_transformer", "latent_flow"])
def test_the_model_is_one_line_of_names_and_the_number_of_its_parameters(system, tmp_path):
    """Whatever the number of columns, and for each stage; the whole composition is in config.json."""
    (tmp_path / "t.csv").write_text(TEXT)
    data = mg.load_data("digits" if system == "latent_flow" else str(tmp_path / "t.csv"))
    model = mg.build_system(system, data.representation, data.conditions, "tiny")
    line = _outlined(system, model)
    assert line.startswith(f"{system}: {parameters(model):,} parameters; ") and "\n" not in line
    stages = getattr(model, "models", {"": model})
    assert all(type(stage.objective).__name__ in line and name in line for name, stage in stages.items())
    assert len(line) < 300 < len(repr(model)) or system == "table_mixture"
    assert line.count("CategoryColumn") <= 1 and line.count("Plan(") == len(stages)


def test_columns_of_the_same_name_are_filled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{i % 4 + 0.5},{'' if i == 7 else i % 3},{'ab'[i % 2]}\n" for i in range(60))
    (tmp_path / "t.csv").write_text("count,count,kind\n" + rows)
    assert run(monkeypatch, "train", "table_mixture", "--data", "t.csv", "--size", "tiny") == 0
    assert run(monkeypatch, "edit", "t.csv", "--out", "whole.csv") == 0
    whole = (tmp_path / "whole.csv").read_text().splitlines()
    assert whole[8].split(",")[1] in "012"
