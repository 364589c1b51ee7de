"""Data of a run, found and read again."""

from pathlib import Path

import pytest

from tests.cases import case
from tests.command_line import run


@case(
    "`train --data text:notes.csv`, then `evaluate` from another folder", "the same text; the prefix is kept"
)
def test_a_prefix_is_kept_by_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("notes.csv").write_text("".join(f"{i},the cat of {i * i % 31} sat on a mat\n" for i in range(400)))
    assert (
        run(monkeypatch, "train", "ngram", "--data", "text:notes.csv", "--length", "16", "--steps", "1") == 0
    )
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert run(monkeypatch, "evaluate", "../runs/ngram-notes-001", "--n", "8") == 0


@case(
    "`train table_flow --from RUN` on data with fewer of its classes, then `evaluate`", "labels by class name"
)
def test_a_table_with_fewer_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, kinds in (("all.csv", "abc"), ("some.csv", "cb")):
        rows = "".join(f"{(i * 7 % 90) / 9:.3f},{i % 5},{kinds[i % len(kinds)]}\n" for i in range(120))
        Path(name).write_text("x,n,kind\n" + rows)
    steps = ("--steps", "2")
    tiny = ("--size", "tiny", *steps)
    assert run(monkeypatch, "train", "table_flow", "--data", "all.csv", "--condition", "kind", *tiny) == 0
    first = "runs/table_flow-all-001"
    assert run(monkeypatch, "train", "--from", first, "--data", "some.csv", *steps) == 0
    assert run(monkeypatch, "evaluate", "--n", "8") == 0
    assert run(monkeypatch, "train", "--resume", "runs/table_flow-some-001", "--steps", "3") == 0
