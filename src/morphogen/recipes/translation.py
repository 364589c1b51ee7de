"""A transformer that turns English verses into Spanish ones, beside a dictionary that does it word for word."""

__all__ = ["translation"]

from pathlib import Path
from typing import Any

import torch

from morphogen.catalogue import compose
from morphogen.contract import Sampler
from morphogen.data import Dataset, load
from morphogen.evaluation.likelihood import bits_per_dim
from morphogen.evaluation.text import bleu
from morphogen.families.autoregressive import Beam, Greedy
from morphogen.recipes.lexicon import Lexicon
from morphogen.recipes.records import circumstances, specimen
from morphogen.representations.text import Text
from morphogen.run import Run
from morphogen.training.loop import train

SYSTEM, SIZE = "transformer", "small"
DECODERS: dict[str, Sampler] = {"greedy": Greedy(), "beam 4": Beam(width=4)}
SHOWN = 5  # verses


def translation(
    name: str = "bible-en-es", budget: float = 480.0, tokens: str = "bpe:4000", length: int = 64, n: int = 500,
    directory: Path | None = None, seed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """BLEU of n held-out verses, greedy and by beam, and bits a byte of the whole test part.

    Arguments:
        name: of the pairs.
        budget: seconds of training.
        tokens, length: symbols of both languages, and of a row at the most.
        n: verses that are translated.
        directory: a run that `morphogen train` has left; None: train.
        seed: of training.
    """
    data = load(name, length=length, tokens=tokens)
    model, spent = _trained(data, budget, seed) if directory is None else _found(directory)
    text, held_out = data.representation, data.test.first(n)
    assert isinstance(text, Text) and held_out.condition is not None
    sources, references = text.present(held_out.condition), text.present(held_out.medium)
    learned = data.train.first()
    assert learned.condition is not None
    written = {"word for word": list(map(Lexicon.learn(text.present(learned.condition), text.present(learned.medium)).translate, sources))}
    for way, sampler in DECODERS.items():
        written[way] = model.sample(len(sources), held_out.condition, sampler, seed=seed, batch=100).decode()
    figures: dict[str, Any] = {way: {"bleu": bleu(texts, references)} for way, texts in written.items()}
    figures[SYSTEM] = {"likelihood": bits_per_dim(model, data.test, seed=seed)} | spent
    shown = [{"source": s, "reference": r} | {way: written[way][i] for way in written} for i, (s, r) in _first(sources, references)]
    known = {"data": name, "split": data.split, "notes": list(data.notes), "tokens": tokens, "length": length, "n": len(sources)}
    known |= {"budget": budget, "seed": seed, "shown": shown}
    return {"figures": figures, "models": {SYSTEM: specimen(SYSTEM, SIZE, data, model)}} | known | circumstances()


def _first(sources: list[str], references: list[str]) -> list[tuple[int, tuple[str, str]]]:
    return list(enumerate(zip(sources, references, strict=True)))[:SHOWN]


def _trained(data: Dataset, budget: float, seed: int) -> tuple[Any, dict[str, Any]]:
    torch.manual_seed(seed)  # weights start from torch's generator
    model = compose(SYSTEM, data.representation, 0, SIZE)
    trained = train(model, data.train, time=budget, seed=seed)
    return model, {"steps": trained.steps, "seconds": round(trained.seconds)}


def _found(directory: Path) -> tuple[Any, dict[str, Any]]:
    run = Run.open(directory)
    return run.model(), {"steps": run.record["steps"], "seconds": round(run.record["seconds"])}
