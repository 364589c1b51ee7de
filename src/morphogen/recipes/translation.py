"""English-Spanish translation of Bible verses by a transformer, with a word-for-word baseline."""

__all__ = ["translation"]

from pathlib import Path
from typing import Any

import torch

from morphogen.catalogue import build_system
from morphogen.contract import Sampler
from morphogen.data import Dataset, load_data
from morphogen.evaluation.likelihood import bits_per_dim
from morphogen.evaluation.text import bleu
from morphogen.families.autoregressive import Beam, Greedy
from morphogen.recipes.lexicon import Lexicon
from morphogen.recipes.records import environment, model_record
from morphogen.representations.text import Text
from morphogen.run import Run
from morphogen.training.loop import train

SYSTEM, SIZE = "transformer", "small"
DECODERS: dict[str, Sampler] = {"greedy": Greedy(), "beam 4": Beam(width=4)}
SHOWN = 5  # verses in the record


def translation(
    name: str = "bible-en-es", budget: float = 480.0, tokenizer: str = "bpe:4000", length: int = 64,
    n: int = 500, directory: Path | None = None, seed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """BLEU of n held-out verses, by greedy decoding and beam search, and bits per byte of the whole test set.

    Arguments:
        name: of the sentence pairs.
        budget: seconds of training.
        tokenizer: shared by both languages, as `morphogen.load_data` takes it.
        length: largest number of tokens per sentence.
        n: number of translated verses.
        directory: a run of `morphogen train`; None: train.
        seed: of training.
    """
    data = load_data(name, length=length, tokenizer=tokenizer)
    model, cost = _train(data, budget, seed) if directory is None else _load_run(directory)
    text, held_out = data.representation, data.test.first(n)
    assert isinstance(text, Text)
    sources, references = text.present(held_out.condition["source"]), text.present(held_out.medium)
    translations = {"word for word": _word_for_word(data, text, sources)}
    for method, sampler in DECODERS.items():
        samples = model.sample(len(sources), held_out.condition, sampler, seed=seed, batch=100)
        translations[method] = samples.decode()
    figures: dict[str, Any] = {
        method: {"bleu": bleu(texts, references)} for method, texts in translations.items()
    }
    figures[SYSTEM] = {"likelihood": bits_per_dim(model, data.test, seed=seed)} | cost
    columns = {"source": sources, "reference": references} | translations
    shown = [{title: texts[i] for title, texts in columns.items()} for i in range(min(SHOWN, len(sources)))]
    settings: dict[str, Any] = {
        "data": name,
        "split": data.split,
        "notes": list(data.notes),
        "tokenizer": tokenizer,
    }
    settings |= {"length": length, "n": len(sources), "budget": budget, "seed": seed, "shown": shown}
    models = {SYSTEM: model_record(SYSTEM, SIZE, data, model)}
    return {"figures": figures, "models": models} | settings | environment()


def _word_for_word(data: Dataset, text: Text, sources: list[str]) -> list[str]:
    """Translations by IBM Model 1, fitted to the training pairs."""
    train_pairs = data.train.first()
    lexicon = Lexicon.learn(text.present(train_pairs.condition["source"]), text.present(train_pairs.medium))
    return [lexicon.translate(source) for source in sources]


def _train(data: Dataset, budget: float, seed: int) -> tuple[Any, dict[str, Any]]:
    torch.manual_seed(seed)  # of the initial weights
    model = build_system(SYSTEM, data.representation, data.conditions, SIZE)
    result = train(model, data.train, time=budget, seed=seed)
    return model, {"steps": result.steps, "seconds": round(result.seconds)}


def _load_run(directory: Path) -> tuple[Any, dict[str, Any]]:
    run = Run.open(directory)
    return run.model(), {"steps": run.record["steps"], "seconds": round(run.record["seconds"])}
