"""Conversations: streamed replies equal generation from the whole text, and no token is processed twice."""

from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from morphogen.component import ConfigError
from morphogen.families.autoregressive.decoding import Ancestral, Greedy, logits_processors
from morphogen.inference import Conversation, Int8, Quantized
from morphogen.inference import conversation as conversation_module
from morphogen.interop.gguf import GGUF
from morphogen.interop.gguf_chat import read_chat_format
from morphogen.interop.gguf_llama import read_model
from tests.interop.gguf_files import LlamaSizes, llama


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return llama(tmp_path_factory.mktemp("chat") / "tiny.gguf", shape=LlamaSizes(length=512))


def converse(path: Path, decoding: Any = None, **options: Any) -> Conversation:
    file = GGUF(path)
    model, form = read_model(file), read_chat_format(file)
    chosen = Quantized(model, Int8()) if options.pop("quantized", False) else model

    def write(turns: Any) -> list[int]:
        return form.ids(turns, model.representation.ids)

    return Conversation(chosen, write, decoding or Greedy(), **options)


def test_replies_equal_generation_from_the_whole_text(file: Path) -> None:
    talk = converse(file)
    network, text = talk.model.objective.network, talk.model.representation
    for content in ("the cat", "a dog 12", "café"):
        prompt = talk.write([*talk.turns, {"role": "user", "content": content}])
        reply = "".join(talk.say(content, 6))
        ids = torch.tensor([prompt])
        with torch.no_grad():
            for _ in range(6):
                token = network(torch.cat([ids, ids[:, :1]], 1), None)[0, -1].argmax()
                if token == text.end:
                    break
                ids = torch.cat([ids, token.view(1, 1)], 1)
        assert reply == text.detokenize(ids[0, len(prompt) :].tolist())
    assert [turn["role"] for turn in talk.turns] == ["user", "assistant"] * 3


def test_no_token_is_processed_twice(file: Path) -> None:
    talk, counts = converse(file), []
    talk.objective.predict.make_cache(1, None)
    cache = talk.objective.predict.cache
    prefill, read = cache.prefill, cache.read
    cache.prefill = lambda tokens: counts.append(tokens.shape[1]) or prefill(tokens)
    cache.read = lambda tokens: counts.append(tokens.shape[1]) or read(tokens)
    list(talk.say("the cat sat", 4))
    first = len(talk.write(talk.turns[:1]))
    list(talk.say("on the mat", 4))
    prefills = [count for count in counts if count > 1]
    assert prefills[0] == first and prefills[1] < len(talk.write(talk.turns[:3])) - first + 4


def test_the_mutant_that_never_truncates_its_cache_is_killed(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The template can encode earlier turns differently in a later turn."""
    monkeypatch.setattr(conversation_module, "takewhile", lambda same, pairs: pairs)
    with pytest.raises(AssertionError):
        test_replies_equal_generation_from_the_whole_text(file)


def test_an_interrupted_reply_is_kept(file: Path) -> None:
    talk = converse(file, Ancestral(logits_processors(temperature=1.5)))
    reply = talk.say("the cat", 40)
    first_piece = next(reply)
    reply.close()
    assert talk.turns[-1] == {"role": "assistant", "content": first_piece}
    assert isinstance("".join(talk.say("go on", 5)), str)


def test_seed_system_message_and_restart(file: Path) -> None:
    first, again, other = (converse(file, Ancestral(), seed=seed, system="be kind") for seed in (1, 1, 2))
    replies = ["".join(talk.say("the cat", 20)) for talk in (first, again, other)]
    assert replies[0] == replies[1] != replies[2]
    assert first.turns[0] == {"role": "system", "content": "be kind"}
    first.begin()
    assert len(first.turns) == 1 and "".join(first.say("the cat", 20)) == replies[0]


def test_a_quantized_model_converses(file: Path) -> None:
    assert isinstance("".join(converse(file, quantized=True).say("the cat", 5)), str)


def test_a_conversation_longer_than_the_context_is_refused(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"but the model's context is 512: shorten the message$"):
        list(converse(file).say("the cat " * 400, 5))


@given(
    st.lists(st.text("abc", min_size=1, max_size=4), max_size=8),
    st.lists(st.text("abc", min_size=1, max_size=3)),
)
def test_text_is_cut_exactly_before_the_first_stop_string(pieces: list[str], stops: list[str]) -> None:
    """The pieces up to the first that completes a stop string, before the leftmost one in them."""
    known = accumulate(pieces)
    whole = next((text for text in known if any(stop in text for stop in stops)), "".join(pieces))
    places = [at for stop in stops if (at := whole.find(stop)) >= 0]
    shown = list(conversation_module._before(iter(pieces), stops))
    assert "".join(shown) == whole[: min(places, default=len(whole))]


def test_a_reply_says_what_cut_it(file: Path) -> None:
    talk = converse(file)
    list(talk.say("the cat", 3))
    assert talk.reply is not None and (talk.reply.tokens, talk.reply.cut) == (3, "length")
    assert talk.reply.speed > 0
    first = "".join(converse(file).say("the cat", 3))
    stopped = converse(file, stops=[first[1:3]])
    assert "".join(stopped.say("the cat", 40)) == first.split(first[1:3])[0]
    assert stopped.reply is not None and stopped.reply.cut is None
    generator = talk.say("the cat", 30)
    next(generator)
    generator.close()
    assert talk.reply.cut == "interrupt"


def test_ends_and_hidden_tokens_are_not_shown(file: Path) -> None:
    every = range(converse(file).model.representation.vocabulary)
    ended, hidden = converse(file, ends=every), converse(file, hidden=every)
    assert "".join(ended.say("the cat", 8)) == "".join(hidden.say("the cat", 8)) == ""
    assert ended.reply is not None and (ended.reply.tokens, ended.reply.cut) == (0, None)
    assert hidden.reply is not None and (hidden.reply.tokens, hidden.reply.cut) == (8, "length")
