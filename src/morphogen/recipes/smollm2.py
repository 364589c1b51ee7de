"""SmolLM2-135M-Instruct from its GGUF file: parity with transformers, and what the model can do.

The record has four groups of figures:

    parity            logits, perplexity and 20 greedy texts of 200 tokens, compared with transformers
    low precision     bits/byte that bfloat16 and int8 weights cost, on the same text
    constrained       200 objects of a JSON schema, each checked by Python's own parser
    k-shot            capitals of countries after k questions with their answers (Brown et al. 2020)
"""

__all__ = ["smollm2"]

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from morphogen.component import ConfigError, to_config
from morphogen.conditioning.prefix import pad_prompts
from morphogen.conditioning.template import KShot, Template
from morphogen.contract import Batch
from morphogen.data.corpora import verses_of_kjv
from morphogen.evaluation.intervals import mean, proportion
from morphogen.evaluation.precision import precision_cost
from morphogen.families.autoregressive.constraints import JsonSchema
from morphogen.families.autoregressive.decoding import Ancestral, Greedy
from morphogen.families.autoregressive.stopping import MaxNewTokens
from morphogen.inference.packed import BFloat16, Int8
from morphogen.interop.gguf import GGUF
from morphogen.interop.gguf_chat import read_chat_format
from morphogen.interop.gguf_llama import read_model
from morphogen.interop.gguf_named import KNOWN, locate
from morphogen.model import Model
from morphogen.recipes.records import config_sha256, environment

NAME = "smollm2"
LENGTH = 512
PROMPTS = (
    "The capital of France is",
    "Once upon a time, there was a",
    "def fibonacci(n):\n",
    "The three states of matter are",
    "Dear Sir or Madam,",
    "In 1969, the first",
    "My favourite recipe begins with",
    "Water boils at",
    "import numpy as np\n\n",
    "The opposite of hot is",
    "She opened the door and",
    "Photosynthesis is",
    "A list of prime numbers: 2, 3, 5,",
    "The most important thing in life",
    "It was the best of times,",
    "To make bread you need",
    "The moon",
    "Les enfants",
    "Question: Who wrote Hamlet?\nAnswer:",
    "Roses are red,",
)
EXAMPLES = 8  # the first capitals are the examples, the others are the questions
CAPITALS = tuple(
    tuple(pair.split(maxsplit=1))
    for pair in """
    Sweden Stockholm, Egypt Cairo, Chile Santiago, Ireland Dublin, Thailand Bangkok, Kenya Nairobi,
    Cuba Havana, Poland Warsaw, France Paris, Germany Berlin, Italy Rome, Spain Madrid, Portugal Lisbon,
    Austria Vienna, Hungary Budapest, Greece Athens, Norway Oslo, Finland Helsinki, Denmark Copenhagen,
    Belgium Brussels, Netherlands Amsterdam, Romania Bucharest, Bulgaria Sofia, Serbia Belgrade,
    Croatia Zagreb, Russia Moscow, Turkey Ankara, Iran Tehran, Iraq Baghdad, Pakistan Islamabad,
    Nepal Kathmandu, China Beijing, Japan Tokyo, Taiwan Taipei, Vietnam Hanoi, Indonesia Jakarta,
    Philippines Manila, Malaysia Kuala Lumpur, Australia Canberra, Canada Ottawa, Argentina Buenos Aires,
    Peru Lima, Bolivia La Paz, Venezuela Caracas, Uruguay Montevideo, Ecuador Quito, Jamaica Kingston,
    Morocco Rabat, Algeria Algiers, Tunisia Tunis, Ethiopia Addis Ababa, Ghana Accra, Senegal Dakar,
    Lebanon Beirut, Syria Damascus, Jordan Amman, Qatar Doha, Libya Tripoli
    """.strip().split(",")
)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": "^[A-Z][a-z]{1,15}$"},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "colour": {"enum": ["red", "green", "blue"]},
        "pets": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]{2,10}$"}, "maxItems": 3},
    },
    "required": ["name", "age", "colour", "pets"],
    "additionalProperties": False,
}


def smollm2(
    directory: Path | None = None, seed: int = 0, texts: int = 20, objects: int = 200, new: int = 200
) -> dict[str, Any]:
    """Parity of SmolLM2 with transformers, cost of low precision, constrained decoding and k-shot accuracy.

    Arguments:
        directory: ignored, because nothing is trained.
        seed: of sampling.
        texts: number of prompts whose greedy continuations are compared, at most 20.
        objects: number of JSON objects.
        new: tokens of each continuation.

    Errors: ConfigError if the package with the model, or transformers, is not installed.
    """
    path = locate(f"gguf:{NAME}")
    model = read_model(GGUF(path), LENGTH).eval()
    windows = _windows(_text(model), 16, 256)
    figures = _compare_with_transformers(model, path, windows, PROMPTS[:texts], new)
    for name, weights in (("bfloat16", BFloat16()), ("int8", Int8())):
        cost = precision_cost(model, weights, Batch(windows, {"prompt": windows[:, :1]}))
        figures[f"{name}_extra_bits_per_byte"] = cost["extra"]
        figures[f"{name}_fraction_of_bytes"] = cost["bytes_held"] / cost["bytes_trained"]
    valid = [_is_valid(text) for text in _json_objects(model, path, objects, seed)]
    figures["json_valid"] = proportion(torch.tensor(valid))
    figures |= {f"capitals_{k}_shot": proportion(_capitals_correct(model, k)) for k in (0, 1, 4, 8)}
    config = to_config(model)
    models = {
        NAME: {"gguf": NAME, "file": KNOWN[NAME].sha256, "config": config, "sha256": config_sha256(config)}
    }
    settings = {
        "data": "kjv (perplexity), prompts and capitals of the recipe",
        "split": "nothing is trained",
        "seed": seed,
    }
    return {"figures": {NAME: figures}, "models": models} | settings | environment()


