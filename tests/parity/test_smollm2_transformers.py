"""SmolLM2 from its GGUF file, compared with transformers on the same file; `make models` installs it."""

from typing import Any

import pytest
import torch

from morphogen.component import ConfigError
from morphogen.families.autoregressive.decoding import Greedy
from morphogen.families.autoregressive.stopping import MaxNewTokens
from morphogen.interop.gguf import GGUF
from morphogen.interop.gguf_chat import read_chat_format
from morphogen.interop.gguf_llama import read_model
from morphogen.interop.gguf_named import locate
from tests.interop.test_gguf_tokenizer import TEXTS

pytestmark = pytest.mark.slow
transformers = pytest.importorskip("transformers")
try:
    PATH = locate("gguf:smollm2")
except ConfigError as missing:
    pytest.skip(str(missing), allow_module_level=True)

PROMPTS = ["The capital of France is", "Once upon a time, there was a", "def fibonacci(n):\n"]


@pytest.fixture(scope="module")
def ours() -> Any:
    return read_model(GGUF(PATH), 256).eval()


@pytest.fixture(scope="module")
def theirs() -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(
        PATH.parent, gguf_file=PATH.name, dtype=torch.float32
    ).eval()


def test_token_ids_equal_those_of_transformers(ours: Any) -> None:
    """Except around digits, where transformers omits the split of the file's pre-tokenizer."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(PATH.parent, gguf_file=PATH.name)
    for text in TEXTS:
        if not any(c.isnumeric() for c in text) and "<|" not in text:
            assert ours.representation.ids(text) == tokenizer(text)["input_ids"], text
        assert ours.representation.detokenize(ours.representation.ids(text)) == text


def test_the_rendered_conversation_equals_that_of_transformers(ours: Any) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(PATH.parent, gguf_file=PATH.name)
    file = GGUF(PATH)
    turns = [{"role": "user", "content": "Who are you? a < b"}, {"role": "assistant", "content": "Nobody."}]
    assert file.metadata["tokenizer.chat_template"] == tokenizer.chat_template
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert read_chat_format(file).template.render(turns) == text
    assert read_chat_format(file).ids(turns, ours.representation.ids) == tokenizer(text)["input_ids"]


def test_logits_equal_those_of_transformers(ours: Any, theirs: Any) -> None:
    """Error relative to the largest logit; measured 2e-6."""
    for prompt in PROMPTS:
        x = torch.tensor([ours.representation.ids(prompt)])
        with torch.no_grad():
            logits = ours.objective.network(torch.cat([x, x[:, :1]], 1), None)[:, 1:]
            expected = theirs(x).logits
        assert ((logits - expected).abs().max() / expected.abs().max()).item() < 1e-4


def test_greedy_decoding_equals_that_of_transformers(ours: Any, theirs: Any) -> None:
    """Three prompts of different lengths in one batch, 40 tokens each (the recipe `smollm2`: 20 of 200)."""
    ids = [ours.representation.ids(prompt) for prompt in PROMPTS]
    prefix = torch.full((len(ids), max(map(len, ids))), -1)
    for row, prompt in zip(prefix, ids, strict=True):
        row[: len(prompt)] = torch.tensor(prompt)
    samples = ours.sample(len(ids), prefix, Greedy((MaxNewTokens(40),))).tensor
    for row, prompt in zip(samples.tolist(), ids, strict=True):
        x = torch.tensor([prompt])
        expected = theirs.generate(
            x, attention_mask=torch.ones_like(x), max_new_tokens=40, do_sample=False, pad_token_id=2
        )[0].tolist()
        assert [token for token in row if token >= 0] == expected
    assert "Paris" in ours.representation.detokenize(samples[0].tolist())
