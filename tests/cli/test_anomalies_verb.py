"""`morphogen anomalies`: rows of tables and pictures, the least likely first."""

import pandas as pd
import pytest
from PIL import Image

import morphogen as mg
from tests.command_line import run
from tests.evaluation.test_anomalies import table


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A table with decimal commas, and one with three planted rows and a column of its own."""
    monkeypatch.chdir(tmp_path)
    table(600).to_csv("t.csv", index=False, sep=";", decimal=",")
    new = table(30, seed=1).astype({"c": object})
    new.loc[3, ["a", "b"]] = [1.0, -1.0]
    new.loc[7, "c"] = "w"
    new["id"] = [f"k{i}" for i in range(30)]
    new.to_csv("new.csv", index=False, sep=";", decimal=",")
    return tmp_path


def test_the_rows_of_a_table(folder, monkeypatch, capsys):
    assert run(monkeypatch, "train", "table_mixture", "--data", "t.csv", "--steps", "12") == 0
    assert run(monkeypatch, "anomalies", "new.csv", "--n", "3") == 0
    shown = capsys.readouterr().out
    assert "c: w is new" in shown and "k7" in shown and "30 rows ranked by table_mixture-t-001" in shown
    written = pd.read_csv(folder / "runs/table_mixture-t-001/anomalies.csv")
    assert written["id"][:2].tolist() == ["k7", "k3"] and written["row"][:2].tolist() == [8, 4]
    assert len(written) == 30 and written["a"].astype(str).str.contains(",").all()
    assert written["p-value"][1] < 0.03 < written["p-value"].median()
    (folder / "t.csv").unlink()
    assert run(monkeypatch, "anomalies", "runs/table_mixture-t-001", "new.csv", "--out", "ranked.csv") == 0
    assert "no p-values" in capsys.readouterr().err
    assert pd.read_csv("ranked.csv")["p-value"].isna().all()


def test_pictures(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pixels = (mg.load_data("digits").test.first(6).medium[:, 0] * 127.5 + 127.5).round().byte()
    for i, one in enumerate(pixels):
        Image.fromarray((255 - one if i == 2 else one).numpy()).save(f"{i}.png")
    assert run(monkeypatch, "train", "mixture", "--data", "digits", "--size", "tiny", "--steps", "4") == 0
    assert run(monkeypatch, "anomalies", *(f"{i}.png" for i in range(6)), "--condition", "3") == 0
    assert "6 rows ranked" in capsys.readouterr().out
    assert pd.read_csv("runs/mixture-digits-001/anomalies.csv")["file"][0] == "2.png"


def test_what_cannot_be_ranked_is_one_line(folder, monkeypatch, capsys):
    assert run(monkeypatch, "train", "table_gan", "--data", "t.csv", "--steps", "2", "--size", "tiny") == 0
    for arguments, reason in [
        (["new.csv"], "has no likelihood"),
        (["nothing.csv"], "nothing.csv: no such file or run"),
        (["new.csv", "--out", "new.csv"], "new.csv"),
        (["new.csv", "--out", "ranked.txt"], "the rows are written as CSV"),
        (["new.csv", "t.csv"], "t.csv: is a second table"),
        (["runs/table_gan-t-001"], "morphogen anomalies runs/table_gan-t-001 TABLE.csv"),
    ]:
        assert run(monkeypatch, "anomalies", *arguments) == 2
        assert reason in capsys.readouterr().err
