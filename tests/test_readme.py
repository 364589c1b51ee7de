"""The README runs: its Python as it stands, with the budget cut, and every option of its commands exists."""

import re
import shlex
from pathlib import Path

import typer

from morphogen.cli import app

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf8")


def test_the_python_runs(tmp_path, monkeypatch, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    monkeypatch.chdir(tmp_path)
    exec(compile(code.replace("time=240", "steps=2"), "README.md", "exec"), {})
    assert "lower_bound" in capsys.readouterr().out and len(list((tmp_path / "threes").glob("*.png"))) == 16


def test_the_commands_exist():
    commands = typer.main.get_command(app).commands
    lines = [shlex.split(line.split("  #")[0]) for line in re.findall(r"^    (morphogen .*)$", README, re.M)]
    assert len(lines) >= 6
    for _, verb, *words in lines:
        known = {option for parameter in commands[verb].params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, f"morphogen {verb}"
