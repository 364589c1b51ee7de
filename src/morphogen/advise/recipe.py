"""A program a person can read, run and change: load, train, measure, draw, save, by the public names alone."""

__all__ = ["Given", "write"]

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from morphogen.advise.trial import Trial
from morphogen.data import Dataset


@dataclass(frozen=True)
class Given:
    """What the person said of their data: a name or path, and options of `load_data`."""

    data: str
    options: dict[str, Any]

    @property
    def call(self) -> str:
        """The arguments of `load_data`, as they are written in a program."""
        return ", ".join([_quoted(self.data), *(f"{name}={_quoted(value)}" for name, value in self.options.items())])


HEAD = '''"""{summary}

Written by `morphogen advise`; run it, change it: python recipe.py
"""

import morphogen as mg

TIME = {time}  # seconds of training
OUT = {out}  # where the model and its samples go

data = mg.load_data({call})
model = mg.system({name}, data.representation, len(data.classes))
print(model)

print(f"training for {{TIME}} s on {{len(data.train)}} examples")
mg.train(model, data.train, time=TIME)
mg.save(model, OUT + "/model")  # again: mg.load(OUT + "/model")
'''
LIKELIHOOD = """
held_out = data.test.first(256)
found = model.log_prob(held_out.medium, {condition})
print(f"{{found.bits_per_dim.mean():.3f}} bits a {unit} on held-out data ({{found.kind}}, {{found.measure}})")
"""
DRAW = {
    "class": """
asked = 0  # {asked}
samples = model.sample(16, condition=asked{guided})
""",
    "prompt": """
beginnings = data.test.first(4).medium[:, :16]  # sixteen bytes of held-out text, to be gone on with
samples = model.sample(4, condition=beginnings)
print("\\n---\\n".join(samples.decode()))
""",
    "no": """
samples = model.sample(16)
""",
}
TAIL = """samples.save(OUT + "/samples")
print(f"{len(samples)} samples in {OUT}/samples")
"""
UNITS = {"pictures": "subpixel", "text": "byte", "table": "cell", "sound": "sample"}


def write(given: Given, dataset: Dataset, trial: Trial) -> str:
    """The program for a system on these data."""
    out = f"{trial.name}-{Path(given.data.removeprefix('hf:')).stem or 'data'}"
    text = HEAD.format(summary=trial.summary, time=trial.time, out=_quoted(out), call=given.call, name=_quoted(trial.name))
    if trial.likelihood != "none":
        conditional = "held_out.condition" if trial.steered.startswith("class") else "None"
        text += LIKELIHOOD.format(unit=UNITS[dataset.medium], condition=conditional)
    way, _, guided = trial.steered.partition(", ")
    push = ", sampler=mg.Guided(mg.DDIM(steps=25), scale=3.0)" if guided else ""
    shown = ", ".join(f"{i}: {name}" for i, name in enumerate(dataset.classes[:6])) + (", ..." if len(dataset.classes) > 6 else "")
    draw = DRAW[way].replace("{asked}", shown).replace("{guided}", push)
    return text + draw + TAIL


def _quoted(value: Any) -> str:
    """A string or a number as Python."""
    return json.dumps(value, ensure_ascii=False)
