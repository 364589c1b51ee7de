"""The README's Python runs, with a smaller budget, and its tables agree with the records."""

import re
from pathlib import Path

from morphogen.recipes.table import fill

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf8")


def test_the_python_runs(tmp_path, monkeypatch, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    monkeypatch.chdir(tmp_path)
    exec(compile(code.replace("time=240", "steps=2"), "README.md", "exec"), {})
    assert "lower_bound" in capsys.readouterr().out and len(list((tmp_path / "threes").glob("*.png"))) == 16


def test_the_tables_agree_with_the_records():
    """Commands and links are tested in tests/docs/test_links.py."""
    assert README.count("<!-- table: ") == 1 and fill(README) == README
