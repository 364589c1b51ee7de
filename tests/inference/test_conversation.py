"""A conversation streams, remembers its turns and reads nothing twice; what it says is what the model says of the whole text."""

from pathlib import Path
from typing import Any

import pytest
import torch

from morphogen.component import ConfigError
from morphogen.families.autoregressive.decoding import Ancestral, Greedy, rules_of
from morphogen.inference import Conversation, Int8, Quantized
from morphogen.inference import conversation as conversation_module
from morphogen.interop.gguf import GGUF
from morphogen.interop.gguf_llama import read_model
from morphogen.interop.gguf_tokenizer import control_words, read_template
from tests.interop.written import llama


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return llama(tmp_path_factory.mktemp("chat") / "tiny.gguf", shape=_long())


def _long() -> Any:
    from tests.interop.written import Llama

    return Llama(length=512)


def converse(path: Path, decoding: Any = None, **options: Any) -> Conversation:
    file = GGUF(path)
    model, template, control = read_model(file), read_template(file), control_words(file)
    held = Quantized(model, Int8()) if options.pop("light", False) else model
    return Conversation(held, lambda turns: template.ids(turns, model.representation.ids, control), decoding or Greedy(), **options)


def test_turns_are_what_the_whole_text_gives(file: Path) -> None:
    talk = converse(file)
    network, text = talk.model.objective.network, talk.model.representation
    for content in ("the cat", "a dog 12", "café"):
        asked = talk.write([*talk.turns, {"role": "user", "content": content}])
        reply = "".join(talk.say(content, 6))
        ids = torch.tensor([asked])
        with torch.no_grad():
            for _ in range(6):
                symbol = network(torch.cat([ids, ids[:, :1]], 1), None)[0, -1].argmax()
                if symbol == text.end:
                    break
                ids = torch.cat([ids, symbol.view(1, 1)], 1)
        assert reply == text.words(ids[0, len(asked) :].tolist())
    assert [turn["role"] for turn in talk.turns] == ["user", "assistant"] * 3


def test_nothing_is_read_twice(file: Path) -> None:
    talk, read = converse(file), []
    talk.objective.network.cache(1, None)
    memory, real = talk.objective.network.memory, talk.objective.network.memory.read
    memory.read = lambda symbols: read.append(symbols.shape[1]) or real(symbols)
    list(talk.say("the cat sat", 4))
    first = len(talk.write(talk.turns[:1]))
    list(talk.say("on the mat", 4))
    prefills = [count for count in read if count > 1]
    assert prefills[0] == first and prefills[1] < len(talk.write(talk.turns[:3])) - first + 4


def test_the_mutant_that_trusts_its_memory_is_killed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that never rewinds what the template wrote otherwise the second time."""
    monkeypatch.setattr(conversation_module, "takewhile", lambda same, pairs: pairs)
    with pytest.raises(AssertionError):
        test_turns_are_what_the_whole_text_gives(file)


def test_a_reply_that_is_left_stands_as_far_as_it_came(file: Path) -> None:
    talk = converse(file, Ancestral(rules_of(temperature=1.5)))
    reply = talk.say("the cat", 40)
    begun = next(reply)
    reply.close()
    assert talk.turns[-1] == {"role": "assistant", "content": begun}
    assert isinstance("".join(talk.say("go on", 5)), str)


def test_seeds_system_and_beginning_anew(file: Path) -> None:
    first, again, other = (converse(file, Ancestral(), seed=seed, system="be kind") for seed in (1, 1, 2))
    said = ["".join(talk.say("the cat", 20)) for talk in (first, again, other)]
    assert said[0] == said[1] != said[2] and first.turns[0] == {"role": "system", "content": "be kind"}
    first.begin()
    assert len(first.turns) == 1 and "".join(first.say("the cat", 20)) == said[0]


def test_a_lighter_model_converses(file: Path) -> None:
    assert isinstance("".join(converse(file, light=True).say("the cat", 5)), str)


def test_a_conversation_that_outgrows_the_context_is_one_line(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"in a context of 512: begin anew, or give more"):
        list(converse(file).say("the cat " * 400, 5))
