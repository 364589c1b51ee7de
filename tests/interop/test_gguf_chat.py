"""Chat formats: ends of a turn, hidden tokens, and the start token that is written once."""

from dataclasses import replace
from pathlib import Path

import pytest

from morphogen.component import ConfigError
from morphogen.interop import gguf_chat
from morphogen.interop.gguf import GGUF
from morphogen.interop.gguf_chat import ChatFormat, read_chat_format
from morphogen.interop.gguf_tokenizer import read_representation
from tests.interop.gguf_files import TEMPLATE, llama, metadata


def read(path: Path, template: str = TEMPLATE, **added: int) -> ChatFormat:
    tokens = {f"<|{name}|>": kind for name, kind in added.items()}
    change = metadata({"tokenizer.chat_template": template})
    return read_chat_format(GGUF(llama(path / "chat.gguf", change=change, added=tokens)))


def test_ends_are_those_that_are_named_or_known(tmp_path: Path) -> None:
    form = read(tmp_path, eot_id=1, other=3, end=4)
    assert form.ends == {0, 2, 300, 302}  # endoftext, eos and the template's end, eot_id of any type, end
    assert form.hidden == {0, 1, 2, 300, 301, 302} and not form.stops and form.start is None


def test_user_defined_words_are_shown_unless_they_look_like_control_words(tmp_path: Path) -> None:
    change, added = None, {"<think>": 4, "<|tool|>": 4, "<\uff5cUser\uff5c>": 4}
    form = read_chat_format(GGUF(llama(tmp_path / "chat.gguf", change=change, added=added)))
    assert set(added) <= form.control.keys()
    assert 300 not in form.hidden and {301, 302} <= form.hidden


def test_a_template_that_rejects_the_probe_names_no_end(tmp_path: Path) -> None:
    refuses = "{% for m in messages %}{% if m['role'] == 'assistant' %}{{ raise_exception('no') }}{% endif %}"
    form = read(tmp_path, refuses + "<|im_start|>{{ m['content'] }}{% endfor %}")
    assert form.ends == {0, 2} and form.template.closing() == ""


def test_the_mutant_that_reads_the_start_token_twice_is_killed(tmp_path: Path) -> None:
    change = metadata({"tokenizer.ggml.add_bos_token": True})
    file = GGUF(llama(tmp_path / "bos.gguf", change=change))
    form, encode = read_chat_format(file), read_representation(file, 64).ids
    turns = [{"role": "user", "content": "the cat"}]
    assert form.start == 1 and form.ids(turns, encode)[0] != 1
    assert replace(form, start=None).ids(turns, encode) == [1, *form.ids(turns, encode)]


def test_an_invalid_template_names_its_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"chat.gguf: the chat template is invalid"):
        read(tmp_path, "{% for %}")


def test_the_mutant_without_known_ends_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf_chat, "ENDS", frozenset())
    with pytest.raises(AssertionError):
        test_ends_are_those_that_are_named_or_known(tmp_path)
