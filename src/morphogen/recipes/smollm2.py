"""SmolLM2-135M-Instruct out of its GGUF file: is it the model that transformers reads there, and what can it do?

the same          logits, perplexity, and 20 texts of 200 tokens, beside transformers on the same file
lighter           what bfloat16 and int8 cost, on the same text
constrained       200 objects of a JSON schema, each read by Python's own parser
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

from morphogen.component import ConfigError, describe
from morphogen.conditioning.prefix import ragged
from morphogen.conditioning.template import KShot, Template
from morphogen.contract import Batch
from morphogen.data.corpora import verses_of_kjv
from morphogen.evaluation.intervals import mean, share
from morphogen.evaluation.precision import precision_cost
from morphogen.families.autoregressive.constraints import JsonSchema
from morphogen.families.autoregressive.decoding import Ancestral, Greedy
from morphogen.families.autoregressive.span import MaxNew
from morphogen.inference.weights import BFloat16, Int8
from morphogen.interop.gguf import GGUF
from morphogen.interop.gguf_llama import read_model
from morphogen.interop.gguf_named import KNOWN, locate
from morphogen.interop.gguf_tokenizer import control_words, read_template
from morphogen.model import Model
from morphogen.recipes.records import circumstances, config_sha256

NAME = "smollm2"
LENGTH = 512
PROMPTS = (
    "The capital of France is", "Once upon a time, there was a", "def fibonacci(n):\n", "The three states of matter are",
    "Dear Sir or Madam,", "In 1969, the first", "My favourite recipe begins with", "Water boils at", "import numpy as np\n\n",
    "The opposite of hot is", "She opened the door and", "Photosynthesis is", "A list of prime numbers: 2, 3, 5,",
    "The most important thing in life", "It was the best of times,", "To make bread you need", "The moon", "Les enfants",
    "Question: Who wrote Hamlet?\nAnswer:", "Roses are red,",
)  # fmt: skip
CAPITALS = tuple(  # the first eight are shown, the others are asked
    tuple(pair.split(maxsplit=1))
    for pair in """
    Sweden Stockholm, Egypt Cairo, Chile Santiago, Ireland Dublin, Thailand Bangkok, Kenya Nairobi, Cuba Havana, Poland Warsaw,
    France Paris, Germany Berlin, Italy Rome, Spain Madrid, Portugal Lisbon, Austria Vienna, Hungary Budapest, Greece Athens,
    Norway Oslo, Finland Helsinki, Denmark Copenhagen, Belgium Brussels, Netherlands Amsterdam, Romania Bucharest, Bulgaria Sofia,
    Serbia Belgrade, Croatia Zagreb, Russia Moscow, Turkey Ankara, Iran Tehran, Iraq Baghdad, Pakistan Islamabad, Nepal Kathmandu,
    China Beijing, Japan Tokyo, Taiwan Taipei, Vietnam Hanoi, Indonesia Jakarta, Philippines Manila, Malaysia Kuala Lumpur,
    Australia Canberra, Canada Ottawa, Argentina Buenos Aires, Peru Lima, Bolivia La Paz, Venezuela Caracas, Uruguay Montevideo,
    Ecuador Quito, Jamaica Kingston, Morocco Rabat, Algeria Algiers, Tunisia Tunis, Ethiopia Addis Ababa, Ghana Accra, Senegal
    Dakar, Lebanon Beirut, Syria Damascus, Jordan Amman, Qatar Doha, Libya Tripoli
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


def smollm2(directory: Path | None = None, seed: int = 0, texts: int = 20, objects: int = 200, new: int = 200) -> dict[str, Any]:
    """The record of what SmolLM2 is and does here.

    Arguments:
        directory: of no use, for nothing is trained.
        seed: of what is drawn.
        texts: prompts whose greedy continuations are compared, at most 20.
        objects: of JSON.
        new: tokens of each continuation.

    Raises:
        ConfigError: where the model's package or transformers is not installed.
    """
    path = locate(f"gguf:{NAME}")
    model = read_model(GGUF(path), LENGTH).eval()
    text = _text(model)
    windows = _windows(text, 16, 256)
    figures = _beside_transformers(model, path, windows, PROMPTS[:texts], new)
    for name, weights in (("bfloat16", BFloat16()), ("int8", Int8())):
        cost = precision_cost(model, weights, Batch(windows, windows[:, :1]))
        figures |= {f"{name}_extra_bits_per_byte": cost["extra"], f"{name}_share_of_bytes": cost["bytes_held"] / cost["bytes_trained"]}
    figures["json_valid"] = share(torch.tensor([_valid(found) for found in _objects(model, path, objects, seed)]))
    figures |= {f"capitals_{k}_shot": share(_capitals(model, k)) for k in (0, 1, 4, 8)}
    config = describe(model)
    known = {NAME: {"gguf": NAME, "file": KNOWN[NAME].sha256, "config": config, "sha256": config_sha256(config)}}
    about = {"data": "kjv (perplexity), prompts and capitals of the recipe", "split": "nothing is trained", "seed": seed}
    return {"figures": {NAME: figures}, "models": known} | about | circumstances()


