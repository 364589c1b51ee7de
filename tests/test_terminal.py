"""Text for terminals: control characters are made visible, and every stream can write every text."""

import io
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morphogen import terminal
from morphogen.terminal import printable, substitute, tolerate

WILD = st.lists(  # not st.text, which would draw the listed characters as rarely as the others
    st.one_of(
        st.characters(),
        st.sampled_from("\x1b\x07\r\n\t\x7f\x85\x9b\u200c\u200d\u202e\u2066\u2069\ud800≤…é日"),
    ),
    max_size=40,
).map("".join)
BIDI_CONTROLS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def check_nothing_controls_the_terminal() -> None:
    @settings(max_examples=500, derandomize=True, deadline=None)
    @given(WILD)
    def check(text: str) -> None:
        shown = printable(text)
        assert not [c for c in shown if unicodedata.category(c) == "Cc" and c not in "\n\t"]
        assert not [c for c in shown if unicodedata.bidirectional(c) in BIDI_CONTROLS]
        assert printable(shown) == shown

    check()


@pytest.mark.parametrize("encoding", ["utf8", "cp1252", "ascii", "latin-1", "cp437", "shift_jis"])
def test_every_stream_can_write_every_text(encoding: str) -> None:
    @settings(max_examples=200, derandomize=True, deadline=None)
    @given(WILD)
    def check(text: str) -> None:
        written = io.BytesIO()
        stream = io.TextIOWrapper(written, encoding=encoding, newline="")
        tolerate(stream)
        stream.write(text)
        stream.flush()
        if text.isascii():
            assert written.getvalue().decode(encoding) == text

    check()


def test_nothing_controls_the_terminal() -> None:
    check_nothing_controls_the_terminal()


@pytest.mark.parametrize(
    "kept", ["👨\u200d👩\u200d👧", "می\u200cخواهم", "e\u0301", "日本語", "a\tb\nc", "length [cm]"]
)
def test_joiners_marks_and_scripts_are_kept(kept: str) -> None:
    assert printable(kept) == kept


def test_readable_substitutes_of_ascii() -> None:
    error = UnicodeEncodeError("ascii", "≤ 3.2", 0, 1, "")
    assert substitute(error) == ("<=", 1)
    text = io.BytesIO()
    stream = io.TextIOWrapper(text, encoding="ascii")
    tolerate(stream)
    stream.write("≤ 3.2 … ␛ é 😀")
    stream.flush()
    assert text.getvalue() == rb"<= 3.2 ... \x1b \xe9 \U0001f600"


def c1_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        terminal, "CONTROL", terminal.re.compile("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u206f]")
    )


def overrides_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(terminal, "CONTROL", terminal.re.compile("\r\n|[\x00-\x08\x0b-\x1f\x7f-\x9f]"))


@pytest.mark.parametrize("mutate", [c1_is_forgotten, overrides_are_forgotten])
def test_mutant_is_killed(
    mutate: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate(monkeypatch)
    with pytest.raises(AssertionError):
        check_nothing_controls_the_terminal()
