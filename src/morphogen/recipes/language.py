"""Language models compared by bits per character, or per byte, of held-out text.

Every model is trained for the same time on the same text, which is split before it is tokenized, and is
measured on the whole test set. The record also has lossless codecs on that test set, and one sample of each
model.
"""

__all__ = ["language"]

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from morphogen.catalogue import build_system
from morphogen.contract import Unsupported
from morphogen.data import Dataset, load_data
from morphogen.evaluation.codecs import codec_baselines
from morphogen.evaluation.likelihood import bits_per_dim
from morphogen.recipes.records import environment, model_record
from morphogen.run import Run
from morphogen.training.loop import train

SIZE = "small"


def language(
    name: str, budget: float, systems: Sequence[str], tokenizers: Sequence[str], length: int = 128,
    directory: Path | None = None, seed: int = 0, rows: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Likelihood of each system with each tokenizer.

    Arguments:
        name: of the text, or of several ("kjv+shakespeare").
        budget: seconds of training per system.
        systems: their names.
        tokenizers: as `morphogen.load_data` takes them.
        length: context length in tokens.
        directory: where `morphogen train` saved a run of each system; None: train.
        seed: of training and sampling.
        rows: evenly spaced windows of the test set to measure, for bounds that require many calls; None: all.
    """
    figures: dict[str, Any] = {}
    models, samples, splits = {}, {}, set()
    for tokenizer in tokenizers:
        data = load_data(name, length=length, tokenizer=tokenizer)
        splits.add(data.split)
        if not figures:
            figures = {row["system"]: {"likelihood": row["likelihood"]} for row in codec_baselines(data)}
        for system in systems:
            label = system if len(tokenizers) == 1 else f"{system}, {tokenizer}"
            if directory is None:
                model, cost = _train(system, data, budget, seed)
            else:
                model, cost = _load_run(system, tokenizer, directory)
            figures[label] = {"likelihood": bits_per_dim(model, data.test, rows, seed=seed)} | cost
            models[label] = model_record(system, SIZE, data, model)
            (samples[label],) = model.sample(1, seed=seed).decode()
    (split,) = splits  # every tokenizer has the same held-out bytes
    settings = {"data": name, "split": split, "unit": f"bits/{data.representation.unit}", "length": length}
    settings |= {"budget": budget, "seed": seed, "written": samples}
    return {"figures": figures, "models": models} | settings | environment()


def _train(system: str, data: Dataset, budget: float, seed: int) -> tuple[Any, dict[str, Any]]:
    torch.manual_seed(seed)  # of the initial weights
    model = build_system(system, data.representation, data.conditions, SIZE)
    result = train(model, data.train, time=budget, seed=seed)
    return model, {"steps": result.steps, "seconds": round(result.seconds)}


def _load_run(system: str, tokenizer: str, directory: Path) -> tuple[Any, dict[str, Any]]:
    """The newest run of a system with this tokenizer. Errors: Unsupported if there is none."""
    for file in sorted(directory.glob("*/run.json"), reverse=True):
        run = Run.open(file.parent)
        run_tokenizer = run.record["settings"].get("tokenizer") or "bytes"
        if run.record["system"] == system and run_tokenizer == tokenizer:
            return run.model(), {"steps": run.record["steps"], "seconds": round(run.record["seconds"])}
    raise Unsupported(
        f"{directory}: no run of {system} with tokenizer {tokenizer}; omit the directory to train one"
    )
