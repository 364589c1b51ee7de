"""`morphogen chat`: one turn per line, a single reply with --message, one-line errors."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

from morphogen.cli import main
from tests.interop.gguf_files import LlamaSizes, llama


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return llama(tmp_path_factory.mktemp("chat") / "tiny.gguf", LlamaSizes(length=512))


def run(monkeypatch: pytest.MonkeyPatch, *words: object, lines: str = "") -> int:
    monkeypatch.setattr(sys, "argv", ["morphogen", "chat", *map(str, words)])
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


def test_a_message_and_piped_input_give_the_same_reply(
    file: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    options = [f"gguf:{file}", "--max-new", 8, "--temperature", 0, "--device", "cpu"]
    assert run(monkeypatch, *options, "--message", "the cat") == 0
    reply = capfd.readouterr().out
    assert run(monkeypatch, *options, lines="the cat\n\n/new\nthe cat\n/quit\nnever") == 0
    assert capfd.readouterr().out == reply * 2
    assert (
        run(monkeypatch, *options, "--system", "be brief", "--weights", "int8", "--message", "the cat") == 0
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["gguf:nowhere.gguf"], "nowhere.gguf does not exist"),
        (["nowhere"], "use gguf:NAME"),
        (["nowhere.ggf"], "'nowhere.ggf' does not exist: use gguf:NAME (smollm2) or the path of a GGUF"),
        (["smollm2"], "did you mean 'gguf:smollm2'? use gguf:NAME"),
        (["gguf:smolm"], "'gguf:smolm' does not exist: did you mean 'gguf:smollm2'? use gguf:NAME"),
        (["FILE", "--temperature", "-1"], "temperature"),
        (["FILE", "--max-new", "0"], "--max-new 0"),
        (["FILE", "--weights", "int3"], "--weights int3: unknown; use fp32, bf16, int8"),
        (["FILE", "--context", "20", "--message", "the cat " * 9], "the context is 20"),
        (
            ["FILE", "--context", "20", "--message", "the cat " * 9],
            ": shorten the message, or increase --context",
        ),
        (["FILE", "--message", ""], "--message '': give a text"),
        (["FILE", "--message", " \n"], "give a text, or leave --message out"),
        (
            [__file__],
            "not a GGUF file (begins with b'\"\"\"`' instead of b'GGUF'); give a file that ends with .gguf",
        ),
        (["FILE", "--message", "a\udcffb"], "UTF-8 cannot encode it"),
    ],
)
def test_invalid_arguments_end_in_one_line(
    words: list[str],
    message: str,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, *[f"gguf:{file}" if word == "FILE" else word for word in words]) == 2
    line = capfd.readouterr().err
    assert message in line and len(line.splitlines()) == 1 and line.startswith("morphogen: "), line


@pytest.mark.slow
def test_a_closed_pipe_and_ctrl_c_end_without_a_message(file: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "morphogen",
        "chat",
        f"gguf:{file}",
        "--max-new",
        "400",
        "--temperature",
        "1.5",
    ]
    piped = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert piped.stdin is not None and piped.stdout is not None and piped.stderr is not None
    piped.stdin.write("the cat\n" * 3)
    piped.stdin.flush()
    piped.stdout.read(1)
    piped.stdout.close()
    piped.stdin.close()
    assert piped.wait(60) == 141 and not piped.stderr.read()
    waiting = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert waiting.stdin is not None and waiting.stdout is not None and waiting.stderr is not None
    waiting.stdin.write("the cat\n")
    waiting.stdin.flush()
    waiting.stdout.read(1)
    waiting.send_signal(2)
    assert waiting.wait(60) == 130 and waiting.stderr.read() in ("", "morphogen: stopped\n")
