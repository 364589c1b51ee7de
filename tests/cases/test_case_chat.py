"""Chat: lines, commands and replies."""

import builtins
import io
import json
import re
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from morphogen.cli.chat_input import history_file
from morphogen.inference import Conversation
from tests.cases import case
from tests.command_line import run
from tests.interop.gguf_files import LlamaSizes, llama

Chat = Callable[..., tuple[int, str, str]]


class Input(io.TextIOWrapper):
    """Standard input that may be a terminal."""

    is_terminal = False

    def isatty(self) -> bool:
        return self.is_terminal


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    added = {"[DONE]": 3, "USER": 3}
    return llama(tmp_path_factory.mktemp("chat") / "tiny.gguf", LlamaSizes(length=512), added=added)


@pytest.fixture
def chat(path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Chat:
    """Runs `morphogen chat` on bytes of standard input; its exit code, output and errors."""

    def converse(content: bytes, *words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", Input(io.BytesIO(content), encoding="utf8"))
        options = ["--temperature", "0", "--max-new", "6", "--device", "cpu", *map(str, words)]
        code = run(monkeypatch, "chat", f"gguf:{path}", *options)
        return code, *capfd.readouterr()

    return converse


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The messages that reach the model."""
    messages: list[str] = []
    say = Conversation.say

    def record(self: Conversation, content: str, most: int = 256) -> Iterator[str]:
        messages.append(content)
        return say(self, content, most)

    monkeypatch.setattr(Conversation, "say", record)
    return messages


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Makes standard input a terminal on which these lines are typed; an exception is raised instead."""

    def type_lines(*lines: str | BaseException) -> None:
        typed = iter(lines)

        def read(prompt: str = "") -> str:
            line = next(typed, EOFError())
            if isinstance(line, BaseException):
                raise line
            return line

        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
        monkeypatch.setattr(builtins, "input", read)
        monkeypatch.setattr(Input, "is_terminal", True)
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    return type_lines


@case(
    "`printf 'caf\\xe9\\n' | chat`: bytes that are not UTF-8",
    "that line is skipped, with its number and byte; the others are answered",
    source="litgpt#1953",
)
def test_bytes_that_are_not_utf8_cost_their_line(chat: Chat, said: list[str]) -> None:
    code, out, err = chat(b"the cat\ncaf\xe9\na dog\n")
    assert code == 0 and said == ["the cat", "a dog"] and out.count("\n") >= 2
    assert "morphogen: line 2 of the input is skipped: byte 0xe9 at position 3 is not utf-8" in err


@case("lines that end with CRLF, empty lines, no newline at the end", "one message per line that has text")
def test_line_ends(chat: Chat, said: list[str]) -> None:
    assert chat(b"the cat\r\n\r\n  \na dog")[0] == 0
    assert said == ["the cat", "a dog"]


@case("`/help`", "prints the commands; no command goes to the model")
def test_commands_do_not_go_to_the_model(chat: Chat, said: list[str]) -> None:
    code, out, err = chat(b"/help\n/reset\n/exit\nthe cat\n")
    assert code == 0 and not said and out == ""
    assert all(name in err for name in ("/system", "/reset", "/save FILE", "/exit"))


@case("`/begin`, an unknown command", "named, with `/help`; `//begin` sends the text `/begin`")
def test_unknown_commands_are_named(chat: Chat, said: list[str]) -> None:
    code, _, err = chat(b"/begin me\n//begin me\n")
    assert code == 0 and said == ["/begin me"]
    assert "morphogen: /begin: unknown command; /help lists the commands, and //begin sends it as text" in err


@case(
    '`/save FILE`, `/save "my chat.json"`',
    "the conversation as JSON, without the quotes; again: with all turns; no other file is overwritten",
)
def test_conversations_are_saved(chat: Chat, tmp_path: Path) -> None:
    saved, other = tmp_path / "talk.json", tmp_path / "other.json"
    other.write_text("mine")
    lines = (
        f"the cat\n/save {saved}\na dog\n/save {saved}\n/save {other}\n/save\n/save {tmp_path}/no/x.json\n"
    )
    code, _, err = chat(lines.encode())
    messages = json.loads(saved.read_text(encoding="utf8"))["messages"]
    assert code == 0 and [m["content"] for m in messages[::2]] == ["the cat", "a dog"]
    assert [m["role"] for m in messages] == ["user", "assistant"] * 2
    assert other.read_text() == "mine" and "other.json: the file exists; choose another name" in err
    assert "/save: give the name of a file" in err and "/no does not exist; create it" in err
    assert sorted(file.name for file in tmp_path.iterdir()) == ["other.json", "talk.json"]


@case("`/system TEXT`", "a new conversation with this system prompt")
def test_the_system_prompt_can_be_changed(chat: Chat, tmp_path: Path) -> None:
    saved = tmp_path / "talk.json"
    code, _, err = chat(f"the cat\n/system be brief\n/system\na dog\n/save {saved}\n".encode())
    messages = json.loads(saved.read_text(encoding="utf8"))["messages"]
    assert code == 0 and "system prompt: be brief" in err
    assert [m["content"] for m in messages[:2]] == ["be brief", "a dog"]


@case("a reply that reaches `--max-new` or the end of `--context`", "marked as cut, with the option")
def test_a_cut_reply_is_marked(chat: Chat) -> None:
    code, _, err = chat(b"the cat\n")
    assert code == 0 and "[cut after 6 tokens by --max-new]" in err
    code, _, err = chat(b"", "--message", "the cat", "--context", "40", "--max-new", "400")
    assert code == 0 and re.search(r"\[cut after \d+ tokens by the end of the context, --context\]", err)


@case(
    "`chat --context` above the model's own context, and a message or reply that exceeds that",
    "said once; the model's limit is named, and no larger `--context` is suggested",
)
def test_the_context_of_the_model_is_its_limit(chat: Chat) -> None:
    options = ("--message", "the cat " * 400, "--context")
    code, _, err = chat(b"", *options, "40")
    assert code == 2 and "the context is 40: shorten the message, or increase --context, up to 512" in err
    code, _, err = chat(b"", *options, "4096")
    assert "--context 4096: the model's context is 512 tokens; 512 is used" in err
    assert code == 2 and err.rstrip().endswith("but the model's context is 512: shorten the message")
    code, _, err = chat(b"", "--message", "the cat " * 232, "--max-new", "600")
    assert code == 0 and "by the end of the model's context of 512]" in err and "is used" not in err


@case("a terminal", "tokens per second after each reply")
def test_speed_is_shown_on_a_terminal(chat: Chat, terminal: Callable[..., None]) -> None:
    terminal("the cat")
    code, _, err = chat(b"")
    assert code == 0 and re.search(r"\[cut after 6 tokens by --max-new, \d+\.\d tokens/s\]", err)


@case("Ctrl-C in a reply, and at the prompt", "stops the reply, discards the line; the conversation goes on")
def test_ctrl_c_stops_the_reply(
    chat: Chat, terminal: Callable[..., None], said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = Conversation._pieces, []

    def interrupted(self: Conversation, *words: Any) -> Iterator[str]:
        calls.append(1)
        pieces = real(self, *words)
        yield next(pieces)
        if len(calls) == 1:
            raise KeyboardInterrupt
        yield from pieces

    monkeypatch.setattr(Conversation, "_pieces", interrupted)
    terminal("the cat", KeyboardInterrupt(), "a dog")
    code, _, err = chat(b"")
    assert code == 0 and said == ["the cat", "a dog"] and "by Ctrl-C" in err


@case("a line typed in an encoding that the terminal does not have", "that line is skipped")
def test_undecodable_typed_lines(chat: Chat, terminal: Callable[..., None], said: list[str]) -> None:
    terminal(UnicodeDecodeError("utf-8", b"caf\xe9", 3, 4, "invalid"), "a\udce9", "a dog")
    code, _, err = chat(b"")
    assert code == 0 and said == ["a\udce9", "a dog"]
    assert "the line is skipped: byte 0xe9" in err and "UTF-8 cannot encode it" in err


@case("lines of earlier conversations", "kept in the user's state folder, readable by the user alone")
def test_history_is_kept(chat: Chat, terminal: Callable[..., None], tmp_path: Path) -> None:
    pytest.importorskip("readline")
    terminal("the cat")
    assert chat(b"")[0] == 0
    assert history_file() == tmp_path / "morphogen" / "chat_history"
    assert stat.S_IMODE(history_file().stat().st_mode) == 0o600


@case("`chat --top-k -1`, `--no-repeat-ngram -1`", "refused: 0 is all, or off, as the help says")
def test_the_smallest_numbers_of_options(chat: Chat) -> None:
    for option, message in (("--top-k", "must be 0 (all)"), ("--no-repeat-ngram", "must be 0 (off)")):
        code, _, err = chat(b"", "--message", "the cat", option, "-1")
        assert code == 2 and f"{message} or more" in err
        assert chat(b"", "--message", "the cat", option, "0")[0] == 0


@case(
    "`--top-k`, `--stop`, `--regex` and the other options of `sample`",
    "apply to replies; nothing after a stop string",
)
def test_decoding_options(chat: Chat) -> None:
    greedy = chat(b"", "--message", "the cat")[1]
    assert chat(b"", "--message", "the cat", "--temperature", "1", "--top-k", "1")[1] == greedy
    middle = greedy.strip()[2:4]
    assert chat(b"", "--message", "the cat", "--stop", middle)[1] == greedy.split(middle)[0] + "\n"
    pytest.importorskip("llguidance")
    code, out, _ = chat(b"", "--message", "the cat", "--regex", "(yes|no)")
    assert code == 0 and out in ("yes\n", "no\n")
    options = ["--message", "the cat", "--max-new", "200"]
    assert chat(b"", *options, "--regex", "a\nb", "--stop", r"\n")[1] == "a\n"
    words = chat(b"", *options, "--regex", r"(USER|\[DONE\]){9}")[1]
    assert re.fullmatch(r"(USER|\[DONE\]){9}\n", words)  # spelled by letters, not by the control tokens
