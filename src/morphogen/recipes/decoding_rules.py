"""A page of text per rule: what each way of decoding makes of one model, one prompt and the same random numbers."""

__all__ = ["RULES", "decoding_rules"]

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from morphogen.conditioning.prefix import ragged
from morphogen.contract import Sampler
from morphogen.families.autoregressive import Ancestral, Beam, Greedy, NoRepeatNgram, rules_of
from morphogen.files import naming
from morphogen.recipes.records import circumstances
from morphogen.run import Run

RULES: Mapping[str, Sampler] = {
    "greedy": Greedy(),
    "greedy, no 6 symbols twice": Greedy((NoRepeatNgram(6),)),
    "beam of 4": Beam(4),
    "temperature 1, the law itself": Ancestral(),
    "temperature 0.7": Ancestral(rules_of(temperature=0.7)),
    "temperature 1.3": Ancestral(rules_of(temperature=1.3)),
    "top-k 10": Ancestral(rules_of(top_k=10)),
    "top-p 0.9": Ancestral(rules_of(top_p=0.9)),
    "min-p 0.1": Ancestral(rules_of(min_p=0.1)),
    "repetition penalty 1.2, temperature 0.7": Ancestral(rules_of(repetition_penalty=1.2, temperature=0.7)),
}


def decoding_rules(directory: Path, out: Path, prompt: str = "ROMEO:", seed: int = 0) -> dict[str, Any]:
    """Write the page, and find how each text differs: the share of its 4-grams that are new, and its nats a symbol under the law.

    Arguments:
        directory: a run of a language model that `morphogen train` has left.
        out: the page, Markdown.
        prompt: how each text begins.
        seed: of those that are drawn.
    """
    run = Run.open(directory)
    model = run.model()
    told, texts, figures = ragged([model.representation.ids(prompt)]), [], {}
    for name, sampler in RULES.items():
        drawn = model.sample(1, told, sampler, seed=seed)
        ids = [i for i in drawn.tensor[0].tolist() if i >= 0]
        likelihood = model.log_prob(drawn.tensor, told)
        grams = [tuple(ids[i : i + 4]) for i in range(len(ids) - 3)]
        figures[name] = {
            "distinct_4_grams": len(set(grams)) / max(1, len(grams)),
            "nats_a_symbol": -likelihood.nats.item() / max(1, len(ids) - told.shape[1]),
        }
        texts.append(f"### {name[0].upper()}{name[1:]}\n\n```text\n{drawn.decode()[0]}\n```\n")
    out.parent.mkdir(parents=True, exist_ok=True)
    with naming(out):
        out.write_text(f"# A page per rule\n\nThe run {run.name}, seed {seed}, each text from {prompt!r}.\n\n" + "\n".join(texts), "utf8")
    return {"figures": figures, "prompt": prompt, "seed": seed, "run": run.name} | circumstances()