def _compare_with_transformers(
    model: Model, path: Path, windows: Int[Tensor, "b t"], prompts: Sequence[str], new: int
) -> dict[str, Any]:
    """Logits, perplexity and greedy texts of morphogen and of transformers."""
    try:
        from transformers import AutoModelForCausalLM

        reference: Any = AutoModelForCausalLM.from_pretrained(
            path.parent, gguf_file=path.name, dtype=torch.float32
        ).eval()
    except ImportError:
        raise ConfigError("the recipe smollm2 requires transformers: pip install 'morphogen[dev]'") from None
    error, nats, reference_nats = 0.0, [], []
    with torch.no_grad():
        for row in windows.split(1):
            logits, expected = _logits(model, row), reference(row).logits
            error = max(error, ((logits - expected).abs().max() / expected.abs().max()).item())
            nats.append(_nats(logits, row))
            reference_nats.append(_nats(expected, row))
    perplexity, reference_perplexity = (
        math.exp(torch.cat(rows).mean().item()) for rows in (nats, reference_nats)
    )
    equal, first_text = _compare_greedy(model, reference, prompts, new)
    return {
        "logits_largest_error": error,
        "nats_per_token": mean(torch.cat(nats)),
        "perplexity": perplexity,
        "perplexity_of_transformers": reference_perplexity,
        "perplexity_over_transformers": perplexity / reference_perplexity,
        "greedy_token_exact": proportion(torch.tensor(equal)),
        "continues": {prompts[0]: first_text[: len(prompts[0]) + 40]},
    }


def _compare_greedy(model: Model, reference: Any, prompts: Sequence[str], new: int) -> tuple[list[bool], str]:
    """Whether the greedy tokens of each prompt equal the reference's, and the text of the first prompt."""
    text = _text(model)
    ids = [text.ids(prompt) for prompt in prompts]
    samples = model.sample(
        len(ids), pad_prompts(ids), Greedy((MaxNewTokens(new),)), batch=len(ids)
    ).tensor.tolist()
    equal = []
    for prompt, row in zip(ids, samples, strict=True):
        x = torch.tensor([prompt])
        expected = reference.generate(
            x, attention_mask=torch.ones_like(x), max_new_tokens=new, do_sample=False, pad_token_id=text.end
        )
        equal.append([token for token in row if token >= 0] == expected[0].tolist())
    return equal, text.detokenize(samples[0])


def _text(model: Model) -> Any:
    """The text representation, untyped."""
    return model.representation


def _logits(model: Model, row: Int[Tensor, "1 t"]) -> Float[Tensor, "1 t v"]:
    """Logits after each token."""
    network: Any = model.objective.network
    return network(torch.cat([row, row[:, :1]], 1), None)[:, 1:]


def _nats(logits: Float[Tensor, "1 t v"], row: Int[Tensor, "1 t"]) -> Float[Tensor, " s"]:
    """-log p of every token but the first."""
    return -logits[0, :-1].log_softmax(-1).gather(-1, row[0, 1:, None])[:, 0]


def _windows(text: Any, rows: int, length: int) -> Int[Tensor, "b t"]:
    """The beginning of the Gospel of John, in windows."""
    book = " ".join(verse.text for verse in verses_of_kjv() if verse.book == "John")
    return text.tokenize(book)[: rows * length].view(rows, length)


def _json_objects(model: Model, path: Path, count: int, seed: int) -> list[str]:
    """Samples at temperature 1, constrained to the schema."""
    file, text = GGUF(path), _text(model)
    request = "Invent a person and describe them in JSON with name, age, colour and pets."
    messages = [{"role": "user", "content": request}]
    ids = read_chat_format(file).ids(messages, text.ids)
    sampler = Ancestral((JsonSchema(json.dumps(SCHEMA), text), MaxNewTokens(LENGTH - len(ids))))
    samples = model.sample(count, pad_prompts([ids] * count), sampler, seed=seed, batch=50).tensor
    return [text.detokenize(row[len(ids) :]) for row in samples.tolist()]


def _is_valid(text: str) -> bool:
    """Whether a text is an object of the schema, checked independently of the constrained decoding."""
    try:
        value = json.loads(text)
        name, age, pets = value["name"], value["age"], value["pets"]
        return (
            set(value) == set(SCHEMA["properties"])
            and (isinstance(name, str) and name.isalpha() and 2 <= len(name) <= 16)
            and (type(age) is int and 0 <= age <= 120)
            and value["colour"] in ("red", "green", "blue")
            and (isinstance(pets, list) and len(pets) <= 3)
            and all(isinstance(pet, str) and pet.isalpha() and 2 <= len(pet) <= 10 for pet in pets)
        )
    except (ValueError, TypeError, KeyError):
        return False


def _capitals_correct(model: Model, k: int) -> Any:
    """Whether the first line of each answer names the capital, bool [50], after k examples."""
    text = _text(model)
    rows = [{"country": country, "city": city} for country, city in CAPITALS]
    examples, questions = rows[:EXAMPLES], rows[EXAMPLES:]
    template = KShot(Template("Q: What is the capital of {country}?\nA: {city}"), tuple(examples), k)
    prompts = [text.ids(template(country=row["country"])) for row in questions]
    samples = model.sample(
        len(prompts), pad_prompts(prompts), Greedy((MaxNewTokens(16),)), batch=25
    ).tensor.tolist()
    answers = [
        text.detokenize(row[len(prompt) :]).strip().partition("\n")[0]
        for row, prompt in zip(samples, prompts, strict=True)
    ]
    return torch.tensor([row["city"] in answer for answer, row in zip(answers, questions, strict=True)])
