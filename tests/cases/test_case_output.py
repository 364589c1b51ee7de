"""Output.

Names, units, classes and model text are shown as they are written, on every terminal, pipe and page.
"""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from morphogen.cli.console import PlainConsole
from morphogen.compare.table import table
from morphogen.report import write_report
from morphogen.run import Run
from morphogen.terminal import tolerate
from tests.cases import case
from tests.command_line import run

ROW = {
    "system": "gpt", "family": "autoregressive", "run": "gpt", "error": None, "parameters": 1,
    "likelihood": {"kind": "lower_bound", "bits_per_dim": 3.2, "value": 3.2, "low": 3.1, "high": 3.3},
}  # fmt: skip


def report_of(data: str, **facts: object) -> dict[str, object]:
    return {"data": data, "n": 4, "unit": "bits/byte", "rows": [ROW], **facts}


def bytes_printed(encoding: str, monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, bytes]:
    """The exit code of a command whose output is a file of an encoding, and the file."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    code = run(monkeypatch, *words)
    sys.stdout.flush()
    return code, written.getvalue()


def write_text_run(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> Run:
    """A model that was trained on the text with numbers between, in `folder`/runs."""
    monkeypatch.chdir(folder)
    Path(name).write_text("".join(f"{text}{i * i % 7}" for i in range(400)), encoding="utf8")
    assert run(monkeypatch, "train", "ngram", "--data", name, "--length", "16", "--steps", "3") == 0
    return Run.latest(folder / "runs")


def page_of(folder: Path, text: str, **facts: object) -> str:
    path = write_report(report_of("texts", **facts), {"gpt": [text]}, folder)
    return path.read_text(encoding="utf8")


@case(
    "tables with headers such as `length [cm]` and `rate [/s]`",
    "printed as written; brackets are never markup",
    source="docarray#733",
)
def test_units_in_brackets_are_printed() -> None:
    stream = io.StringIO()
    console = PlainConsole(file=stream, width=100)
    console.print(table(report_of("length [cm] by rate [/s], [bold]weight[/bold]")))
    console.print("condition on rate [/s]")
    shown = " ".join(stream.getvalue().split())
    assert "length [cm] by rate [/s], [bold]weight[/bold]:" in shown and "condition on rate [/s]" in shown


@case("a folder named `[red] mice :smile:`", "its name as it is, on the terminal and on the disk")
def test_a_folder_named_like_markup(tmp_path, monkeypatch, capsys) -> None:
    write_text_run(tmp_path, monkeypatch, "t.txt", "one two three. ")
    assert run(monkeypatch, "sample", "--n", "1", "--out", "[red] mice :smile:") == 0
    assert (
        " in [red] mice :smile:\n" in capsys.readouterr().out and Path("[red] mice :smile:/0000.txt").exists()
    )


@case("escape sequences of terminals in a text", "samples show `␛[31m`; their files keep the bytes")
def test_escape_sequences_of_a_model(tmp_path, monkeypatch, capsys) -> None:
    write_text_run(tmp_path, monkeypatch, "t.txt", "one two three. ")
    assert run(monkeypatch, "sample", "--n", "2", "--prompt", "\x1b[31m\x07") == 0
    out = capsys.readouterr().out
    assert "␛[31m␇" in out and "\x1b" not in out and "\x07" not in out
    assert b"\x1b[31m\x07" in (Run.latest("runs").directory / "samples" / "0000.txt").read_bytes()


@case(
    "`PYTHONIOENCODING=cp1252 morphogen sample > out.txt`",
    "exit code 0; escapes for what the encoding lacks",
    source="gpt-2#52",
)
def test_a_stream_that_is_not_utf8(tmp_path, monkeypatch) -> None:
    write_text_run(tmp_path, monkeypatch, "t.txt", "日本 é ≤ ")
    code, out = bytes_printed("cp1252", monkeypatch, "sample", "--n", "2", "--prompt", "日本 ")
    assert code == 0 and rb"\u65e5\u672c \xe9 <=".replace(rb"\xe9", b"\xe9") in out
    code, out = bytes_printed("ascii", monkeypatch, "sample", "--n", "2", "--prompt", "日本 ")
    assert code == 0 and rb"\u65e5\u672c \xe9 <=" in out


@case("tables on a terminal of code page 437 or ASCII", "`<=` in place of `≤`", source="Textualize/rich#2411")
def test_a_table_on_an_ascii_stream() -> None:
    for encoding in ("ascii", "cp1252", "shift_jis"):
        written = io.BytesIO()
        stream = io.TextIOWrapper(written, encoding=encoding)
        tolerate(stream)
        PlainConsole(file=stream, width=60).print(
            table(report_of("naïve texts, longer than sixty columns " * 3))
        )
        stream.flush()
        assert b"3.20" in written.getvalue() and (encoding == "shift_jis" or b"<= 3.20" in written.getvalue())


@case("a file name in another encoding, `caf\\xe9.txt`", "the byte as an escape, in one line")
def test_a_file_name_that_is_not_utf8(tmp_path, monkeypatch, capfdbinary) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BytesIO(), encoding="utf8"))
    assert run(monkeypatch, "train", "gpt", "--data", os.fsdecode(b"caf\xe9.txt")) == 2
    sys.stderr.flush()
    line = sys.stderr.buffer.getvalue()
    assert line.startswith(b"morphogen: ") and rb"caf\udce9.txt" in line and line.count(b"\n") == 1


@case("names with a line end, BEL or a bidirectional override", "one line, with the characters made visible")
def test_control_characters_in_a_name(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "evaluate", "a\nb\x07\u202etxt.exe") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and r"a b␇\u202etxt.exe" in error


@case(
    "families of emoji, Persian and Hindi in report.html",
    "kept, with joiners and marks",
    source="OmniRoute#12186",
)
@pytest.mark.parametrize(
    "text",
    [
        "👨\u200d👩\u200d👧\u200d👦",
        "می\u200cخواهم",
        "क्\u200dष",
        "e\u0301 日本語 \ue000",
        "🏴\U000e0067\U000e007f",
    ],
)
def test_scripts_in_the_report(tmp_path, text) -> None:
    page = page_of(tmp_path, text)
    assert f'<pre dir="auto">{text}</pre>' in page


@case(
    "samples with NUL, ESC or unpaired surrogates in report.html",
    "a dot each, because HTML cannot contain them",
)
def test_characters_that_html_cannot_contain(tmp_path) -> None:
    page = page_of(tmp_path, "a\x00b\x1b[31mc\x85\ufffe<script>", classes=["caf\udce9"])
    assert "a·b·[31mc··&lt;script&gt;" in page and "caf·" in page


@case("`morphogen systems | head -1`", "one line, and no traceback")
def test_a_closed_pipe() -> None:
    command = f"{sys.executable} -m morphogen systems | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=False, text=True)
    assert done.stderr == "" and done.stdout.splitlines()[-1] in ("0", "141")


@case("pictures that make Pillow warn of decompression bombs", "no lines of Python's warnings")
def test_warnings_of_libraries(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300)
    pixels = np.random.default_rng(0)
    Path("big").mkdir()
    for i in range(24):
        Image.fromarray(pixels.integers(0, 256, (20, 20), dtype=np.uint8)).save(f"big/{i}.png")
    assert run(monkeypatch, "train", "mixture", "--data", "big", "--resolution", "8", "--steps", "1") in (
        0,
        2,
    )
    assert "Warning" not in capsys.readouterr().err
