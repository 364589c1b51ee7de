"""Lines of a conversation: piped bytes, and a terminal with history."""

import builtins
import io
from pathlib import Path

import pytest

from morphogen.cli.chat_input import history_file, piped_lines, typed_lines


def test_piped_lines_are_decoded_one_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    raw = io.BytesIO(b"a\r\n\xff\xfe\nna\xc3\xafve\n\x00\nlast \xe2\x82")
    assert list(piped_lines(raw)) == ["a", "naïve", "\x00"]
    assert [line.split(" is skipped")[0] for line in capsys.readouterr().err.splitlines()] == [
        "morphogen: line 2 of the input",
        "morphogen: line 5 of the input",
    ]
    assert list(piped_lines([b"caf\xe9\n"], "latin-1")) == ["café"]


def test_history_is_written_and_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    readline = pytest.importorskip("readline")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    typed = iter(["first", "second"])

    def read(prompt: str) -> str:
        line = next(typed, None)
        if line is None:
            raise EOFError
        readline.add_history(line)
        return line

    monkeypatch.setattr(builtins, "input", read)
    readline.clear_history()
    assert list(typed_lines()) == ["first", "second"]
    readline.clear_history()
    assert list(typed_lines()) == [] and readline.get_history_item(1) == "first"
    readline.clear_history()


def test_a_state_folder_that_cannot_be_written_is_no_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(builtins, "input", lambda prompt: (_ for _ in ()).throw(EOFError))
    assert list(typed_lines()) == []
    monkeypatch.delenv("XDG_STATE_HOME")
    assert history_file() == Path.home() / ".local" / "state" / "morphogen" / "chat_history"
