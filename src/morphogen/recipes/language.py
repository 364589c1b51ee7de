"""Language models side by side: how many bits a character, or a byte, of works that none of them has seen.

Every model reads the same text, parted before it was symbols, for the same time, and is measured on the whole test part. Beside them
stand what lossless codecs make of that part, and a text that each has written.
"""

__all__ = ["language"]

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from morphogen.catalogue import compose
from morphogen.contract import Unsupported
from morphogen.data import Dataset, load
from morphogen.evaluation.codecs import codecs
from morphogen.evaluation.likelihood import bits_per_dim
from morphogen.recipes.records import circumstances, specimen
from morphogen.run import Run
from morphogen.training.loop import train

SIZE = "small"


def language(
    name: str, budget: float, systems: Sequence[str], tokens: Sequence[str], length: int = 128, directory: Path | None = None,
    seed: int = 0, rows: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Each system in each kind of symbols.

    Arguments:
        name: of the text, or of several ("kjv+shakespeare").
        budget: seconds of training of each.
        systems: names.
        tokens: kinds of symbols, as `morphogen.load_data` takes them.
        length: symbols of a window: what a model sees at a time.
        directory: where `morphogen train` has left a run of each; None: train.
        seed: of training and sampling.
        rows: windows of the test part that are measured, spread evenly, where a bound asks for many calls; None: all.
    """
    figures: dict[str, Any] = {}
    models, written, splits = {}, {}, set()
    for words in tokens:
        data = load(name, length=length, tokens=words)
        splits.add(data.split)
        if not figures:
            figures = {row["system"]: {"likelihood": row["likelihood"]} for row in codecs(data)}
        for system in systems:
            label = system if len(tokens) == 1 else f"{system}, {words}"
            model, spent = _trained(system, data, budget, seed) if directory is None else _found(system, words, directory)
            figures[label] = {"likelihood": bits_per_dim(model, data.test, rows, seed=seed)} | spent
            models[label] = specimen(system, SIZE, data, model)
            (written[label],) = model.sample(1, seed=seed).decode()
    (split,) = splits  # the same bytes are held out, whatever the symbols
    unit = data.representation.unit
    known = {"data": name, "split": split, "unit": f"bits/{unit}", "length": length, "budget": budget, "seed": seed, "written": written}
    return {"figures": figures, "models": models} | known | circumstances()


def _trained(system: str, data: Dataset, budget: float, seed: int) -> tuple[Any, dict[str, Any]]:
    torch.manual_seed(seed)  # weights start from torch's generator
    model = compose(system, data.representation, len(data.classes), SIZE)
    trained = train(model, data.train, time=budget, seed=seed)
    return model, {"steps": trained.steps, "seconds": round(trained.seconds)}


def _found(system: str, tokens: str, directory: Path) -> tuple[Any, dict[str, Any]]:
    """The run of a system on such symbols, the newest of several. Errors: Unsupported where there is none."""
    for file in sorted(directory.glob("*/run.json"), reverse=True):
        run = Run.open(file.parent)
        if run.record["system"] == system and (run.record["settings"].get("tokens") or "bytes") == tokens:
            return run.model(), {"steps": run.record["steps"], "seconds": round(run.record["seconds"])}
    raise Unsupported(f"{directory} holds no run of {system} on {tokens}; leave the directory out, and it is trained")
