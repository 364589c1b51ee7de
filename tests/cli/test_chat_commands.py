"""Commands of a conversation, with a conversation that has no model."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from morphogen.cli.bad_argument import BadArgument
from morphogen.cli.chat_commands import Commands, Leave


def fake() -> Any:
    """A conversation without a model."""
    talk = SimpleNamespace(system=None, turns=[{"role": "user", "content": "é"}])
    talk.begin = lambda: setattr(talk, "turns", [] if talk.system is None else [{"role": "system"}])
    return talk


@pytest.mark.parametrize("line", ["/reset", "/new", " /reset "])
def test_reset_keeps_the_system_prompt(line: str) -> None:
    talk = fake()
    commands = Commands(talk, "gguf:x")
    assert commands.run("/system") == "system prompt: that of the chat template"
    assert commands.run("/system be  brief") == "new conversation" and talk.system == "be  brief"
    talk.turns.append({"role": "user"})
    assert commands.run(line) == "new conversation" and talk.turns == [{"role": "system"}]


@pytest.mark.parametrize("line", ["/exit", "/quit"])
def test_leaving(line: str) -> None:
    with pytest.raises(Leave):
        Commands(fake(), "gguf:x").run(line)


def test_help_names_every_command() -> None:
    commands = Commands(fake(), "gguf:x")
    assert all(name in commands.run("/help") for name in ("/help", "/system", "/reset", "/save", "/exit"))


@pytest.mark.parametrize("line", ["/HELP", "/", "/usr/bin/python is slow", "/" + "x" * 999])
def test_unknown_commands_are_refused_in_one_line(line: str) -> None:
    with pytest.raises(BadArgument, match=r"unknown command; /help lists the commands") as error:
        Commands(fake(), "gguf:x").run(line)
    assert len(str(error.value)) < 200


def test_a_file_of_this_conversation_may_be_replaced_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk, path = fake(), tmp_path / "talk.json"
    commands = Commands(talk, "gguf:x")
    assert commands.run(f"/save {path}") == f"saved: {path}"
    talk.turns.append({"role": "assistant", "content": "b"})
    commands.run(f"/save {path}")
    assert json.loads(path.read_text(encoding="utf8")) == {"model": "gguf:x", "messages": talk.turns}
    for argument, why in (
        (str(path), "the file exists"),
        (str(tmp_path), "give the name"),
        ("", "give the name"),
    ):
        with pytest.raises(BadArgument, match=why):
            Commands(talk, "gguf:x").run(f"/save {argument}")
    monkeypatch.setenv("HOME", str(tmp_path))
    commands.run("/save ~/home.json")
    assert (tmp_path / "home.json").exists()


def test_a_file_of_an_earlier_conversation_is_kept(tmp_path: Path) -> None:
    """/reset and /system begin another one."""
    path = tmp_path / "talk.json"
    for begin in ("/reset", "/system be brief"):
        path.unlink(missing_ok=True)
        commands = Commands(fake(), "gguf:x")
        assert commands.run(f"/save {path}") == f"saved: {path}"
        assert commands.run(f"/save {path}") == f"saved again, with all turns so far: {path}"
        commands.run(begin)
        with pytest.raises(BadArgument, match="the file exists; choose another name"):
            commands.run(f"/save {path}")


@pytest.mark.parametrize("quote", ['"', "'"])
def test_quotes_around_a_file_are_not_part_of_its_name(quote: str, tmp_path: Path) -> None:
    Commands(fake(), "gguf:x").run(f"/save {quote}{tmp_path}/my chat.json{quote}")
    Commands(fake(), "gguf:x").run(f"/save {tmp_path}/{quote}")  # a name may have one
    assert {path.name for path in tmp_path.iterdir()} == {"my chat.json", quote}