def _beside_transformers(model: Model, path: Path, windows: Int[Tensor, "b t"], prompts: Sequence[str], new: int) -> dict[str, Any]:
    """Logits, perplexity and greedy texts of ours and theirs."""
    try:
        from transformers import AutoModelForCausalLM

        theirs: Any = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32).eval()
    except ImportError:
        raise ConfigError("the recipe smollm2 compares with transformers: pip install 'morphogen[dev]'") from None
    text = _text(model)
    ours: list[Tensor] = []
    others: list[Tensor] = []
    error = 0.0
    with torch.no_grad():
        for row in windows.split(1):
            mine, expected = _logits(model, row), theirs(row).logits
            error = max(error, ((mine - expected).abs().max() / expected.abs().max()).item())
            ours, others = [*ours, _nats(mine, row)], [*others, _nats(expected, row)]
    drawn = model.sample(len(prompts), ragged([text.ids(p) for p in prompts]), Greedy((MaxNew(new),)), batch=len(prompts)).tensor
    same, words = [], []
    for prompt, row in zip(prompts, drawn.tolist(), strict=True):
        x = torch.tensor([text.ids(prompt)])
        expected = theirs.generate(x, attention_mask=torch.ones_like(x), max_new_tokens=new, do_sample=False, pad_token_id=text.end)
        same.append([symbol for symbol in row if symbol >= 0] == expected[0].tolist())
        words.append(text.words(row))
    perplexities = [math.exp(torch.cat(nats).mean().item()) for nats in (ours, others)]
    return {
        "logits_largest_error": error, "nats_per_token": mean(torch.cat(ours)), "perplexity": perplexities[0],
        "perplexity_of_transformers": perplexities[1], "perplexity_over_transformers": perplexities[0] / perplexities[1],
        "greedy_token_exact": share(torch.tensor(same)), "continues": {prompts[0]: words[0][: len(prompts[0]) + 40]},
    }  # fmt: skip


def _text(model: Model) -> Any:
    """The representation, which is of text."""
    return model.representation


def _logits(model: Model, row: Int[Tensor, "1 t"]) -> Float[Tensor, "1 t v"]:
    """Those after each symbol."""
    network: Any = model.objective.network
    return network(torch.cat([row, row[:, :1]], 1), None)[:, 1:]


def _nats(logits: Float[Tensor, "1 t v"], row: Int[Tensor, "1 t"]) -> Float[Tensor, " s"]:
    """-log p of every symbol but the first."""
    return -logits[0, :-1].log_softmax(-1).gather(-1, row[0, 1:, None])[:, 0]


def _windows(text: Any, rows: int, length: int) -> Int[Tensor, "b t"]:
    """The beginning of the Gospel of John, in windows."""
    words = " ".join(verse.text for verse in verses_of_kjv() if verse.book == "John")
    return text.read(words)[: rows * length].view(rows, length)


def _objects(model: Model, path: Path, count: int, seed: int) -> list[str]:
    """Drawn from the model's own law (temperature 1), within the schema."""
    file, text = GGUF(path), _text(model)
    asked = [{"role": "user", "content": "Invent a person and describe them in JSON with name, age, colour and pets."}]
    ids = read_template(file).ids(asked, text.ids, control_words(file))
    sampler = Ancestral((JsonSchema(json.dumps(SCHEMA), text), MaxNew(LENGTH - len(ids))))
    drawn = model.sample(count, ragged([ids] * count), sampler, seed=seed, batch=50).tensor
    return [text.words(row[len(ids) :]) for row in drawn.tolist()]


def _valid(found: str) -> bool:
    """Whether a text is an object of the schema, said without the library that drew it."""
    try:
        value = json.loads(found)
        return (
            set(value) == set(SCHEMA["properties"])
            and isinstance(value["name"], str) and value["name"].isalpha() and 2 <= len(value["name"]) <= 16
            and type(value["age"]) is int and 0 <= value["age"] <= 120
            and value["colour"] in ("red", "green", "blue")
            and isinstance(value["pets"], list) and len(value["pets"]) <= 3
            and all(isinstance(pet, str) and pet.isalpha() and 2 <= len(pet) <= 10 for pet in value["pets"])
        )  # fmt: skip
    except (ValueError, TypeError):
        return False


def _capitals(model: Model, k: int) -> Any:
    """Which answers name the capital in their first line, [50]: without an example a model says it in a sentence."""
    text = _text(model)
    shown, asked = ([{"country": c, "city": city} for c, city in part] for part in (CAPITALS[:8], CAPITALS[8:]))
    prompts = KShot(Template("Q: What is the capital of {country}?\nA: {city}"), tuple(shown), k)
    ids = [text.ids(prompts(country=row["country"])) for row in asked]
    drawn = model.sample(len(ids), ragged(ids), Greedy((MaxNew(16),)), batch=25).tensor.tolist()
    answers = [text.words(row[len(known) :]).strip().partition("\n")[0] for row, known in zip(drawn, ids, strict=True)]
    return torch.tensor([row["city"] in answer for answer, row in zip(answers, asked, strict=True)])
