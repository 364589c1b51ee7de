"""The README runs: its Python as it stands, with the budget cut; its tables are what was recorded."""

import re
from pathlib import Path

from morphogen.recipes.table import fill

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf8")


def test_the_python_runs(tmp_path, monkeypatch, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    monkeypatch.chdir(tmp_path)
    exec(compile(code.replace("time=240", "steps=2"), "README.md", "exec"), {})
    assert "lower_bound" in capsys.readouterr().out and len(list((tmp_path / "threes").glob("*.png"))) == 16


def test_the_tables_are_the_records():
    """Its commands and links: tests/docs/test_links.py."""
    assert README.count("<!-- table: ") == 1 and fill(README) == README
