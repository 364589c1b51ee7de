"""Write a short program that trains, evaluates, samples and saves a system, by public names only."""

__all__ = ["DataSource", "write"]

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from morphogen.advise.trial import Trial
from morphogen.data import Dataset
from morphogen.data.prefix import split_prefix


@dataclass(frozen=True)
class DataSource:
    """A name or path of data, and the options of `load_data`."""

    data: str
    options: dict[str, Any]

    @property
    def call(self) -> str:
        """The arguments of `load_data` as Python source."""
        options = (f"{name}={_literal(value)}" for name, value in self.options.items())
        return ", ".join([_literal(self.data), *options])


HEAD = '''"""{summary}

Written by `morphogen advise`; edit and run it: python recipe.py
"""

import morphogen as mg

TIME = {time}  # seconds of training
OUT = {out}  # directory of the model and its samples

data = mg.load_data({call})
model = mg.build_system({name}, data.representation, data.conditions)
print(model)

print(f"training for {{TIME}} s on {{len(data.train)}} examples")
mg.train(model, data.train, time=TIME)
mg.save(model, OUT + "/model")  # load it with mg.load(OUT + "/model")
'''
LIKELIHOOD = """
held_out = data.test.first(256)
likelihood = model.log_prob(held_out.medium, {condition})
bits = likelihood.bits_per_dim.mean()
print(f"{{bits:.3f}} bits per {unit} on held-out data ({{likelihood.kind}}, {{likelihood.measure}})")
"""
DRAW = {
    "class": """
condition = {first}  # of {classes}
samples = model.sample(16, condition=condition{sampler})
""",
    "prompt": """
prompts = data.test.first(4).medium[:, :16]  # the first sixteen bytes of held-out windows
samples = model.sample(4, condition=prompts)
print("\\n---\\n".join(samples.decode()))
""",
    "none": """
samples = model.sample(16)
""",
    "given": """
condition = data.test.first(4).condition  # of held-out examples
samples = model.sample(4, condition=condition{sampler})
""",
}
TAIL = """samples.save(OUT + "/samples")
print(f"{len(samples)} samples in {OUT}/samples")
"""


def write(source: DataSource, dataset: Dataset, trial: Trial) -> str:
    """The source code of the program that trains a system on these data."""
    out = f"{trial.name}-{Path(split_prefix(source.data)[1]).stem or 'data'}"
    text = HEAD.format(
        summary=trial.summary,
        time=trial.time,
        out=_literal(out),
        call=source.call,
        name=_literal(trial.name),
    )
    condition, _, guided = trial.condition.partition(", ")
    kind = condition if condition in DRAW else "given"
    if trial.likelihood != "none":
        given = "held_out.condition" if kind in ("class", "given") else "None"
        text += LIKELIHOOD.format(unit=dataset.representation.medium.element, condition=given)
    classes = " ".join(", ".join(dataset.classes[:6]).split()) + (", ..." if len(dataset.classes) > 6 else "")
    first = _literal(dataset.classes[0] if dataset.classes else "")
    sampler = ", sampler=mg.Guided(model.objective.default_sampler(), scale=3.0)" if guided else ""
    drawn = DRAW[kind].replace("{classes}", classes).replace("{sampler}", sampler).replace("{first}", first)
    return text + drawn + TAIL


def _literal(value: Any) -> str:
    """A string or a number as Python source."""
    return json.dumps(value, ensure_ascii=False)
