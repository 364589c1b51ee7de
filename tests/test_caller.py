"""Options in errors and notes are those of the caller: arguments in Python, flags on the command line."""

import re
from pathlib import Path

import numpy as np
import pytest

import morphogen as mg
from command_line import run
from morphogen.caller import on_the_command_line, option, setting
from morphogen.data import load_data

SOURCE = Path(mg.__file__).parent
COMMANDS = {"cli", "recipes", "report", "compare", "advise"}  # packages of the command line
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
WHOLE = re.compile(r"morphogen [a-z]|pip|npm|\"--")  # whole commands, which are typed in a terminal
DATES = "day,x\n" + "".join(f"0{1 + i % 9}/0{1 + i // 9}/2024,{i * i}\n" for i in range(60))


def test_each_caller_has_its_own_words() -> None:
    assert option("length", 64) == "length=64" and setting("table", "drop", "a b") == 'table={"drop": "a b"}'
    with on_the_command_line():
        assert option("length", 64) == "--length 64"
        assert setting("table", "drop", "a b") == "--table 'drop=a b'"
        assert setting("changes", "plan.batch", 16) == "--set plan.batch=16"
    assert option("max_new_tokens") == "max_new_tokens"


def test_a_note_can_be_typed_in_python_and_in_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "days.csv"
    file.write_text(DATES)
    (note,) = [note for note in load_data(file).notes if "month-first" in note]
    written = re.search(r"table=(\{.*?\}) swaps", note)
    assert written is not None
    swapped = load_data(file, table=eval(written[1]))  # noqa: S307
    assert swapped.sha256 != load_data(file).sha256
    assert run(monkeypatch, "train", "nosuch", "--data", str(file), "--table", "dates=day-first") == 2
    assert run(monkeypatch, "train", "ngram", "--data", str(file), "--length", "x") == 2
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "train", "table_mixture", "--data", str(file), "--steps", "1") == 0
    printed = " ".join("".join(capsys.readouterr()).split())
    assert "--table dates=day-first swaps day and month" in printed and "table={" not in printed
    assert option("length") == "length"  # also after errors


@pytest.mark.parametrize("path", ["plan.nosuch", "network.widths"])
def test_changes_are_named_as_they_were_given(path: str) -> None:
    data = mg.load_data(np.random.default_rng(0).integers(0, 17, (40, 8, 8)))
    with pytest.raises(ValueError, match=rf'^changes={{"{path}": -1}}'):
        mg.build_system("vae", data, size="tiny", changes={path: -1})


def test_no_flag_is_written_in_a_message_below_the_command_line() -> None:
    faults = []
    for file in SOURCE.rglob("*.py"):
        name = file.relative_to(SOURCE)
        if name.parts[0] in COMMANDS or name.name == "caller.py":
            continue
        code = re.sub(r'r?""".*?"""', "", file.read_text(encoding="utf8"), flags=re.DOTALL)
        faults += [
            f"{name}: {line.strip()}"
            for line in code.splitlines()
            if FLAG.search(line.partition("  # ")[0]) and not WHOLE.search(line)
        ]
    assert faults == []
