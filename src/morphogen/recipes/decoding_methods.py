"""Decoding methods of a language model, compared on one prompt with the same random numbers."""

__all__ = ["METHODS", "decoding_methods"]

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from morphogen.conditioning.prefix import pad_prompts
from morphogen.contract import Sampler
from morphogen.families.autoregressive import Ancestral, Beam, Greedy, NoRepeatNgram, logits_processors
from morphogen.files import naming
from morphogen.recipes.records import environment
from morphogen.run import Run

METHODS: Mapping[str, Sampler] = {
    "greedy": Greedy(),
    "greedy, no repeated 6-grams": Greedy((NoRepeatNgram(6),)),
    "beam of 4": Beam(4),
    "temperature 1": Ancestral(),
    "temperature 0.7": Ancestral(logits_processors(temperature=0.7)),
    "temperature 1.3": Ancestral(logits_processors(temperature=1.3)),
    "top-k 10": Ancestral(logits_processors(top_k=10)),
    "top-p 0.9": Ancestral(logits_processors(top_p=0.9)),
    "min-p 0.1": Ancestral(logits_processors(min_p=0.1)),
    "repetition penalty 1.2, temperature 0.7": Ancestral(
        logits_processors(repetition_penalty=1.2, temperature=0.7)
    ),
}


def decoding_methods(directory: Path, out: Path, prompt: str = "ROMEO:", seed: int = 0) -> dict[str, Any]:
    """Write a page with one text per method, and measure the diversity and the likelihood of each text.

    Diversity is the fraction of distinct 4-grams; nats per token are under the model's own distribution.

    Arguments:
        directory: a run of a language model from `morphogen train`.
        out: the page to write, Markdown.
        prompt: beginning of each text.
        seed: of sampling.
    """
    run = Run.open(directory)
    model = run.model()
    prefix, texts, figures = pad_prompts([model.representation.ids(prompt)]), [], {}
    for name, sampler in METHODS.items():
        sample = model.sample(1, prefix, sampler, seed=seed)
        ids = [i for i in sample.tensor[0].tolist() if i >= 0]
        likelihood = model.log_prob(sample.tensor, prefix)
        grams = [tuple(ids[i : i + 4]) for i in range(len(ids) - 3)]
        figures[name] = {
            "distinct_4_grams": len(set(grams)) / max(1, len(grams)),
            "nats_per_token": -likelihood.nats.item() / max(1, len(ids) - prefix.shape[1]),
        }
        texts.append(f"### {name[0].upper()}{name[1:]}\n\n```text\n{sample.decode()[0]}\n```\n")
    head = f"# Decoding methods\n\nRun {run.name}, seed {seed}, prompt {prompt!r}.\n\n"
    out.parent.mkdir(parents=True, exist_ok=True)
    with naming(out):
        out.write_text(head + "\n".join(texts), "utf8")
    return {"figures": figures, "prompt": prompt, "seed": seed, "run": run.name} | environment()
